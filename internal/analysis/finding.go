package analysis

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Findings analyses the plan's contrasts: the primary one first, then the
// others in the plan's order. The secondary ones' p are corrected together for
// being several, those that could not be analysed counting as tested with p = 1:
// how many they are was declared before the data were seen. Checks are not
// among them, as a correction would only make them blind.
func (a *Analysis) Findings() []Finding {
	if a.findings != nil {
		return a.findings
	}
	if a.plan.Primary != nil {
		f := a.contrast(*a.plan.Primary)
		f.Primary = true
		a.findings = append(a.findings, f)
	}
	for _, c := range a.plan.Secondary {
		a.findings = append(a.findings, a.contrast(c))
	}
	a.correct()
	for i := range a.findings {
		a.decide(&a.findings[i])
	}
	return a.findings
}

// contrast analyses one contrast as far as it can without the others.
func (a *Analysis) contrast(c plan.Contrast) Finding {
	f := Finding{Contrast: c, Check: c.Check(), Adjusted: 1}
	timeouts := [2]plan.Duration{c.Outcome.Timeout, c.Outcome.Timeout}
	if c.Outcome.ControlTimeout != nil {
		timeouts[0] = *c.Outcome.ControlTimeout
	}
	arms := [2]plan.Arm{c.Control, c.With}
	var complete, all [2][]value
	var blocks [2][]int
	for _, b := range a.blocks(arms) {
		f.Planned++
		var pair []value
		for i, arm := range arms {
			v, left := a.value(arm, b, c.Outcome.Of, timeouts[i])
			if left != nil {
				if !slices.Contains(f.LeftOut, *left) { // both workers of one trial
					f.LeftOut = append(f.LeftOut, *left)
				}
				continue
			}
			pair = append(pair, v)
			all[i] = append(all[i], v)
			blocks[i] = append(blocks[i], b)
		}
		if len(pair) == 2 {
			complete[0] = append(complete[0], pair[0])
			complete[1] = append(complete[1], pair[1])
		}
	}
	f.Blocks = len(complete[0])
	var censored bool
	f.Deadline, censored = common(all[0], all[1])
	f.Control = summarise(blocks[0], all[0], f.Deadline)
	f.Treated = summarise(blocks[1], all[1], f.Deadline)
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
	// Where anything is censored it restricts the times to the deadline.
	s, err := stats.Compare(times(complete[0]), times(complete[1]), stats.Options{
		Level: Level, Late: Late.Seconds(), Deadline: f.Deadline, Seed: a.plan.Seed,
	})
	if err != nil {
		f.Why = err.Error()
		if censored && f.Blocks == 1 {
			f.Why = "1 complete block with a censored outcome compares nothing"
		}
		return f
	}
	f.Stats = &s
	return f
}

// blocks are the plan's blocks in which both arms are.
func (a *Analysis) blocks(arms [2]plan.Arm) []int {
	var out []int
	for _, b := range a.order {
		if len(a.planned[cell{arms[0], b}]) > 0 && len(a.planned[cell{arms[1], b}]) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// value is what an arm's trial in a block gives to a contrast, or the trial
// that is left out. The plan has to have one.
func (a *Analysis) value(arm plan.Arm, block int, of plan.Moment, timeout plan.Duration) (value, *LeftOut) {
	planned := a.planned[cell{arm, block}]
	left := &LeftOut{Block: block, Trial: planned[0]}
	if n := len(planned); n > 1 {
		left.Why = fmt.Sprintf("the plan has its arm %d times in the block", n)
		return value{}, left
	}
	if left.Why = a.spoiled(planned[0]); left.Why != "" {
		return value{}, left
	}
	v, why := a.trials[a.byID[planned[0]]].number(of, timeout)
	if why != "" {
		left.Why = why
		return value{}, left
	}
	return v, nil
}

// spoiled is why nothing of a planned trial counts; empty: it does.
func (a *Analysis) spoiled(id string) string {
	i, ok := a.byID[id]
	if !ok {
		return "not run"
	}
	return a.trials[i].invalid
}

// correct adjusts the secondary contrasts' p. The primary one and checks keep
// theirs.
func (a *Analysis) correct() {
	var family []*Finding
	var outcomes []stats.Outcome
	for i := range a.findings {
		f := &a.findings[i]
		p := 1.0
		if f.Stats != nil {
			p = f.Stats.P
		}
		if f.Primary || f.Check {
			f.Adjusted = p
			continue
		}
		family = append(family, f)
		// The plan's names need not differ.
		outcomes = append(outcomes, stats.Outcome{Name: strconv.Itoa(i), P: p})
	}
	// It fails for p that are none and names that come twice.
	adjusted, _ := stats.Holm(outcomes)
	for i, f := range family {
		f.Adjusted = adjusted[i].Adjusted
	}
}

// decide makes the verdict and gathers the warnings.
func (a *Analysis) decide(f *Finding) {
	f.Verdict = stats.Inconclusive
	warn := func(format string, args ...any) { f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...)) }
	if f.Stats != nil {
		f.Warnings = slices.Clone(f.Stats.Warnings)
		margin := time.Duration(a.plan.Margin).Seconds()
		var err error
		if margin > 0 {
			f.Verdict, err = f.Stats.Verdict(f.Adjusted, margin)
		} else {
			warn("the plan states no margin, so nothing can be equivalent")
			// Any margin does where no interval is given.
			f.Verdict, err = stats.Decide(f.Adjusted, stats.Interval{}, 1, f.Stats.Mixed())
		}
		if err != nil {
			f.Verdict, f.Why = stats.Inconclusive, err.Error()
		}
		if wide := max(f.Control.Resolution, f.Treated.Resolution); f.Verdict == stats.Equivalent && wide > margin {
			warn("an outcome is known to %.2f s only, which is more than the margin of %.2f s", wide, margin)
		}
		if n := f.cut(); n > 0 {
			warn("%d outcome(s) that came after the common deadline of %.2f s count as censored at it", n, f.Deadline)
		}
	}
	if n := f.Planned - f.Blocks; n > 0 && f.Planned > 0 {
		warn("%d of %d blocks are left out as a trial of theirs is missing, invalid or unknown", n, f.Planned)
	}
	if f.Check && f.Verdict == stats.Differs {
		warn("the same arm, run twice, differs from itself: by chance in at most 5 %% of plans, or the procedure favours one")
	}
}

// cut counts the outcomes that only some trials were watched for long enough to
// see.
func (f *Finding) cut() int {
	n := 0
	for _, t := range slices.Concat(f.Control.Times, f.Treated.Times) {
		if f.Stats.Restricted != nil && !t.Censored && t.At > f.Deadline {
			n++
		}
	}
	return n
}
