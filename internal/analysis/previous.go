package analysis

import (
	"fmt"
	"slices"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// PreviousArm is what an arm's trials showed of a previous Job that ran.
type PreviousArm struct {
	Arm plan.Arm
	// Old, Withdrawn and Unknown are trials by what their workers were told first.
	Old, Withdrawn, Unknown int
	Turned                  int // of them, by Previous.Turned
	// Deleted and Started are medians in seconds since the previous Job's end: when
	// its Service was deleted, and when the measured Job's pod 0 ran.
	Deleted, Started float64
	// TTL is the median of what was left of the old record when it was first told, in
	// seconds: its whole TTL where nothing caches it; -1: no trial's workers were told it.
	TTL   float64
	Joins []Join
}

// Previous are the arms whose previous Job ran, in the plan's order.
func (a *Analysis) Previous() []PreviousArm {
	joins := a.Joins()
	var out []PreviousArm
	for _, arm := range a.Arms() {
		if arm.Previous != plan.Ran {
			continue
		}
		p := PreviousArm{Arm: arm}
		var deleted, started, ttl []stats.Time
		for _, t := range a.valid(func(other plan.Arm) bool { return other == arm }) {
			if t.Previous == nil {
				continue
			}
			switch t.Previous.First {
			case judge.FirstOld:
				p.Old++
			case judge.FirstWithdrawn:
				p.Withdrawn++
			default:
				p.Unknown++
			}
			if t.Previous.Turned {
				p.Turned++
			}
			deleted = append(deleted, stats.Time{At: t.Previous.Deleted.Seconds()})
			started = append(started, stats.Time{At: t.Previous.Started.Seconds()})
			if t.Previous.TTL != nil {
				ttl = append(ttl, stats.Time{At: float64(*t.Previous.TTL)})
			}
		}
		if len(deleted) == 0 {
			continue
		}
		p.Deleted, p.Started = stats.Quantile(deleted, 0.5).At, stats.Quantile(started, 0.5).At
		if p.TTL = -1; len(ttl) > 0 {
			p.TTL = stats.Quantile(ttl, 0.5).At
		}
		for _, j := range joins {
			if j.Arm == arm {
				p.Joins = append(p.Joins, j)
			}
		}
		out = append(out, p)
	}
	return out
}

// Trend is how the share of withdrawn trials grows with the time at which the
// Service is deleted, under one DNS with one extra object.
type Trend struct {
	DNS   plan.DNS
	Extra plan.Extra
	stats.Trend
}

// Trends are those of the plan's arms that differ in that time alone.
func (a *Analysis) Trends() []Trend {
	type series struct {
		dns   plan.DNS
		extra plan.Extra
	}
	doses := map[series][]stats.Dose{}
	var order []series
	for _, p := range a.Previous() {
		if p.Arm.Outlive != 0 {
			continue
		}
		at := a.plan.DeleteAfterOf(p.Arm)
		s := series{p.Arm.DNS, p.Arm.Extra}
		if doses[s] == nil {
			order = append(order, s)
		}
		doses[s] = append(doses[s], stats.Dose{Score: int(at.Milliseconds()), K: p.Withdrawn, N: p.Withdrawn + p.Old})
	}
	var out []Trend
	for _, s := range order {
		if one := doses[s][0].Score; !slices.ContainsFunc(doses[s], func(d stats.Dose) bool { return d.Score != one }) {
			continue
		}
		if t, err := stats.NewTrend(doses[s]); err == nil {
			out = append(out, Trend{s.dns, s.extra, t})
		}
	}
	return out
}

// withdrawn compares two arms by whether the old record was withdrawn, block by
// block. A block with a trial that cannot tell is left out; Why says what p would
// be if all of them spoke for a difference, or against.
func (a *Analysis) withdrawn(f Finding) Finding {
	var control, with []bool
	var open [][2]judge.FirstAnswer
	for _, b := range a.blocks(f.Contrast.Control, f.With) {
		f.Planned++
		x, whyX := a.first(f.Contrast.Control, b)
		y, whyY := a.first(f.With, b)
		switch why := join("; ", whyX, whyY); {
		case why != "":
			f.Why = join("; ", f.Why, fmt.Sprintf("block %d is left out: %s", b, why))
		case x == judge.FirstUnknown || y == judge.FirstUnknown:
			open = append(open, [2]judge.FirstAnswer{x, y})
		default:
			control, with = append(control, x == judge.FirstWithdrawn), append(with, y == judge.FirstWithdrawn)
		}
	}
	f.Blocks = len(control)
	pairs, err := stats.CompareProportions(control, with, Level)
	if err != nil {
		f.Why = join("; ", f.Why, "no block is complete")
		return f
	}
	f.Pairs = &pairs
	f.Control.Late, f.Treated.Late = &pairs.A, &pairs.B
	if len(open) > 0 {
		most := extreme(control, with, open, true)
		least := extreme(control, with, open, false)
		f.Why = join("; ", f.Why, fmt.Sprintf("%d blocks could not tell and are left out: with them p is %.2g to %.2g",
			len(open), min(most, least), max(most, least)))
	}
	return f
}

// extreme is p where every trial that could not tell says what makes With more
// often withdrawn than Control, or less often.
func extreme(control, with []bool, open [][2]judge.FirstAnswer, more bool) float64 {
	control, with = slices.Clone(control), slices.Clone(with)
	settle := func(f judge.FirstAnswer, unknown bool) bool {
		return f == judge.FirstWithdrawn || f == judge.FirstUnknown && unknown
	}
	for _, o := range open {
		control, with = append(control, settle(o[0], !more)), append(with, settle(o[1], more))
	}
	p, _ := stats.CompareProportions(control, with, Level) // there are values
	return p.P
}

// first is what the workers of an arm's trial in a block were told first, or why
// that is not known.
func (a *Analysis) first(arm plan.Arm, block int) (judge.FirstAnswer, string) {
	t, why := a.trialIn(arm, block)
	switch {
	case why != "":
		return "", why
	case t.Previous == nil:
		return "", t.ID + " has no record of its previous Job"
	}
	return t.Previous.First, ""
}
