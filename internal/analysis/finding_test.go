package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// Ten blocks whose treated trial takes 5 s less than its control: the shift is
// found, and p is the smallest that ten blocks can reach.
func TestKnownShift(t *testing.T) {
	a := filled(planOf(10, none, member), func(p plan.Trial) *judge.Verdict {
		d := seconds(20 + 0.5*float64(p.Block))
		if p.Arm == member {
			d -= 5 * sec
		}
		return joins(p, at(d))
	})
	f := only(t, a)
	require.True(t, f.Primary)
	require.False(t, f.Check)
	require.Equal(t, [2]int{10, 10}, [2]int{f.Planned, f.Blocks})
	require.NotNil(t, f.Stats.Shift)
	require.InDelta(t, -5, f.Stats.Shift.Estimate, 1e-9)
	require.InDelta(t, -5, f.Stats.Shift.Interval.Lo, 1e-9)
	require.InDelta(t, -5, f.Stats.Shift.Interval.Hi, 1e-9)
	require.Equal(t, stats.SmallestP(10, 1), f.Adjusted)
	require.Equal(t, stats.Differs, f.Verdict)
	require.Empty(t, f.Why)
	require.Empty(t, f.Warnings)
	require.InDelta(t, 22.75, f.Control.Median, 1e-9)
	require.InDelta(t, 17.75, f.Treated.Median, 1e-9)
	require.Equal(t, 10, f.Control.Late.K)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, f.Control.Blocks)
}

// What another connect timeout changes is seen between the workers of a trial.
func TestTimeoutsWithinTrials(t *testing.T) {
	p := planOf(8, none)
	p.Primary = &plan.Contrast{Name: "5 s against 30 s", Control: none, With: none,
		Outcome: plan.Outcome{Of: plan.Joined, Timeout: five, ControlTimeout: &thirty}}
	f := only(t, filled(p, func(p plan.Trial) *judge.Verdict {
		if p.Block == 3 {
			v := joins(p, at(sec))
			v.Status = results.Invalid
			return v
		}
		b := 10 * ms * time.Duration(p.Block)
		return solo(p, worker{thirty, at(30*sec + b), 0}, worker{five, at(10*sec + b), 0})
	}))
	require.Equal(t, [2]int{8, 7}, [2]int{f.Planned, f.Blocks})
	require.Len(t, f.LeftOut, 1, "one trial, though both of its workers are missing")
	require.InDelta(t, -20, f.Stats.Shift.Estimate, 1e-9)
	require.False(t, f.Check)
}

// Outcomes beyond the deadline: means to the common one are compared, and a
// trial that was followed for longer weighs as the others.
func TestCensored(t *testing.T) {
	p := planOf(6, none, member)
	p.Trials[0].Deadline = plan.Duration(150 * sec)
	f := only(t, filled(p, func(p plan.Trial) *judge.Verdict {
		zero := 100 * ms
		switch {
		case p.Arm == member:
			return solo(p, worker{five, at(10 * sec), zero})
		case p.Block == 1:
			return solo(p, worker{five, at(133 * sec), zero})
		case p.Block == 2:
			return solo(p, worker{five, at(20 * sec), 500 * ms}) // the shortest watch: 39.5 s
		}
		return solo(p, worker{five, beyond(39920 * ms), zero})
	}))
	require.InDelta(t, 39.5, f.Deadline, 1e-9)
	require.Nil(t, f.Stats.Shift)
	r := f.Stats.Restricted
	require.NotNil(t, r)
	require.InDelta(t, (5*39.5+20)/6, r.A.Mean, 1e-9)
	require.InDelta(t, 10, r.B.Mean, 1e-9)
	require.Zero(t, r.A.Early)
	require.InDelta(t, stats.SmallestP(6, 1), f.Adjusted, 1e-9)
	require.Equal(t, stats.Differs, f.Verdict)
	require.InDelta(t, r.A.Mean, f.Control.Restricted, 1e-9)
	require.True(t, math.IsNaN(f.Control.Median))
	require.InDelta(t, 39.92, f.Control.AtLeast, 1e-9)
	require.Equal(t, 133.0, f.Control.Times[0].At, "what was seen stays to be shown")
	require.Equal(t, 4, f.Control.Censored)
	require.Contains(t, f.Warnings, "1 outcome(s) that came after the common deadline of 39.50 s count as censored at it")
}

