package analysis

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Finding is one of the plan's contrasts, analysed.
type Finding struct {
	plan.Contrast
	Primary bool
	// Check says that both arms are the same combination (A/A): "differs" there
	// speaks against the procedure, and happens by chance in 5 % of plans.
	Check   bool
	Planned int // blocks that the plan has for it
	Blocks  int // complete ones: both trials there, valid and known

	// Deadline is until when all of its trials were watched, in seconds. Where
	// one is censored, means restricted to it are compared: every trial has the
	// same chance to show a late outcome then.
	Deadline float64
	Stats    *stats.Contrast // nil: nothing to compare; Why says why
	// Pairs takes the place of Stats where the outcome is yes or no.
	Pairs    *stats.PairedProportions
	Adjusted float64 // p after Holm among the secondary ones; 1 where Stats is nil
	Verdict  stats.Verdict
	Why      string

	Control, Treated Side
}

// Side is one side of a contrast over its complete blocks.
type Side struct {
	Median stats.Time
	Late   *stats.Proportion // of those where it is known; nil: of none
}

// Findings analyses the plan's contrasts: the primary one first, then the
// others in the plan's order. The secondary ones' p are corrected together for
// being several, those that could not be analysed counting as tested with p = 1:
// how many they are was declared before the data were seen. The primary one and
// checks stand alone.
func (a *Analysis) Findings() []Finding {
	var out []Finding
	if a.plan.Primary != nil {
		f := a.contrast(*a.plan.Primary)
		f.Primary = true
		out = append(out, f)
	}
	for _, c := range a.plan.Secondary {
		out = append(out, a.contrast(c))
	}
	correct(out)
	for i := range out {
		out[i].decide(time.Duration(a.plan.Margin).Seconds())
	}
	return out
}

// contrast analyses one contrast as far as it can without the others.
func (a *Analysis) contrast(c plan.Contrast) Finding {
	f := Finding{Contrast: c, Check: c.Check(), Adjusted: 1}
	timeouts := [2]plan.Duration{c.Outcome.Timeout, c.Outcome.Timeout}
	if c.Outcome.ControlTimeout != nil {
		timeouts[0] = *c.Outcome.ControlTimeout
	}
	if c.Outcome.Of == plan.Withdrawn {
		return a.withdrawn(f)
	}
	var sides [2][]Lag
	for _, b := range a.blocks(c.Control, c.With) {
		f.Planned++
		control, whyControl := a.lag(c.Control, b, c.Outcome.Of, timeouts[0])
		with, whyWith := a.lag(c.With, b, c.Outcome.Of, timeouts[1])
		if why := join("; ", whyControl, whyWith); why != "" {
			f.Why = join("; ", f.Why, fmt.Sprintf("block %d is left out: %s", b, why))
			continue
		}
		sides[0], sides[1] = append(sides[0], control), append(sides[1], with)
	}
	f.Blocks = len(sides[0])
	switch {
	case c.Control == c.With && timeouts[0] == timeouts[1]:
		f.Why = "the contrast is of an arm with itself"
		return f
	case f.Planned == 0:
		f.Why = "the plan has no block with both arms"
		return f
	case f.Blocks == 0:
		f.Why = "no block is complete"
		return f
	}
	f.Deadline = common(slices.Concat(sides[0], sides[1]))
	f.Control, f.Treated = side(sides[0]), side(sides[1])
	s, err := stats.Compare(times(sides[0]), times(sides[1]), stats.Options{
		Level: Level, Late: Late.Seconds(), Deadline: f.Deadline, Seed: a.plan.Seed,
	})
	if err != nil {
		f.Why = err.Error()
		return f
	}
	f.Stats = &s
	return f
}

// blocks are the plan's blocks in which both arms are, ascending.
func (a *Analysis) blocks(control, with plan.Arm) []int {
	var out []int
	for at := range a.planned {
		if at.arm == control && len(a.planned[armBlock{with, at.block}]) > 0 {
			out = append(out, at.block)
		}
	}
	slices.Sort(out)
	return out
}

