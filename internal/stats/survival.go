package stats

import (
	"cmp"
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

// restricted is the lesser of time and deadline. It fails where the deadline is not
// positive, and where the time is censored before it.
func (t Time) restricted(deadline float64) (float64, error) {
	switch {
	case !(deadline > 0) || math.IsInf(deadline, 0):
		return 0, fmt.Errorf("deadline %v is not positive", deadline)
	case t.Censored && t.At < deadline:
		return 0, fmt.Errorf("a time is censored at %v, before the deadline %v", t.At, deadline)
	}
	return min(t.At, deadline), nil
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