// A trial of an incomplete block is its arm's, and what it was watched for counts
// for the arm's mean; the complete blocks are compared as they were seen.
func TestCensoredInAnIncompleteBlock(t *testing.T) {
	p := planOf(7, none, member)
	f := only(t, filled(p, func(p plan.Trial) *judge.Verdict {
		switch {
		case p.Block < 7:
			return joins(p, at(30*sec))
		case p.Arm == member:
			return nil
		}
		return joins(p, beyond(20*sec))
	}))
	require.Equal(t, 6, f.Blocks)
	require.Equal(t, 20.0, f.Deadline)
	require.Equal(t, 20.0, f.Control.Restricted)
	require.NotNil(t, f.Stats.Shift)
	require.Equal(t, stats.Equivalent, f.Verdict)
}

// Beyond 20 blocks swaps are drawn: from the plan's seed.
func TestSeed(t *testing.T) {
	p := planOf(24, none, member)
	of := func(seed uint64) float64 {
		p.Seed = seed
		return only(t, filled(p, func(p plan.Trial) *judge.Verdict {
			if p.Seq%7 == 0 {
				return joins(p, beyond(40*sec))
			}
			return joins(p, at(sec*time.Duration(p.Seq*11%37)))
		})).Adjusted
	}
	require.Equal(t, of(1), of(1))
	require.NotEqual(t, of(1), of(2))
	require.InDelta(t, of(1), of(2), 0.01)
}

// A complete outcome is not cut because some trial's pods started far apart.
func TestNothingCensoredNothingCut(t *testing.T) {
	f := only(t, filled(planOf(6, none, member), func(p plan.Trial) *judge.Verdict {
		return solo(p, worker{five, at(30 * sec), 25 * sec * time.Duration(p.Block/6)})
	}))
	require.NotNil(t, f.Stats.Shift)
	require.Equal(t, 30.0, f.Deadline)
	require.Equal(t, stats.Equivalent, f.Verdict)
}

func TestLeftOut(t *testing.T) {
	p := planOf(8, none, member)
	p.Trials = append(p.Trials, plan.Trial{ID: "t099", Seq: 99, Block: 8, Arm: member})
	f := only(t, filled(p, func(p plan.Trial) *judge.Verdict {
		switch p.ID {
		case "t001": // block 1, control
			v := joins(p, at(sec))
			v.Status, v.Reasons = results.Invalid, []string{"the pod was evicted", "and more"}
			return v
		case "t004": // block 2, with
			return joins(p, lost("index 1: no last line"))
		case "t005", "t006": // block 3
			return nil
		}
		return joins(p, at(2*sec))
	}))
	require.Equal(t, [2]int{8, 4}, [2]int{f.Planned, f.Blocks})
	require.Equal(t, []LeftOut{
		{1, "t001", "invalid: the pod was evicted; and more"},
		{2, "t004", "index 1: no last line"},
		{3, "t005", "not run"}, {3, "t006", "not run"},
		{8, "t016", "the plan has its arm 2 times in the block"},
	}, f.LeftOut)
	require.Equal(t, []int{2, 4, 5, 6, 7, 8}, f.Control.Blocks, "a valid trial of an incomplete block is the arm's")
	require.Equal(t, []int{1, 4, 5, 6, 7}, f.Treated.Blocks)
	require.Contains(t, f.Warnings, "4 of 8 blocks are left out as a trial of theirs is missing, invalid or unknown")
	require.Equal(t, stats.Inconclusive, f.Verdict)
}

