package stats

import (
	"cmp"
	"fmt"
	"slices"
)

// Options say how a contrast is analysed. All have to be stated before the
// data are seen.
type Options struct {
	Level    float64 // of the intervals, e.g. 0.95
	Late     float64 // above this a trial counts as delayed, e.g. 1 s
	Deadline float64 // to which every trial was watched, e.g. 40 s
	Seed     uint64  // for permutations beyond 20 blocks
}

// Contrast is what blocks say about two arms. Where trials are
// mixed, one number for the difference describes neither kind: read Late.
type Contrast struct {
	Blocks int
	// Shift is of the block differences b-a, nil where a time is censored: no
	// difference is known then.
	Shift *Shift
	// Restricted stands in for Shift then: the mean difference b-a with every time
	// counted as Options.Deadline at most. It has no interval: a few trials cannot
	// exclude that one in ten is late by as much as that.
	Restricted *float64
	// Late is the share of trials later than Options.Late, of the LateBlocks
	// where that is known of both; nil where there are none.
	Late       *PairedProportions
	LateBlocks int
	MixedA     bool // an arm has both prompt and late trials
	MixedB     bool
	// P is Shift's, or SignFlip's of the restricted differences.
	P float64
}

// Compare analyses two arms; elements of the same index are of one block.
// Blocks of which one trial is lost have to be left out before.
//
// It fails where the arms are not of one length, are empty, or hold a time that
// is negative or not finite, where an option is missing, and where one is
// censored before the deadline.
func Compare(a, b []Time, o Options) (Contrast, error) {
	if len(a) != len(b) {
		return Contrast{}, fmt.Errorf("%d values of one arm and %d of the other are not blocks", len(a), len(b))
	}
	for _, times := range [][]Time{a, b} {
		if err := checkTimes(times); err != nil {
			return Contrast{}, err
		}
	}
	if !(o.Late > 0) {
		return Contrast{}, fmt.Errorf("limit %v of what is late is not positive", o.Late)
	}
	out := Contrast{Blocks: len(a), MixedA: Mixed(ats(a), o.Late), MixedB: Mixed(ats(b), o.Late)}
	if err := out.estimate(a, b, o); err != nil {
		return Contrast{}, err
	}
	var lateA, lateB []bool
	for i := range a {
		x, knownX := a[i].Later(o.Late)
		y, knownY := b[i].Later(o.Late)
		if knownX && knownY {
			lateA, lateB = append(lateA, x), append(lateB, y)
		}
	}
	if out.LateBlocks = len(lateA); out.LateBlocks > 0 {
		late, err := CompareProportions(lateA, lateB, o.Level)
		if err != nil {
			return Contrast{}, err
		}
		out.Late = &late
	}
	return out, nil
}

func (c *Contrast) estimate(a, b []Time, o Options) error {
	censored := func(t Time) bool { return t.Censored }
	d := make([]float64, len(a))
	if slices.ContainsFunc(a, censored) || slices.ContainsFunc(b, censored) {
		mean := 0.0
		for i := range d {
			x, errX := a[i].restricted(o.Deadline)
			y, errY := b[i].restricted(o.Deadline)
			if err := cmp.Or(errX, errY); err != nil {
				return err
			}
			d[i] = y - x
			mean += d[i] / float64(len(d))
		}
		p, err := SignFlip(d, o.Seed)
		c.Restricted, c.P = &mean, p.P
		return err
	}
	for i := range d {
		d[i] = b[i].At - a[i].At
	}
	shift, err := Paired(d, o.Level)
	if err != nil {
		return err
	}
	c.Shift, c.P = &shift, shift.P
	return nil
}

// Difference is by how much b is later than a: Shift's or Restricted's.
func (c Contrast) Difference() float64 {
	if c.Shift != nil {
		return c.Shift.Estimate
	}
	return *c.Restricted
}

// Mixed reports whether either arm has both prompt and late trials.
func (c Contrast) Mixed() bool { return c.MixedA || c.MixedB }

// Verdict is Decide's for the contrast, with its p adjusted for the outcomes
// that were tested with it (P itself where it stood alone) and a margin stated
// beforehand, in the times' unit. Censored outcomes are never equivalent. It
// fails as Decide does.
func (c Contrast) Verdict(adjusted, delta float64) (Verdict, error) {
	var interval Interval
	if c.Shift != nil {
		interval = c.Shift.Interval
	}
	return Decide(adjusted, interval, delta, c.Mixed())
}

func ats(times []Time) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = t.At
	}
	return out
}