// lag is what an arm's trial in a block gives to a contrast, or why nothing.
func (a *Analysis) lag(arm plan.Arm, block int, of plan.Moment, timeout plan.Duration) (Lag, string) {
	t, why := a.trialIn(arm, block)
	if why != "" {
		return Lag{}, why
	}
	var l Lag
	switch of {
	case plan.Resolved:
		l = t.Resolved
	case plan.OnServer:
		l = t.OnServer
	case plan.Connected:
		l = t.Connected
	case plan.Joined:
		l = t.worker(timeout)
	default:
		return Lag{}, fmt.Sprintf("no outcome is called %q", of)
	}
	if l.Lost != "" {
		return l, t.ID + ": " + l.Lost
	}
	return l, ""
}

// trialIn is an arm's trial in a block, or why there is none that counts.
func (a *Analysis) trialIn(arm plan.Arm, block int) (Trial, string) {
	planned := a.planned[armBlock{arm, block}]
	if n := len(planned); n > 1 {
		return Trial{}, fmt.Sprintf("the plan has its arm %d times in the block", n)
	}
	i, ok := a.byID[planned[0]]
	if !ok {
		return Trial{}, planned[0] + " was not run"
	}
	t := a.trials[i]
	if t.Invalid != "" {
		return Trial{}, t.ID + " is " + t.Invalid
	}
	return t, ""
}

// common is until when all lags were watched, in seconds; where none is
// censored nothing is to be restricted, and it is no earlier than the last.
func common(lags []Lag) float64 {
	watched, last, censored := lags[0].Watched, 0.0, false
	for _, l := range lags {
		watched, last = min(watched, l.Watched), max(last, l.At)
		censored = censored || l.Censored
	}
	if !censored {
		return max(watched, last)
	}
	return watched
}

func side(lags []Lag) Side {
	s := Side{Median: stats.Quantile(times(lags), 0.5)}
	late, known := 0, 0
	for _, l := range lags {
		is, ok := l.Later(Late.Seconds())
		if ok {
			known++
		}
		if is {
			late++
		}
	}
	if p, err := stats.NewProportion(late, known, Level); err == nil {
		s.Late = &p
	}
	return s
}

func times(lags []Lag) []stats.Time {
	out := make([]stats.Time, len(lags))
	for i, l := range lags {
		out[i] = l.Time
	}
	return out
}

// correct adjusts the secondary contrasts' p.
func correct(findings []Finding) {
	var family []*Finding
	var tests []stats.Test
	for i := range findings {
		f := &findings[i]
		p := 1.0
		switch {
		case f.Stats != nil:
			p = f.Stats.P
		case f.Pairs != nil:
			p = f.Pairs.P
		}
		f.Adjusted = p
		if !f.Primary && !f.Check {
			family = append(family, f)
			tests = append(tests, stats.Test{Name: strconv.Itoa(i), P: p}) // the plan's names need not differ
		}
	}
	// It fails for p that are none and names that come twice.
	adjusted, _ := stats.Holm(tests)
	for i, f := range family {
		f.Adjusted = adjusted[i].Adjusted
	}
}

// decide makes the verdict for the plan's margin in seconds, 0 where it states
// none: then nothing can be equivalent.
func (f *Finding) decide(margin float64) {
	f.Verdict = stats.Inconclusive
	if f.Pairs != nil && f.Adjusted < stats.Alpha {
		f.Verdict = stats.Differs
	}
	if f.Stats == nil {
		return
	}
	var err error
	if margin > 0 {
		f.Verdict, err = f.Stats.Verdict(f.Adjusted, margin)
	} else {
		// Any margin does where no interval is given.
		f.Verdict, err = stats.Decide(f.Adjusted, stats.Interval{}, 1, f.Stats.Mixed())
	}
	if err != nil {
		f.Verdict, f.Why = stats.Inconclusive, err.Error()
	}
}