// The last attempt at a trial counts, for better or worse, and findings are of
// what has been added so far.
func TestAttempts(t *testing.T) {
	p := planOf(6, none, member)
	a := filled(p, func(p plan.Trial) *judge.Verdict { return joins(p, at(seconds(float64(p.Block)))) })
	require.Equal(t, 6, only(t, a).Blocks)
	v := joins(p.Trials[3], at(sec))
	v.Status = results.Invalid
	a.Add(v)
	require.Equal(t, 5, only(t, a).Blocks)
	a.Add(joins(p.Trials[3], at(7*sec)))
	f := only(t, a)
	require.Equal(t, 6, f.Blocks)
	require.Equal(t, 7.0, f.Treated.Times[1].At)
}

func TestNothingToCompare(t *testing.T) {
	p := planOf(3, none, member)
	for name, c := range map[string]struct {
		change func(*plan.Plan)
		of     func(plan.Trial) *judge.Verdict
		why    string
	}{
		"nothing was run":  {nil, func(plan.Trial) *judge.Verdict { return nil }, "no block is complete"},
		"not in the plan":  {func(p *plan.Plan) { p.Primary.With = again }, nil, "the plan has no block with both arms"},
		"an arm by itself": {func(p *plan.Plan) { p.Primary.With = none }, nil, "the contrast is of an arm with itself"},
		"one block, censored": {nil, func(p plan.Trial) *judge.Verdict {
			if p.Block > 1 {
				return nil
			}
			return joins(p, beyond(40*sec))
		}, "1 complete block with a censored outcome compares nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			q := p
			primary := *p.Primary
			q.Primary = &primary
			if c.change != nil {
				c.change(&q)
			}
			if c.of == nil {
				c.of = func(p plan.Trial) *judge.Verdict { return joins(p, at(sec)) }
			}
			f := only(t, filled(q, c.of))
			require.Nil(t, f.Stats)
			require.Equal(t, c.why, f.Why)
			require.Equal(t, stats.Inconclusive, f.Verdict)
			require.Equal(t, 1.0, f.Adjusted)
		})
	}
	require.Empty(t, New(plan.Plan{}).Findings())
	require.Nil(t, New(plan.Plan{}).Drift())
}

// Holm is over the secondary contrasts, those without data included; the primary
// and the A/A contrast stand alone.
func TestHolm(t *testing.T) {
	p := planOf(8, none, member, again)
	for _, c := range []struct {
		with    plan.Arm
		timeout plan.Duration
	}{{member, thirty}, {member, five}, {member, plan.Duration(sec)}, {again, five}} {
		p.Secondary = append(p.Secondary, plan.Contrast{Name: "all of one name", Control: none, With: c.with,
			Outcome: plan.Outcome{Of: plan.Joined, Timeout: c.timeout}})
	}
	f := filled(p, func(p plan.Trial) *judge.Verdict {
		quick, slow := 20*sec, 30*sec
		switch {
		case p.Arm == member && p.Block <= 7: // 7 of 8: p = 4/256
			quick += sec + 10*ms*time.Duration(p.Block)
			slow += sec
		case p.Arm == member:
			quick -= ms
			slow += sec
		case p.Arm == again:
			quick += 2 * sec
		}
		return solo(p, worker{five, at(quick), 0}, worker{thirty, at(slow), 0})
	}).Findings()
	require.Len(t, f, 5)
	least := stats.SmallestP(8, 1)
	require.InDelta(t, 2*least, f[0].Stats.P, 1e-12)
	require.Equal(t, f[0].Stats.P, f[0].Adjusted, "the primary stands alone")
	require.InDelta(t, 3*least, f[1].Adjusted, 1e-12, "smallest of three")
	require.InDelta(t, 2*2*least, f[2].Adjusted, 1e-12, "second of three")
	require.Equal(t, 1.0, f[3].Adjusted)
	require.Nil(t, f[3].Stats)
	require.True(t, f[4].Check)
	require.InDelta(t, least, f[4].Adjusted, 1e-12, "a check stands alone")
	require.Equal(t, stats.Differs, f[4].Verdict)
	require.Contains(t, f[4].Warnings, "the same arm, run twice, differs from itself: by chance in at most 5 % of plans, or the procedure favours one")
	require.Equal(t, []bool{true, false, false, false, false}, []bool{f[0].Primary, f[1].Primary, f[2].Primary, f[3].Primary, f[4].Primary})
}

