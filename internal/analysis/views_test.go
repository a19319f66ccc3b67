package analysis

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// The original report's plot: by connect timeout, with what was followed to its
// end shown as it was seen.
func TestJoins(t *testing.T) {
	p := planOf(6, none, member)
	p.Trials[0].Deadline = plan.Duration(150 * sec)
	joins := filled(p, func(p plan.Trial) *judge.Verdict {
		never := beyond(40 * sec)
		switch {
		case p.Block == 1 && p.Arm == none:
			never = at(133500 * ms)
		case p.Block == 2 && p.Arm == member:
			return nil
		}
		return solo(p, worker{five, at(10*sec + ms*time.Duration(p.Block)), 0}, worker{0, never, 0}, worker{thirty, at(30 * sec), 0})
	}).Joins()
	require.Len(t, joins, 6)
	var timeouts []plan.Duration
	for _, j := range joins[:3] {
		require.Equal(t, none, j.Arm)
		timeouts = append(timeouts, j.Timeout)
		require.Empty(t, j.LeftOut)
	}
	require.Equal(t, []plan.Duration{0, thirty, five}, timeouts)

	never := joins[0].Joined
	require.Equal(t, stats.Time{At: 133.5}, never.Times[0])
	require.Equal(t, 5, never.Censored)
	require.True(t, math.IsNaN(never.Median))
	require.Equal(t, 40.0, never.AtLeast)
	require.Equal(t, 40.0, never.Interval.Lo)
	require.True(t, math.IsInf(never.Interval.Hi, 1))
	require.Equal(t, 40.0, never.Restricted)
	require.Equal(t, stats.Time{At: 133.5, Censored: true}, never.Most)

	quick := joins[2].Joined
	require.InDelta(t, 10.0035, quick.Median, 1e-9)
	require.InDelta(t, 10.001, quick.Interval.Lo, 1e-9)
	require.InDelta(t, 10.006, quick.Interval.Hi, 1e-9)
	require.Equal(t, []LeftOut{{2, "t004", "not run"}}, joins[5].LeftOut)
	require.Equal(t, []int{1, 3, 4, 5, 6}, joins[5].Joined.Blocks)
}

func TestViews(t *testing.T) {
	peers := none
	peers.Observer = record.PeersServer
	p := planOf(3, peers, none)
	a := filled(p, func(p plan.Trial) *judge.Verdict {
		if p.Arm == none {
			return joins(p, at(20*sec))
		}
		v := &judge.Verdict{Trial: p, Status: results.Complete}
		v.Resolved.Lag = at(30 * sec)
		v.OnServer.Lag = at(100 * ms * time.Duration(p.Block))
		if p.Block == 2 {
			v.OnServer.Lag = lost("not looked at: index 1 on 10.0.0.1:53 by anybody")
		}
		return v
	})
	views := a.Views()
	require.Len(t, views, 2)
	require.Equal(t, peers, views[0].Arm)
	require.Len(t, views[0].Client.Times, 3)
	require.Equal(t, []stats.Time{{At: 0.1}, {At: 0.3}}, views[0].Server.Times)
	require.Equal(t, []int{1, 3}, views[0].Server.Blocks)
	require.Equal(t, 30.0, views[0].Client.Median)
	require.Len(t, views[1].Client.Times, 3)
	require.Empty(t, views[1].Server.Times)
	require.Len(t, a.Joins(), 1, "peers join nobody")
}

func TestDrift(t *testing.T) {
	p := planOf(11, none, member)
	of := func(f func(block int) judge.Measurement) *Drift {
		return filled(p, func(p plan.Trial) *judge.Verdict {
			if p.Arm == member {
				return joins(p, at(5*sec)) // not looked at
			}
			return joins(p, f(p.Block))
		}).Drift()
	}
	d := of(func(block int) judge.Measurement { return at(20*sec + sec*time.Duration(block)) })
	require.Equal(t, none, d.Arm)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6}, d.First.Blocks)
	require.Equal(t, []int{7, 8, 9, 10, 11}, d.Second.Blocks)
	require.InDelta(t, 5.5, d.Shift.Estimate, 1e-9, "21 to 26 against 27 to 31")
	require.Equal(t, stats.Differs, d.Verdict)
	require.Empty(t, d.Why)

	d = of(func(block int) judge.Measurement { return at(20*sec + ms*time.Duration(block*7%11)) })
	require.Equal(t, stats.Equivalent, d.Verdict)

	d = of(func(block int) judge.Measurement { return at(100*ms + 30*sec*time.Duration(block%2)) })
	require.Equal(t, stats.Inconclusive, d.Verdict, "prompt and late outcomes are never equivalent")

	d = of(func(block int) judge.Measurement {
		if block == 9 {
			return beyond(40 * sec)
		}
		return at(20 * sec)
	})
	require.Nil(t, d.Shift)
	require.Equal(t, stats.Inconclusive, d.Verdict)
	require.Contains(t, d.Why, "censored")
	require.InDelta(t, 24, d.Second.Restricted, 1e-9)

	d = filled(p, func(p plan.Trial) *judge.Verdict {
		v := joins(p, at(20*sec))
		if p.Block > 6 {
			v.Status = results.Invalid
		}
		return v
	}).Drift()
	require.Len(t, d.First.Times, 3, "invalid trials are in neither half")

	p.Margin = 0
	d = of(func(block int) judge.Measurement { return at(20 * sec) })
	require.Equal(t, stats.Inconclusive, d.Verdict, "no margin was stated")
	require.Equal(t, "fewer than 2 trials of the control arm have the outcome", New(p).Drift().Why)

	// Within trials the control is the worker with the other timeout.
	p.Primary = &plan.Contrast{Control: none, With: none, Outcome: plan.Outcome{Of: plan.Joined, Timeout: thirty, ControlTimeout: &five}}
	d = of(func(block int) judge.Measurement { return at(sec) })
	require.Len(t, d.First.Times, 6)
}
