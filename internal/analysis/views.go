package analysis

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

// Join is when the workers of one arm's trials with one connect timeout had
// joined: a point of the original report's plot.
type Join struct {
	Arm     plan.Arm // its observer is solo
	Timeout plan.Duration
	Joined  Arm // readiness lags, a time a trial; restricted to their own common deadline
	LeftOut []LeftOut
}

// View is when a trial's last name was resolved as clients and as the DNS
// servers themselves saw it, a time a trial: pods of one trial share its
// caches, so that a curve over pairs would look surer than it is.
type View struct {
	Arm    plan.Arm
	Client Arm // the last pair's answer was current
	Server Arm // the last name was on the last server (uncached view); no times where the arm does not ask
}

// Drift is whether the control arm of the primary contrast changed while the
// plan went on. Within blocks the order is random, so that a drift does not
// favour an arm; but it says that time matters.
type Drift struct {
	Arm           plan.Arm
	Outcome       plan.Outcome
	First, Second Arm // the arm's trials in the order in which they ran, halved; the middle one of an odd number is in First
	// Shift is Second minus First in seconds (no blocks: Mann-Whitney); nil
	// where Why says so.
	Shift *stats.Shift
	// Verdict is by the plan's margin, as for a contrast that stands alone.
	Verdict stats.Verdict
	Why     string
}

// Joins are the solo arms' joins by connect timeout, arms in the plan's order,
// then timeouts: none first, then the longest to the shortest.
func (a *Analysis) Joins() []Join {
	var out []Join
	for _, arm := range a.arms {
		if arm.Observer != record.Solo {
			continue
		}
		for _, t := range a.timeouts(arm) {
			j := Join{Arm: arm, Timeout: t}
			j.Joined, j.LeftOut = a.arm(arm, plan.Joined, t)
			out = append(out, j)
		}
	}
	return out
}

// timeouts are those that an arm's workers had, none before the longest.
func (a *Analysis) timeouts(arm plan.Arm) []plan.Duration {
	var out []plan.Duration
	for _, t := range a.trials {
		if t.arm != arm {
			continue
		}
		for _, w := range t.joined {
			if !slices.Contains(out, w.timeout) {
				out = append(out, w.timeout)
			}
		}
	}
	slices.SortFunc(out, func(x, y plan.Duration) int {
		if x == 0 || y == 0 {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(y, x)
	})
	return out
}

// Views are the arms' views of names, in the plan's order.
func (a *Analysis) Views() []View {
	var out []View
	for _, arm := range a.arms {
		v := View{Arm: arm}
		v.Client, _ = a.arm(arm, plan.Resolved, 0)
		v.Server, _ = a.arm(arm, plan.OnServer, 0)
		out = append(out, v)
	}
	return out
}

// arm is an outcome over all valid trials of an arm, restricted to their own
// common deadline.
func (a *Analysis) arm(arm plan.Arm, of plan.Moment, timeout plan.Duration) (Arm, []LeftOut) {
	values, blocks, left := a.values(arm, of, timeout)
	deadline, _ := common(values)
	return summarise(blocks, values, deadline), left
}

// values are an outcome of all valid trials of an arm, by block.
func (a *Analysis) values(arm plan.Arm, of plan.Moment, timeout plan.Duration) (values []value, blocks []int, left []LeftOut) {
	for _, b := range a.blocks([2]plan.Arm{arm, arm}) {
		v, out := a.value(arm, b, of, timeout)
		if out != nil {
			left = append(left, *out)
			continue
		}
		values = append(values, v)
		blocks = append(blocks, b)
	}
	return values, blocks, left
}

// Drift compares the later half of the primary contrast's control trials with
// the earlier one. It is nil where the plan has no primary contrast.
func (a *Analysis) Drift() *Drift {
	c := a.plan.Primary
	if c == nil {
		return nil
	}
	d := &Drift{Arm: c.Control, Outcome: c.Outcome, Verdict: stats.Inconclusive}
	if t := c.Outcome.ControlTimeout; t != nil {
		d.Outcome.Timeout, d.Outcome.ControlTimeout = *t, nil
	}
	var trials []*trial
	for i := range a.trials {
		t := &a.trials[i]
		if _, why := t.number(d.Outcome.Of, d.Outcome.Timeout); t.arm == d.Arm && t.invalid == "" && why == "" {
			trials = append(trials, t)
		}
	}
	slices.SortStableFunc(trials, func(x, y *trial) int { return cmp.Compare(x.seq, y.seq) })
	half := (len(trials) + 1) / 2
	var values [2][]value
	var blocks [2][]int
	for i, t := range trials {
		k := 0
		if i >= half {
			k = 1
		}
		v, _ := t.number(d.Outcome.Of, d.Outcome.Timeout)
		values[k] = append(values[k], v)
		blocks[k] = append(blocks[k], t.block)
	}
	deadline, censored := common(values[0], values[1])
	d.First = summarise(blocks[0], values[0], deadline)
	d.Second = summarise(blocks[1], values[1], deadline)
	switch {
	case len(trials) < 2:
		d.Why = "fewer than 2 trials of the control arm have the outcome"
		return d
	case censored:
		d.Why = "an outcome is censored: no shift is known; the shares that were late can be compared"
		return d
	}
	first, second := ats(values[0]), ats(values[1])
	shift, err := stats.TwoSample(first, second, Level)
	if err != nil {
		d.Why = err.Error()
		return d
	}
	d.Shift = &shift
	margin := time.Duration(a.plan.Margin).Seconds()
	interval := shift.Interval
	if margin <= 0 {
		interval, margin = stats.Interval{}, 1 // nothing is equivalent then
	}
	mixed := stats.Mixed(slices.Concat(first, second), Late.Seconds())
	// p and interval are good; it fails for others.
	d.Verdict, _ = stats.Decide(shift.P, interval, margin, mixed)
	return d
}

func ats(values []value) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v.At
	}
	return out
}