func TestMargin(t *testing.T) {
	of := func(width time.Duration) func(plan.Trial) *judge.Verdict {
		return func(p plan.Trial) *judge.Verdict {
			d := 20*sec + 10*ms*time.Duration(p.Block)
			if p.Arm == member {
				d += 100*ms + ms*time.Duration(p.Block)
			}
			return joins(p, judge.Measurement{Value: d, Lo: d - width})
		}
	}
	p := planOf(8, none, member)
	f := only(t, filled(p, of(ms)))
	require.Equal(t, stats.Equivalent, f.Verdict, "a difference that is there, and does not matter")
	require.Less(t, f.Adjusted, stats.Alpha)
	require.Empty(t, f.Warnings)

	f = only(t, filled(p, of(sec)))
	require.Equal(t, stats.Equivalent, f.Verdict)
	require.Contains(t, f.Warnings, "an outcome is known to 1.00 s only, which is more than the margin of 0.25 s")

	p.Margin = plan.Duration(50 * ms)
	require.Equal(t, stats.Differs, only(t, filled(p, of(ms))).Verdict)

	p.Margin = 0
	f = only(t, filled(p, of(ms)))
	require.Equal(t, stats.Differs, f.Verdict)
	require.Contains(t, f.Warnings, "the plan states no margin, so nothing can be equivalent")
}

// Findings depend neither on the order of the records nor on how often they are
// asked for, and exchanging the arms changes the sign.
func TestPure(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := planOf(9, none, member)
	p.Secondary = []plan.Contrast{{Name: "back", Control: member, With: none, Outcome: join5}}
	var verdicts []*judge.Verdict
	for _, q := range p.Trials {
		verdicts = append(verdicts, joins(q, at(seconds(30*rng.Float64()))))
	}
	of := func() []Finding {
		a := New(p)
		for _, v := range verdicts {
			a.Add(v)
		}
		first := a.Findings()
		require.Equal(t, first, a.Findings())
		return first
	}
	first := of()
	require.InDelta(t, -first[0].Stats.Shift.Estimate, first[1].Stats.Shift.Estimate, 1e-9)
	for range 5 {
		rng.Shuffle(len(verdicts), func(i, j int) { verdicts[i], verdicts[j] = verdicts[j], verdicts[i] })
		require.Equal(t, first, of())
	}
}

// The whole procedure, on plans in which nothing differs: at most 5 % of them
// may say that the arm differs from itself, and as few that any secondary
// contrast does.
func TestNothingDiffers(t *testing.T) {
	const plans = 1000
	const most = plans / 20
	kinds := map[string]func(*rand.Rand) judge.Measurement{
		"spread over seconds": func(r *rand.Rand) judge.Measurement { return at(seconds(20 + r.NormFloat64())) },
		"at once or 30 s later": func(r *rand.Rand) judge.Measurement {
			return at(seconds(0.1+0.02*r.ExpFloat64()) + 30*sec*time.Duration(r.IntN(2)))
		},
		"half never": func(r *rand.Rand) judge.Measurement {
			if r.IntN(2) == 0 {
				return beyond(40 * sec)
			}
			return at(seconds(30 * r.Float64()))
		},
	}
	for name, draw := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(20261122, 117819))
			p := planOf(8, none, again, member)
			p.Secondary = []plan.Contrast{
				{Name: "member", Control: none, With: member, Outcome: join5},
				{Name: "member, 30 s", Control: none, With: member, Outcome: plan.Outcome{Of: plan.Joined, Timeout: thirty}},
			}
			var differs, any int
			for range plans {
				f := filled(p, func(q plan.Trial) *judge.Verdict {
					return solo(q, worker{five, draw(rng), 0}, worker{thirty, draw(rng), 0})
				}).Findings()
				if f[0].Verdict == stats.Differs {
					differs++
				}
				if slices.ContainsFunc(f[1:], func(f Finding) bool { return f.Verdict == stats.Differs }) {
					any++
				}
			}
			t.Logf("A/A: %d of %d; any secondary: %d", differs, plans, any)
			require.LessOrEqual(t, differs, most)
			require.LessOrEqual(t, any, most)
			require.NotZero(t, differs, "a procedure that never says it cannot fail this test")
		})
	}
}

