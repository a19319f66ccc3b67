package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Time is when something happened, or, censored, until when it had not.
type Time struct {
	At       float64 `json:"s"`
	Censored bool    `json:"at_least,omitempty"`
}

func checkTimes(times []Time) error {
	if len(times) == 0 {
		return ErrNoData
	}
	for i, t := range times {
		if math.IsNaN(t.At) || math.IsInf(t.At, 0) || t.At < 0 {
			return fmt.Errorf("time %d is %v", i+1, t.At)
		}
	}
	return nil
}

// CompareTimes puts what happened at some time before what was censored then:
// the latter was still to come.
func CompareTimes(a, b Time) int {
	if c := cmp.Compare(a.At, b.At); c != 0 {
		return c
	}
	switch {
	case a.Censored == b.Censored:
		return 0
	case b.Censored:
		return -1
	}
	return 1
}

// Later tells whether the time is above limit, and whether that is known.
func (t Time) Later(limit float64) (later, known bool) {
	if t.Censored && t.At < limit {
		return false, false
	}
	return t.Censored || t.At > limit, true
}

// Quantile is the q-quantile of times by interpolation (type 7 of Hyndman and
// Fan 1996, Am. Stat. 50:361, which is R's default; for 0.5 the usual median).
// It is bounded from both sides, with each censored time at its bound and with
// each as late as can be: where the two differ it is censored at the lower one.
// It is zero, uncensored, without times.
func Quantile(times []Time, q float64) Time {
	if len(times) == 0 {
		return Time{}
	}
	low, high := make([]float64, len(times)), make([]float64, len(times))
	for i, t := range times {
		low[i], high[i] = t.At, t.At
		if t.Censored {
			high[i] = math.Inf(1)
		}
	}
	at := interpolate(low, q)
	return Time{at, interpolate(high, q) != at}
}

// interpolate sorts the values.
func interpolate(x []float64, q float64) float64 {
	slices.Sort(x)
	at := q * float64(len(x)-1)
	i := int(at)
	if part := at - float64(i); part > 0 {
		return x[i] + part*(x[i+1]-x[i])
	}
	return x[i]
}

// Restricted is the mean of the lesser of time and deadline, the area below the
// Kaplan-Meier curve up to the deadline.
type Restricted struct {
	Mean     float64 // in the times' unit
	Deadline float64
	N        int
	Events   int // by the deadline
	Early    int // censored before the deadline, which costs certainty
}

// RestrictedMean estimates the restricted mean. Nothing later than the deadline
// counts, so that trials that were watched for longer do not weigh more.
//
// It fails without times, with one that is negative or not finite, where the deadline is not positive, and where
// the last trial was censored before the deadline: only the mean to an earlier
// one is known then.
func RestrictedMean(times []Time, deadline float64) (Restricted, error) {
	if err := checkTimes(times); err != nil {
		return Restricted{}, err
	}
	if !(deadline > 0) || math.IsInf(deadline, 0) {
		return Restricted{}, fmt.Errorf("deadline %v is not positive", deadline)
	}
	cut := restrict(times, deadline)
	slices.SortFunc(cut, CompareTimes)
	out := Restricted{Deadline: deadline, N: len(cut)}
	for _, t := range cut {
		switch {
		case !t.Censored:
			out.Events++
		case t.At < deadline:
			out.Early++
		}
	}
	if last := cut[len(cut)-1]; last.Censored && last.At < deadline {
		return Restricted{}, fmt.Errorf("the last of %d trials was censored at %v, before the deadline %v: %w beyond",
			len(cut), last.At, deadline, errUnknown)
	}
	out.Mean = area(cut, deadline)
	return out, nil
}

var errUnknown = errors.New("the restricted mean is unknown")

// restrict replaces what is later than the deadline by: not by the deadline.
func restrict(times []Time, deadline float64) []Time {
	out := slices.Clone(times)
	for i, t := range out {
		if t.At > deadline {
			out[i] = Time{deadline, true}
		}
	}
	return out
}

// area below the Kaplan-Meier curve of sorted, restricted times; a curve that
// ends in a censored time before the deadline stays where it is.
func area(sorted []Time, deadline float64) float64 {
	sum, survival, from := 0.0, 1.0, 0.0
	for i, t := range sorted {
		if t.Censored {
			continue
		}
		sum += survival * (t.At - from)
		from = t.At
		// Events of one time one after the other: (n-1)/n * (n-2)/(n-1) ...
		survival *= float64(len(sorted)-i-1) / float64(len(sorted)-i)
	}
	return sum + survival*(deadline-from)
}
