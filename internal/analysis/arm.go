package analysis

import (
	"math"
	"slices"

	"headless-job-dns/internal/stats"
)

// summarise makes an arm's own numbers. Nothing but the restricted mean depends
// on the deadline, in seconds.
func summarise(blocks []int, values []value, deadline float64) Arm {
	a := Arm{Times: times(values), Blocks: blocks, Median: math.NaN(), AtLeast: math.NaN(), Restricted: math.NaN()}
	var late, known int
	for i, v := range values {
		a.Resolution = max(a.Resolution, v.width)
		if v.Censored {
			a.Censored++
		}
		if i == 0 || v.At < a.Least.At || v.At == a.Least.At && !v.Censored {
			a.Least = v.Time
		}
		a.Most.At = max(a.Most.At, v.At)
		if v.At > Late.Seconds() {
			late, known = late+1, known+1
		} else if !v.Censored {
			known++
		}
	}
	if len(values) == 0 {
		return a
	}
	a.Most.Censored = a.Censored > 0
	a.median()
	// What cannot be estimated stays unknown: a mean where nothing was watched,
	// a share where none is known.
	if r, err := stats.RestrictedMean(a.Times, deadline); err == nil {
		a.Restricted = r.Mean
	}
	if p, err := stats.NewProportion(late, known, Level); err == nil {
		a.Late = &p
	}
	return a
}

// median bounds the median from both sides: with each censored time at its
// bound, and with each as late as can be. Where they agree it is known. An
// order statistic of the former is not above, one of the latter not below that
// of the true times, so that the interval covers no less for it.
func (a *Arm) median() {
	bounds := make([]float64, len(a.Times))
	latest := make([]float64, len(a.Times))
	for i, t := range a.Times {
		bounds[i], latest[i] = t.At, t.At
		if t.Censored {
			latest[i] = math.MaxFloat64 // a quantile of infinite values is refused
		}
	}
	// Finite values and a level of ours: neither fails.
	low, _ := stats.NewQuantile(bounds, 0.5, Level)
	high, _ := stats.NewQuantile(latest, 0.5, Level)
	a.AtLeast = low.Estimate
	if high.Estimate == low.Estimate {
		a.Median = low.Estimate
	}
	a.Interval = low.Interval
	a.Interval.Hi = high.Interval.Hi
	if a.Interval.Hi == math.MaxFloat64 {
		a.Interval.Hi = math.Inf(1)
	}
}

// common is the deadline until which all values were watched, seconds, and
// whether any is censored. Where none is, nothing is to be restricted: then it
// is no earlier than the last value. It is 0 without values.
func common(values ...[]value) (deadline float64, censored bool) {
	last := 0.0
	for i, v := range slices.Concat(values...) {
		if i == 0 || v.watched < deadline {
			deadline = v.watched
		}
		last = max(last, v.At)
		censored = censored || v.Censored
	}
	if !censored {
		deadline = max(deadline, last)
	}
	return deadline, censored
}

func times(values []value) []stats.Time {
	out := make([]stats.Time, len(values))
	for i, v := range values {
		out[i] = v.Time
	}
	return out
}