// Every contrast that a named plan declares can be made from its trials.
func TestNamedPlans(t *testing.T) {
	for _, name := range []string{"timeouts", "standard"} {
		settings, blocks := plan.Preset(name)
		p, err := plan.Build(plan.Options{Name: name, Run: "r1", Seed: 1, Blocks: blocks, Settings: settings})
		require.NoError(t, err)
		a := filled(p, func(q plan.Trial) *judge.Verdict {
			d := 20*sec + ms*time.Duration(q.Seq*7919%101)
			if q.Arm.Observer == record.Solo {
				var workers []worker
				for _, timeout := range p.Settings.ConnectTimeouts {
					workers = append(workers, worker{timeout, at(d), 0})
				}
				return solo(q, workers...)
			}
			v := &judge.Verdict{Trial: q, Status: results.Complete}
			v.Resolved.Lag, v.OnServer.Lag, v.Connected.Lag = at(d), at(sec), at(d)
			return v
		})
		findings := a.Findings()
		require.Len(t, findings, 1+len(p.Secondary))
		checks := 0
		for _, f := range findings {
			require.NotNil(t, f.Stats, "%s: %s", f.Name, f.Why)
			require.Equal(t, blocks, f.Blocks)
			require.Equal(t, stats.Equivalent, f.Verdict, f.Name)
			if f.Check {
				checks++
			}
		}
		t.Logf("%s: %d contrasts, %d of them A/A", name, len(findings), checks)
		for _, r := range a.Remedies() {
			require.Equal(t, r.Finding == nil, r.Verdict == "", r.What)
		}
		require.NotNil(t, a.Drift().Shift)
	}
}

// BenchmarkThousandTrials is the analysis of 1,000 trials of 16 pods beside the
// judging: what has to stay below a second.
func BenchmarkThousandTrials(b *testing.B) {
	var arms []plan.Arm
	for _, dns := range plan.AllDNS {
		for _, e := range []plan.Extra{plan.ExtraNone, plan.ExtraMemberPod} {
			a := arm(e)
			a.DNS = dns
			arms = append(arms, a)
		}
	}
	peers := arm(plan.ExtraNone)
	peers.Observer = record.PeersServer
	arms = append(arms, peers, again)
	p := planOf(50, arms...)
	for _, a := range arms[1:] {
		p.Secondary = append(p.Secondary, plan.Contrast{Control: none, With: a, Outcome: join5, Remedy: "x"})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var verdicts []*judge.Verdict
	for _, q := range p.Trials {
		var workers []worker
		for i := range 15 {
			o := at(seconds(35 * rng.Float64()))
			if rng.IntN(10) == 0 {
				o = beyond(40 * sec)
			}
			workers = append(workers, worker{plan.Duration(i) * plan.Duration(sec), o, 0})
		}
		verdicts = append(verdicts, solo(q, workers...))
	}
	b.ResetTimer()
	for b.Loop() {
		a := New(p)
		for _, v := range verdicts {
			a.Add(v)
		}
		a.Findings()
		a.Remedies()
		a.Joins()
		a.Views()
		a.Drift()
		a.Bench()
	}
}
