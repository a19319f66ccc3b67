package plan

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func options(name string) Options {
	return Options{Name: name, Run: "r", Seed: 1, Blocks: 1, Settings: Defaults()}
}

func TestBlocksHoldEveryArmOnce(t *testing.T) {
	o := options("private")
	o.Blocks = 3
	p, err := Build(o)
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
	a, err := Build(options("private"))
	require.NoError(t, err)
	b, err := Build(options("private"))
	require.NoError(t, err)
	require.Equal(t, a, b)
	o := options("private")
	o.Seed = 2
	c, err := Build(o)
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
		o := options(s.Name)
		o.Settings, o.Blocks = Preset(s.Name)
		p, err := Build(o)
		require.NoError(t, err)
		require.NotEmpty(t, p.Trials)
		require.NoError(t, Check(p), s.Name)
	}
	quick, err := Build(options("quick"))
	require.NoError(t, err)
	require.Less(t, quick.Expected(), 4*time.Minute)
	def, err := Build(options("cluster"))
	require.NoError(t, err)
	require.Less(t, def.Expected(), 12*time.Minute)
	require.Equal(t, []DNS{Cache30, Uncached}, def.PrivateDNS())
}

func TestExactlyOneTrialIsFollowed(t *testing.T) {
	o := options("private")
	o.Blocks = 2
	p, err := Build(o)
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
	o := options("private")
	o.Settings.ConnectTimeouts = []Duration{Duration(time.Second)}
	p, err := Build(o)
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
		o := options("quick")
		o.Settings.Pods = pods
		p, err := Build(o)
		require.NoError(t, err)
		budget, solo := p.Load()
		require.LessOrEqual(t, budget, 1000)
		require.Equal(t, 40*(pods-1), solo)

		o.Settings.Peers = 1 + pods/10
		sampled, err := Build(o)
		require.NoError(t, err)
		budget, _ = sampled.Load()
		require.LessOrEqual(t, budget, 1000)
		require.LessOrEqual(t, sampled.Settings.Interval, p.Settings.Interval, "fewer questions, finer")
	}
}

func TestBadInput(t *testing.T) {
	set := func(f func(*Options)) Options { o := options("private"); f(&o); return o }
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"plan":          {options("slow"), `--plan "slow" is not known; accepted: cluster, quick, tour, empty-service, seed`},
		"no pods":       {set(func(o *Options) { o.Settings.Pods = 0 }), "--pods 0 is too few"},
		"minus pods":    {set(func(o *Options) { o.Settings.Pods = -1 }), "--pods -1 is too few"},
		"blocks":        {set(func(o *Options) { o.Blocks = 0 }), "--blocks 0 is not positive"},
		"gap":           {set(func(o *Options) { o.Settings.Gap = -1 }), "--gap -1ns is negative"},
		"qps":           {set(func(o *Options) { o.Settings.QPS = -5 }), "--qps -5 is not positive"},
		"interval":      {set(func(o *Options) { o.Settings.Interval = -1 }), "--interval -1ns is too short"},
		"deadline":      {set(func(o *Options) { o.Settings.Deadline = 0 }), "--deadline 0s is not positive"},
		"follow":        {set(func(o *Options) { o.Settings.Follow = 0 }), "--follow 0s is not positive"},
		"first query":   {set(func(o *Options) { o.Settings.FirstQueryAfter = -1 }), "--first-query-after -1ns is negative"},
		"a nanosecond":  {set(func(o *Options) { o.Settings.Interval = 1 }), "--interval 1ns is too short"},
		"late query":    {set(func(o *Options) { o.Settings.FirstQueryAfter = o.Settings.Deadline }), "--first-query-after 40s is not before the deadline"},
		"primer":        {set(func(o *Options) { o.Settings.Deadline = Duration(2 * time.Second) }), "--deadline 2s is too short for reused names"},
		"many pods":     {set(func(o *Options) { o.Settings.Pods = 100000 }), "--pods 100000 is too many"},
		"no resolution": {set(func(o *Options) { o.Settings.Pods = 500 }), "leave 4m11s between two questions"},
		"timeouts":      {set(func(o *Options) { o.Settings.ConnectTimeouts = nil }), "--connect-timeouts is empty"},
	} {
		_, err := Build(tc.o)
		var in *InputError
		require.True(t, errors.As(err, &in), name)
		require.ErrorContains(t, err, tc.want, name)
	}
}

func TestParse(t *testing.T) {
	d, err := ParseDNS("uncached, cluster,cluster")
	require.NoError(t, err)
	require.Equal(t, []DNS{Uncached, ClusterDNS}, d)
	d, err = ParseDNS("")
	require.NoError(t, err)
	require.Empty(t, d)
	e, err := ParseExtras("all")
	require.NoError(t, err)
	require.Equal(t, Extras, e)
	for list, want := range map[string]string{
		"bind":     `--dns "bind" is not known; accepted: cluster, cache-30, uncached`,
		"cluster,": `--dns "" is not known`,
	} {
		_, err = ParseDNS(list)
		require.ErrorContains(t, err, want)
	}
	_, err = ParseExtras("nginx")
	require.ErrorContains(t, err, `--extra "nginx" is not known; accepted: none, service, service-pod, pod, member-pod, oneshot-pod`)

	ts, err := ParseTimeouts("none,30s,1500ms")
	require.NoError(t, err)
	require.Equal(t, []Duration{0, Duration(30 * time.Second), Duration(1500 * time.Millisecond)}, ts)
	require.Equal(t, "none,30s,1.5s", FormatTimeouts(ts))
	for _, bad := range []string{"", "0s", "-1s", "fast", "none,"} {
		_, err = ParseTimeouts(bad)
		require.Error(t, err, "%q", bad)
	}
}
