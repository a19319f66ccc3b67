package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

func TestNumber(t *testing.T) {
	p := planOf(1, none).Trials[0] // deadline 40 s
	for name, c := range map[string]struct {
		v       *judge.Verdict
		of      plan.Moment
		timeout plan.Duration
		want    value
		why     string
	}{
		"the worker with the timeout": {
			v:  solo(p, worker{thirty, at(30 * sec), 0}, worker{five, at(10 * sec), sec}),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 10}, watched: 39, width: 0.01},
		},
		"the last of several": {
			v:  solo(p, worker{five, at(2 * sec), sec}, worker{five, at(10 * sec), 3 * sec}),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 10}, watched: 37, width: 0.01},
		},
		"one of several censored": {
			v:  solo(p, worker{five, beyond(39 * sec), sec}, worker{five, at(39500 * ms), 0}),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 39.5, Censored: true}, watched: 39},
		},
		"another of several censored, and watched for longer": {
			v:  solo(p, worker{five, at(30 * sec), sec}, worker{five, beyond(39500 * ms), 0}),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 39.5, Censored: true}, watched: 39},
		},
		"one of several lost": {
			v:  solo(p, worker{five, at(sec), 0}, worker{five, lost("its log was cut"), 0}),
			of: plan.Joined, timeout: five,
			why: "its log was cut",
		},
		"no such worker": {
			v:  joins(p, at(sec)),
			of: plan.Joined, timeout: thirty,
			why: "no worker had the connect timeout 30s",
		},
		"the last pair": {
			v:    solo(p, worker{thirty, at(30 * sec), 0}, worker{five, at(10 * sec), 2 * sec}),
			of:   plan.Connected,
			want: value{Time: stats.Time{At: 30}, watched: 38, width: 0.01},
		},
		"not asked": {
			v: joins(p, at(sec)), of: plan.OnServer,
			why: judge.NotObserved,
		},
		"below zero within the clock's uncertainty": {
			v:  joins(p, judge.Measurement{Value: -3 * ms, Lo: -5 * ms, Clock: 10 * ms}),
			of: plan.Joined, timeout: five,
			want: value{watched: 40, width: 0.022},
		},
		"censored later than the deadline, as logs end": {
			v:  joins(p, beyond(40020*ms)),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 40.02, Censored: true}, watched: 40},
		},
		"seen just after the deadline": {
			v:  joins(p, at(40020*ms)),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 40.02}, watched: 40.02, width: 0.01},
		},
		"seen at once in a trial without a deadline": {
			v:    joins(plan.Trial{ID: "t001"}, judge.Measurement{}),
			of:   plan.Connected,
			want: value{},
		},
		"the last look was early": {
			v:  joins(p, beyond(7*sec)),
			of: plan.Joined, timeout: five,
			want: value{Time: stats.Time{At: 7, Censored: true}, watched: 7},
		},
		"both existed only after the deadline": {
			v:  solo(p, worker{five, beyond(-2 * sec), 42 * sec}),
			of: plan.Joined, timeout: five,
			why: "the asker had stopped asking before both existed",
		},
		"no outcome": {v: joins(p, at(sec)), of: "started", why: `no outcome is called "started"`},
	} {
		t.Run(name, func(t *testing.T) {
			trial := newTrial(c.v)
			got, why := trial.number(c.of, c.timeout)
			require.Equal(t, c.why, why)
			require.InDelta(t, c.want.At, got.At, 1e-9)
			require.Equal(t, c.want.Censored, got.Censored)
			require.InDelta(t, c.want.watched, got.watched, 1e-9)
			require.InDelta(t, c.want.width, got.width, 1e-9)
		})
	}
}

// A peers trial's last pair could have been any: the shortest watch counts. The
// uncached view was watched by those who looked.
func TestWatchedIsTheShortest(t *testing.T) {
	v := &judge.Verdict{Trial: planOf(1, none).Trials[0], Status: results.Complete}
	lag := judge.Timing{Lag: at(sec)}
	v.Resolved, v.OnServer, v.Connected = lag, lag, lag
	v.Pairs = []judge.Pair{
		{Client: 0, Peer: 0, Self: true, Zero: 20 * sec},
		{Client: 0, Peer: 1, Zero: 5 * sec},
		{Client: 1, Peer: 0, Zero: 2 * sec, Servers: []judge.Replica{{}}},
	}
	trial := newTrial(v)
	for of, want := range map[plan.Moment]float64{plan.Resolved: 35, plan.Connected: 35, plan.OnServer: 38} {
		got, why := trial.number(of, 0)
		require.Empty(t, why)
		require.Equal(t, want, got.watched, of)
	}
}

func TestCommonDeadline(t *testing.T) {
	a := []value{{stats.Time{At: 30}, 39, 0}, {stats.Time{At: 133.5}, 149, 0}}
	b := []value{{stats.Time{At: 39, Censored: true}, 39, 0}, {stats.Time{At: 20}, 38.5, 0}}

	deadline, censored := common(a, b)
	require.True(t, censored)
	require.Equal(t, 38.5, deadline)

	deadline, censored = common(a)
	require.False(t, censored)
	require.Equal(t, 133.5, deadline, "nothing is cut")
}

func TestArm(t *testing.T) {
	at := func(s float64) value { return value{stats.Time{At: s}, 40, 0.1} }
	over := func(s float64) value { return value{stats.Time{At: s, Censored: true}, s, 0} }
	values := []value{at(0.5), over(40), at(30), over(39), at(133.5), at(1)}
	a := summarise([]int{1, 2, 3, 4, 5, 6}, values, 39)
	require.Equal(t, []stats.Time{{At: 0.5}, {At: 40, Censored: true}, {At: 30}, {At: 39, Censored: true}, {At: 133.5}, {At: 1}}, a.Times)
	require.True(t, a.Median != a.Median, "between 30 and whatever 39 became")
	require.Equal(t, 34.5, a.AtLeast)
	require.Equal(t, 0.5, a.Interval.Lo)
	require.True(t, a.Interval.Hi > 1e300, "six values: the largest bounds the median, and a censored one could be that")
	require.Equal(t, stats.Time{At: 0.5}, a.Least)
	require.Equal(t, stats.Time{At: 133.5, Censored: true}, a.Most)
	require.Equal(t, 2, a.Censored)
	require.InDelta(t, (0.5+39+30+39+39+1)/6, a.Restricted, 1e-12)
	require.Equal(t, [2]int{4, 6}, [2]int{a.Late.K, a.Late.N})
	require.Equal(t, 0.1, a.Resolution)

	// Censored before it could be late: unknown whether it was.
	a = summarise([]int{1, 2}, []value{over(0.7), at(0.5)}, 0.7)
	require.Equal(t, [2]int{0, 1}, [2]int{a.Late.K, a.Late.N})

	a = summarise(nil, nil, 40)
	require.True(t, a.Median != a.Median && a.AtLeast != a.AtLeast && a.Restricted != a.Restricted)
	require.Nil(t, a.Late)
}

// A median is known when censoring cannot move it.
func TestMedianDespiteCensoring(t *testing.T) {
	values := []value{{stats.Time{At: 1}, 40, 0}, {stats.Time{At: 2}, 40, 0}, {stats.Time{At: 40, Censored: true}, 40, 0}}
	a := summarise([]int{1, 2, 3}, values, 40)
	require.Equal(t, 2.0, a.Median)
	require.Equal(t, 2.0, a.AtLeast)
}

func TestLateIsOneSecond(t *testing.T) {
	require.Equal(t, time.Second, Late, "reports say 1 s")
}
