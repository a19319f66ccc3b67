package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func TestBlocksHoldEveryArmOnce(t *testing.T) {
	p, err := build(t, "private", nil, func(p *Plan) { p.Blocks = 3 })
	require.NoError(t, err)
	require.Len(t, p.Trials, 3*len(p.Arms))
	names := map[string]bool{}
	for b := 1; b <= 3; b++ {
		seen := map[Arm]bool{}
		for _, tr := range p.Trials {
			if tr.Block == b {
				require.False(t, seen[tr.Arm], "arm %s twice in block %d", tr.Arm, b)
				seen[tr.Arm] = true
				require.False(t, names[tr.Job], "job name %s twice", tr.Job)
				names[tr.Job] = true
			}
		}
		require.Len(t, seen, len(p.Arms))
	}
}

func TestOrderFollowsFromTheSeed(t *testing.T) {
	a, err := build(t, "private", nil, nil)
	require.NoError(t, err)
	b, err := build(t, "private", nil, nil)
	require.NoError(t, err)
	require.Equal(t, a, b)
	c, err := build(t, "private", nil, func(p *Plan) { p.Seed = 2 })
	require.NoError(t, err)
	require.NotEqual(t, order(a), order(c))
}

func order(p Plan) (arms []Arm) {
	for _, t := range p.Trials {
		arms = append(arms, t.Arm)
	}
	return arms
}

func TestNamedPlans(t *testing.T) {
	for _, s := range Summaries {
		p, err := build(t, s.Name, nil, nil)
		require.NoError(t, err)
		require.NotEmpty(t, p.Trials, s.Name)
	}
	one := func(p *Plan) { p.Blocks = 1 }
	quick, err := build(t, "quick", nil, one)
	require.NoError(t, err)
	require.Less(t, quick.Expected(), 4*time.Minute)
	def, err := build(t, "cluster", nil, one)
	require.NoError(t, err)
	require.Less(t, def.Expected(), 12*time.Minute)
	require.Equal(t, []DNS{Cache30, Uncached}, def.PrivateDNS())
}

func TestExactlyOneTrialIsFollowed(t *testing.T) {
	p, err := build(t, "private", nil, func(p *Plan) { p.Blocks = 2 })
	require.NoError(t, err)
	var followed []Trial
	for _, tr := range p.Trials {
		if tr.Deadline == p.Settings.Follow {
			followed = append(followed, tr)
		}
	}
	require.Len(t, followed, 1)
	require.Equal(t, Arm{DNS: Cache30, Names: Reused, Extra: ExtraNone, Observer: record.Solo}, followed[0].Arm)
}

func TestNothingIsFollowedWithoutTheWorker(t *testing.T) {
	p, err := build(t, "private", nil, func(p *Plan) { p.Settings.ConnectTimeouts = Timeouts{Duration(time.Second)} })
	require.NoError(t, err)
	for _, tr := range p.Trials {
		require.Equal(t, p.Settings.Deadline, tr.Deadline)
	}
}

func TestIntervalKeepsTheBudget(t *testing.T) {
	for _, tc := range []struct {
		pods, peers, qps int
		want             time.Duration
	}{
		{2, 0, 1000, 20 * time.Millisecond},
		{8, 0, 1000, 80 * time.Millisecond},
		{100, 0, 1000, 10200 * time.Millisecond},
		{8, 0, 1, 80 * time.Second},
		{150, 8, 1000, 1500 * time.Millisecond},
		{500, 16, 1000, 9 * time.Second},
		{500, 16, 10_000, 900 * time.Millisecond},
	} {
		require.Equal(t, tc.want, record.Interval(tc.pods, tc.peers, tc.qps), "%d pods, %d peers, %d a second", tc.pods, tc.peers, tc.qps)
	}
	for pods := 2; pods < 120; pods++ {
		p, err := build(t, "quick", nil, func(p *Plan) { p.Settings.Pods = pods })
		require.NoError(t, err)
		budget, solo := p.Load()
		require.LessOrEqual(t, budget, 1000)
		require.Equal(t, 40*(pods-1), solo)

		sampled, err := build(t, "quick", nil, func(p *Plan) { p.Settings.Pods, p.Settings.Peers = pods, 1+pods/10 })
		require.NoError(t, err)
		budget, _ = sampled.Load()
		require.LessOrEqual(t, budget, 1000)
		require.LessOrEqual(t, sampled.Settings.Interval, p.Settings.Interval, "fewer questions, finer")
	}
}

func TestBadInput(t *testing.T) {
	_, err := Named("slow")
	require.ErrorContains(t, err, `--plan "slow" is not known; accepted: cluster, quick, tour, cloud-dns, empty-service`)
	_, err = build(t, "private", Levels{"dns": "bind"}, nil)
	require.ErrorContains(t, err, `--dns "bind" is not known; accepted: cluster, cache-30, uncached`)
	for want, change := range map[string]func(*Plan){
		"--pods 0 is not possible":                                 func(p *Plan) { p.Settings.Pods = 0 },
		"--pods -1 is not possible":                                func(p *Plan) { p.Settings.Pods = -1 },
		"--pods 100000 is not possible; accepted: 2 to 1000":       func(p *Plan) { p.Settings.Pods = 100000 },
		"--blocks 0 is not possible":                               func(p *Plan) { p.Blocks = 0 },
		"--gap -1ns is not possible":                               func(p *Plan) { p.Settings.Gap = -1 },
		"--qps -5 is not possible":                                 func(p *Plan) { p.Settings.QPS = -5 },
		"--interval -1ns is not possible":                          func(p *Plan) { p.Settings.Interval = -1 },
		"--interval 1ns is not possible; accepted: 1ms to 24h0m0s": func(p *Plan) { p.Settings.Interval = 1 },
		"--deadline 0s is not possible":                            func(p *Plan) { p.Settings.Deadline = 0 },
		"--follow 0s is not possible":                              func(p *Plan) { p.Settings.Follow = 0 },
		"--first-query-after -1ns is not possible":                 func(p *Plan) { p.Settings.FirstQueryAfter = -1 },
		"--first-query-after 40s is not before the deadline":       func(p *Plan) { p.Settings.FirstQueryAfter = p.Settings.Deadline },
		"--deadline 2s is too short for reused names":              func(p *Plan) { p.Settings.Deadline = Duration(2 * time.Second) },
		"leave 4m11s between two questions":                        func(p *Plan) { p.Settings.Pods = 500 },
		"--connect-timeouts holds 0; accepted: 1 to 1000":          func(p *Plan) { p.Settings.ConnectTimeouts = nil },
	} {
		_, err := build(t, "private", nil, change)
		var in *InputError
		require.ErrorAs(t, err, &in, want)
		require.ErrorContains(t, err, want)
	}
}
