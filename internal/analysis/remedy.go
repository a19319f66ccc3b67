package analysis

import (
	"fmt"
	"slices"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Remedy is what something that a user or a cluster's owner can change was
// worth here.
type Remedy struct {
	What string // the contrast's Remedy, or what was not measured
	// Finding is the contrast that measured it; nil: the plan did not.
	Finding *Finding
	// Saves is nil where there is no estimate.
	Saves *Saving
	// LateBefore and LateAfter are the shares of trials later than Late
	// without and with it, over each arm's valid trials; nil where unknown.
	LateBefore, LateAfter *stats.Proportion
	Verdict               stats.Verdict // empty where the plan did not measure it
	// Beside is what Saves does not have in it, such as a pause that comes
	// before the lag begins; empty: nothing.
	Beside string
}

// Saving is by how many seconds an outcome comes earlier with a remedy than
// without; negative: later.
type Saving struct {
	Seconds float64
	// Interval is nil where Restricted: no shift is estimated across the
	// censoring point.
	Interval *stats.Interval
	// Restricted says that Seconds is a difference of means restricted to the
	// finding's Deadline, as outcomes were censored.
	Restricted bool
}

// Remedies are what the plan's findings say about each remedy, in the order of
// plan.Remedies, those among them that the plan did not measure included;
// then what a plan made by hand calls one.
func (a *Analysis) Remedies() []Remedy {
	var known, others []Remedy
	rows := map[string][]Remedy{}
	for _, f := range a.Findings() {
		switch {
		case f.Remedy == "":
		case slices.Contains(plan.Remedies, f.Remedy):
			rows[f.Remedy] = append(rows[f.Remedy], a.remedy(f))
		default:
			others = append(others, a.remedy(f))
		}
	}
	for _, what := range plan.Remedies {
		if len(rows[what]) == 0 {
			known = append(known, Remedy{What: what})
		}
		known = append(known, rows[what]...)
	}
	return append(known, others...)
}

func (a *Analysis) remedy(f Finding) Remedy {
	r := Remedy{What: f.Remedy, Finding: &f, LateBefore: f.Control.Late, LateAfter: f.Treated.Late, Verdict: f.Verdict}
	switch s := f.Stats; {
	case s == nil:
	case s.Shift != nil:
		i := s.Shift.Interval
		i.Lo, i.Hi = 0-i.Hi, 0-i.Lo // 0 less 0 is not -0
		r.Saves = &Saving{Seconds: 0 - s.Shift.Estimate, Interval: &i}
	default:
		r.Saves = &Saving{Seconds: 0 - s.Restricted.Difference, Restricted: true}
	}
	before, _ := a.plan.GapOf(f.Contrast.Control)
	if gap, _ := a.plan.GapOf(f.With); f.With.Names == plan.Reused && gap > before {
		r.Beside = fmt.Sprintf("the pause itself, %s instead of %s before the names are used again, comes before the lag begins", gap, before)
	}
	return r
}
