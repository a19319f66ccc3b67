package stats

import (
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

// Contrast is what blocks say about two arms. Shift and Late belong together:
// see Warnings.
type Contrast struct {
	Blocks int
	// Shift and Median are of the block differences b-a, nil where an outcome
	// is censored: no difference is known then. Median's interval does not
	// assume symmetry.
	Shift  *Shift
	Median *Quantile
	// Restricted stands in for Shift then.
	Restricted *RestrictedDifference
	// Late is the share of trials later than Options.Late, of the LateBlocks
	// where that is known of both; nil where there are none.
	Late       *PairedProportions
	LateBlocks int
	MixedA     bool // an arm has both prompt and late trials
	MixedB     bool
	// P is Shift's or Restricted's.
	P float64
	// Warnings are sentences for whoever reads the numbers.
	Warnings []string
}

// Compare analyses two arms; elements of the same index are of one block.
// Blocks of which one trial is lost have to be left out before.
//
// It fails where the arms are not of one length, are empty, or hold a time that
// is negative or not finite, where an option is missing, and where times are
// censored so early that the restricted mean is unknown.
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
		x, knownX := a[i].later(o.Late)
		y, knownY := b[i].later(o.Late)
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
	out.warn(o)
	return out, nil
}

func (c *Contrast) estimate(a, b []Time, o Options) error {
	censored := func(t Time) bool { return t.Censored }
	if slices.ContainsFunc(a, censored) || slices.ContainsFunc(b, censored) {
		if err := checkLevel(o.Level); err != nil {
			return err
		}
		r, err := CompareRestricted(a, b, o.Deadline, o.Seed)
		if err != nil {
			return err
		}
		c.Restricted, c.P = &r, r.P
		return nil
	}
	d := make([]float64, len(a))
	for i := range d {
		d[i] = b[i].At - a[i].At
	}
	shift, err := Paired(d, o.Level)
	if err != nil {
		return err
	}
	median, err := NewQuantile(d, 0.5, o.Level)
	if err != nil {
		return err
	}
	c.Shift, c.Median, c.P = &shift, &median, shift.P
	return nil
}

func (c *Contrast) warn(o Options) {
	warn := func(format string, args ...any) { c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...)) }
	if c.Mixed() {
		warn("prompt and late outcomes are mixed within an arm: one number for the difference describes neither kind, read the proportions")
	}
	if c.Shift != nil && !c.Shift.Interval.Bounded() {
		warn("%d block(s) cannot bound the shift at %v %%", c.Blocks, 100*o.Level)
	}
	if least := SmallestP(c.Blocks, 1); least >= Alpha {
		warn("%d block(s) cannot reach p < %v: the smallest possible is %v", c.Blocks, Alpha, least)
	}
	if c.Restricted != nil {
		if early := c.Restricted.A.Early + c.Restricted.B.Early; early > 0 {
			warn("%d outcome(s) were censored before the common deadline", early)
		}
	}
	if unknown := c.Blocks - c.LateBlocks; unknown > 0 {
		warn("in %d block(s) it is unknown whether an outcome was late", unknown)
	}
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

// later reports whether the time is above limit, and whether that is known.
func (t Time) later(limit float64) (later, known bool) {
	if t.Censored && t.At < limit {
		return false, false
	}
	return t.Censored || t.At > limit, true
}

func ats(times []Time) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = t.At
	}
	return out
}
