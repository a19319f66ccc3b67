package stats

import "fmt"

// Verdict is what a contrast's numbers amount to. There are no others.
type Verdict string

// The verdicts; "equivalent" is always to be shown with its margin.
const (
	Differs      Verdict = "differs"
	Equivalent   Verdict = "equivalent"
	Inconclusive Verdict = "inconclusive"
)

// Alpha is the level that adjusted p are compared to.
const Alpha = 0.05

// Decide makes the verdict, by this rule:
//
//  1. equivalent, where the interval lies between -delta and delta, ends
//     included, and the outcomes are not mixed;
//  2. else differs, where p, adjusted for the outcomes tested with it, is
//     below 0.05;
//  3. else inconclusive.
//
// delta, in the interval's unit, is the smallest difference that matters and
// has to be stated beforehand. Where both 1 and 2 hold the difference is there
// but smaller than that, so 1 comes first: otherwise every plan with enough
// blocks ends in "differs". With a 95 % interval a false "equivalent" has a
// chance of 2.5 % (two one-sided tests need only 90 %: Schuirmann 1987, J.
// Pharmacokinet. Biopharm. 15:657). Mixed outcomes are never equivalent: a
// shift of zero can leave one trial in ten late by 30 s.
//
// Where there is no interval, as for censored outcomes, pass one without bounds
// (the zero Interval is none): then only differs and inconclusive are possible.
//
// It fails where p is not a probability, delta is not positive, or the interval
// is empty or has no level.
func Decide(p float64, interval Interval, delta float64, mixed bool) (Verdict, error) {
	switch {
	case !(p >= 0 && p <= 1):
		return "", fmt.Errorf("p %v is not a probability", p)
	case !(delta > 0):
		return "", fmt.Errorf("margin %v is not positive", delta)
	case interval != Interval{} && !(interval.Lo <= interval.Hi && interval.Level > 0):
		return "", fmt.Errorf("interval %v to %v at level %v is none", interval.Lo, interval.Hi, interval.Level)
	}
	switch {
	case interval != Interval{} && !mixed && -delta <= interval.Lo && interval.Hi <= delta:
		return Equivalent, nil
	case p < Alpha:
		return Differs, nil
	}
	return Inconclusive, nil
}
