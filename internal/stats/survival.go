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
	At       float64
	Censored bool
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

// compareTimes puts what happened at some time before what was censored then:
// the latter was still to come.
func compareTimes(a, b Time) int {
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

// Step is a Kaplan-Meier curve from one time to that of the next step.
type Step struct {
	At                       float64
	AtRisk, Events, Censored int
	// Survival is the estimated probability of later than At.
	Survival float64
	// StdErr is Survival's standard error by Greenwood's formula, which means
	// little where few trials are left. It is 0 where Survival is 0: the
	// formula has none for that.
	StdErr float64
	// Interval is for the probability of later than At, at At.
	Interval Interval
}

// KaplanMeier estimates the distribution of times of which some are censored.
// It has a step for each different time, censored ones included; before the
// first the probability of later is 1.
//
// The intervals are Fay, Brittain and Proschan's beta product (2013,
// Biostatistics 14:723) with the product's beta by two moments (Fan 1991):
// Clopper-Pearson's where nothing was censored before, and unlike the usual
// ones right with a handful of trials and where nothing or everything happened.
//
// It fails without times, with one that is negative or not finite, and where
// level is not between 0 and 1.
func KaplanMeier(times []Time, level float64) ([]Step, error) {
	if err := checkLevel(level); err != nil {
		return nil, err
	}
	if err := checkTimes(times); err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(slices.Values(times), compareTimes)
	var curve []Step
	tail := (1 - level) / 2
	survival, greenwood := 1.0, 0.0
	product := betaProduct{1, 1}
	for i := 0; i < len(sorted); {
		s := Step{At: sorted[i].At, AtRisk: len(sorted) - i}
		for ; i < len(sorted) && sorted[i].At == s.At; i++ {
			if sorted[i].Censored {
				s.Censored++
			} else {
				s.Events++
			}
		}
		n, d := float64(s.AtRisk), float64(s.Events)
		survival *= (n - d) / n
		greenwood += d / (n * (n - d))
		s.Survival = survival
		if survival > 0 {
			s.StdErr = survival * math.Sqrt(greenwood)
		}
		product = product.times(n-d+1, d)
		s.Interval = Interval{
			// Those left tell how long the curve may have stayed where it
			// is; those censored at this very time were left.
			Lo:    product.times(n-d, 1).quantile(tail),
			Hi:    product.quantile(1 - tail),
			Level: level, Attained: level,
		}
		curve = append(curve, s)
	}
	return curve, nil
}

// betaProduct is a product of independent beta variables, by its first two
// moments.
type betaProduct struct{ mean, square float64 }

// times multiplies by a beta variable. One with b = 0 is the constant 1, one
// with a = 0 the constant 0.
func (p betaProduct) times(a, b float64) betaProduct {
	return betaProduct{p.mean * a / (a + b), p.square * a * (a + 1) / ((a + b) * (a + b + 1))}
}

// quantile is that of the beta variable with the same moments.
func (p betaProduct) quantile(q float64) float64 {
	variance := p.square - p.mean*p.mean
	if p.mean <= 0 || variance <= 1e-15*p.mean {
		return p.mean // no factor yet, or one that is 0
	}
	scale := (p.mean - p.square) / variance
	return betaQuantile(q, p.mean*scale, (1-p.mean)*scale)
}

// Restricted is the mean of the lesser of time and deadline, the area below the
// Kaplan-Meier curve up to the deadline.
type Restricted struct {
	Mean float64 // in the times' unit
	// StdErr is Greenwood's formula for the area (Klein and Moeschberger,
	// Survival Analysis, 4.5.2), as R's survfit prints it as se(rmean).
	StdErr   float64
	Deadline float64
	N        int
	Events   int // by the deadline
	Early    int // censored before the deadline, which costs certainty
}

// RestrictedMean estimates the restricted mean. Nothing later than the deadline
// counts, so that trials that were watched for longer do not weigh more.
//
// It fails as KaplanMeier does, where the deadline is not positive, and where
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
	slices.SortFunc(cut, compareTimes)
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
	// d/(n(n-d)) weighs the square of the area that is left after each event.
	variance := 0.0
	survival, done := 1.0, 0.0
	for i := 0; i < len(cut); {
		from, n := cut[i].At, float64(len(cut)-i)
		d := 0.0
		done += survival * (from - previous(cut, i))
		for ; i < len(cut) && cut[i].At == from; i++ {
			if !cut[i].Censored {
				d++
			}
		}
		if left := out.Mean - done; d > 0 && d < n {
			variance += left * left * d / (n * (n - d))
		}
		survival *= (n - d) / n
	}
	out.StdErr = math.Sqrt(variance)
	return out, nil
}

var errUnknown = errors.New("the restricted mean is unknown")

func previous(sorted []Time, i int) float64 {
	if i == 0 {
		return 0
	}
	return sorted[i-1].At
}

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
