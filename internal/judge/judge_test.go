package judge_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const ms = time.Millisecond

func near(t *testing.T, want, got time.Duration, msg string) {
	t.Helper()
	require.InDelta(t, want.Seconds(), got.Seconds(), 1e-6, msg)
}

func pair(v *judge.Verdict, client, peer int) judge.Pair {
	for _, p := range v.Pairs {
		if p.Client == client && p.Peer == peer {
			return p
		}
	}
	return judge.Pair{}
}

func TestDenial(t *testing.T) {
	v := judge.Judge(synth.Peers("t001", plan.Cache30, plan.ExtraNone, 3, 300*ms, 30*time.Second, true).End())
	require.Equal(t, results.Complete, v.Status)
	require.Empty(t, v.Reasons)
	require.Len(t, v.Pairs, 6)
	near(t, 30*time.Second, v.Resolved.Lag.Value, "all start together")
	near(t, 30*time.Second-50*ms, v.Resolved.Lag.Lo, "the last miss was asked an interval before")
	near(t, 30300*ms, v.Resolved.Since.Value, "since the Job's creation")
	near(t, 310*ms, v.OnServer.Lag.Value, "the second replica")
	near(t, 30*time.Second+2*ms, v.Connected.Lag.Value, "connected")
	require.Zero(t, v.Resolved.Lag.Clock, "one kernel")
	require.EqualValues(t, 30, v.FullTTL)
	perPair := int((30*time.Second - 50*ms) / (50 * ms))
	require.Equal(t, 6*1, v.Counts.Undecided)
	require.Equal(t, 6*(perPair-1), v.Counts.ProvenCached)
	require.Equal(t, 6*(perPair+1), v.Counts.Questions)
}

// The lag counts from when the client runs and the peer is Ready, or has its
// address where its name is published before.
func TestZero(t *testing.T) {
	for _, tc := range []struct {
		name                      string
		publish                   bool
		client, peer              time.Duration // their processes, on the runner's axis
		address, ready, slice     time.Duration // receipts; 0: never
		answered, wantZero, wants time.Duration // on the client's axis; wants is the lag
	}{
		{"the client is last", false, 900 * ms, 300 * ms, 300 * ms, 450 * ms, 500 * ms, 2000 * ms, 0, 2000 * ms},
		{"Ready is last", false, 300 * ms, 300 * ms, 300 * ms, 900 * ms, 950 * ms, 2000 * ms, 600 * ms, 1400 * ms},
		{"the EndpointSlice is reported first", false, 300 * ms, 300 * ms, 300 * ms, 950 * ms, 900 * ms, 2000 * ms, 600 * ms, 1400 * ms},
		{"Ready is reported before the process ran", false, 300 * ms, 900 * ms, 300 * ms, 500 * ms, 0, 2000 * ms, 600 * ms, 1400 * ms},
		{"answered before Ready is reported", false, 300 * ms, 300 * ms, 300 * ms, 900 * ms, 950 * ms, 100 * ms, 600 * ms, 0},
		{"Ready was not seen: since the peer existed", false, 300 * ms, 900 * ms, 500 * ms, 0, 0, 2000 * ms, 200 * ms, 1800 * ms},
		{"published: its address", true, 300 * ms, 900 * ms, 500 * ms, 950 * ms, 950 * ms, 2000 * ms, 200 * ms, 1800 * ms},
		{"published: its process has one", true, 300 * ms, 800 * ms, 900 * ms, 950 * ms, 950 * ms, 2000 * ms, 500 * ms, 1500 * ms},
		{"never answered, never Ready: the lag has not begun", false, 300 * ms, 300 * ms, 300 * ms, 0, 0, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := synth.New("t001", plan.Arm{DNS: plan.Uncached, Observer: record.Peers, Publish: tc.publish}, 2)
			b.Starts(0, tc.client, synth.Boot, 0)
			b.Starts(1, tc.peer, synth.Boot, 0)
			at := map[results.What]time.Duration{results.Addressed: tc.address, results.Ready: tc.ready, results.Changed: tc.slice}
			b.Run.Events = slices.DeleteFunc(b.Run.Events, func(e results.Event) bool { v, ok := at[e.What]; return ok && v == 0 })
			for i := range b.Run.Events {
				if v, ok := at[b.Run.Events[i].What]; ok {
					b.Run.Events[i].T = int64(v)
				}
			}
			reason := "deadline"
			if tc.answered > 0 {
				b.Ask(0, 1, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(1)}, First: tc.answered})
				b.Dial(0, 1, synth.Addr(1), tc.answered, ms, record.Connected, 1, b.Who(1, 0, tc.answered))
				reason = "complete"
			}
			b.Done(0, 3*time.Second, reason)
			b.Done(1, 3*time.Second, reason)
			p := pair(judge.Judge(b.End()), 0, 1)
			near(t, tc.wantZero, p.Zero, "zero")
			require.Equal(t, tc.answered == 0, p.Resolved.Lag.Censored)
			near(t, tc.wants, p.Resolved.Lag.Value, "lag")
			require.LessOrEqual(t, p.Resolved.Lag.Lo, p.Resolved.Lag.Value)
			if tc.answered > 0 {
				near(t, tc.answered+tc.client, p.Resolved.Since.Value, "since creation")
			} else {
				near(t, 3300*ms, p.Resolved.Since.Value, "what a user waited is known all the same")
			}
		})
	}
}

func TestSolo(t *testing.T) {
	b := synth.Solo("t001", plan.Cache30, plan.ExtraNone,
		synth.Worker{Timeout: 0, Stale: 1, Silence: 133400 * ms, Joined: 133500 * ms},
		synth.Worker{Timeout: time.Second, Stale: 8, Silence: time.Second, Joined: 9500 * ms},
		synth.Worker{Timeout: 5 * time.Second, Joined: 10 * ms},
	)
	v := judge.Judge(b.End())
	require.Equal(t, results.Complete, v.Status, v.Reasons)
	require.Len(t, v.Workers, 3)
	near(t, 133500*ms, v.Workers[0].Joined.Lag.Value, "no timeout")
	near(t, 9500*ms, v.Workers[1].Joined.Lag.Value, "1 s")
	require.Equal(t, time.Second, v.Workers[1].Timeout)
	near(t, 10*ms, v.Workers[2].Joined.Lag.Value, "5 s, lucky")
	require.Equal(t, 9, v.Counts.DialTimeouts)
	require.Equal(t, 9, v.Counts.StaleAnswers())
	require.Equal(t, []judge.Stale{{Owner: judge.Owner{Kind: judge.Primer, Index: 0}, Count: 9}}, v.Counts.Stale)
	require.Equal(t, "the primer's index 0", v.Counts.Stale[0].Owner.String())
	require.Equal(t, judge.NotObserved, v.OnServer.Lag.Lost)
	require.Equal(t, 2*time.Second, *v.Gap)
	for _, p := range v.Pairs {
		require.GreaterOrEqual(t, p.Connected.Lag.Value, p.Resolved.Lag.Value)
	}
}

func TestCensored(t *testing.T) {
	b := synth.Solo("t001", plan.Cache30, plan.ExtraNone,
		synth.Worker{Timeout: 0, Stale: 1, Silence: 40 * time.Second},
		synth.Worker{Timeout: time.Second, Joined: 500 * ms},
	)
	v := judge.Judge(b.End())
	require.Equal(t, results.Censored, v.Status)
	require.True(t, v.Workers[0].Joined.Lag.Censored)
	near(t, 40*time.Second, v.Workers[0].Joined.Lag.Value, "at least until its deadline")
	require.False(t, v.Workers[1].Joined.Lag.Censored)
	require.True(t, v.Connected.Lag.Censored, "the last of all is not known either")
	near(t, 40*time.Second, v.Connected.Lag.Value, "but bounded")
	require.Equal(t, 1, v.Counts.DialCut)
	require.Zero(t, v.Counts.DialTimeouts)
}

// Workers of a cluster whose runner is elsewhere: nothing is exact, and what
// is claimed must hold.
func TestClocksApart(t *testing.T) {
	b := synth.Peers("t001", plan.Uncached, plan.ExtraNone, 4, 100*ms, 200*ms, false)
	b.Run.Boot = "boot-laptop"
	v := judge.Judge(b.End())
	require.Positive(t, v.Resolved.Lag.Clock, "Ready is a receipt of the runner's")
	require.InDelta(t, 0.2, v.Resolved.Lag.Value.Seconds(), v.Resolved.Lag.Clock.Seconds())
	require.Positive(t, v.Resolved.Since.Clock)
	require.InDelta(t, 0.5, v.Resolved.Since.Value.Seconds(), v.Resolved.Since.Clock.Seconds(), "300 ms until the start, 200 ms of lag")
	require.False(t, v.Clocks[0].Same)
	require.LessOrEqual(t, v.Clocks[0].Lo, time.Duration(0))
	require.GreaterOrEqual(t, v.Clocks[0].Hi, time.Duration(0))
}

func TestTwoNodes(t *testing.T) {
	const ahead = 7 * time.Second
	arm := plan.Arm{DNS: plan.Uncached, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Peers, Publish: true}
	b := synth.New("t001", arm, 2)
	b.Run.Boot = "boot-laptop"
	b.Starts(0, 300*ms, "boot-a", 0)
	b.Starts(1, 800*ms, "boot-b", ahead)
	for i := range b.Run.Events { // the watch was slow: only the clocks can tell
		if b.Run.Events[i].What == results.Addressed {
			b.Run.Events[i].T = int64(5 * time.Second)
		}
	}
	for a := range 2 {
		o := 1 - a
		b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(o)}, First: time.Second})
		// The reading is taken 1 ms into an exchange of 2 ms.
		b.Dial(a, o, synth.Addr(o), time.Second, 2*ms, record.Connected, 1, b.Who(o, a, time.Second+ms))
		b.Done(a, 2*time.Second, "complete")
	}
	v := judge.Judge(b.End())
	p := pair(v, 0, 1)
	require.InDelta(t, 0.5, p.Zero.Seconds(), 0.002, "the asked process started 500 ms later, whatever its clock says")
	require.Positive(t, p.Clock)
	require.Less(t, p.Clock, 3*ms, "a round trip and the slew, not a pod start")
	require.InDelta(t, 0.5, p.Resolved.Lag.Value.Seconds(), p.Clock.Seconds()+1e-9)
	require.Zero(t, pair(v, 1, 0).Zero, "the later pod's own start")
	require.Len(t, v.Clocks, 2)
	for i, want := range []time.Duration{0, ahead} {
		require.True(t, v.Clocks[i].Bound)
		require.LessOrEqual(t, v.Clocks[i].Lo, want)
		require.GreaterOrEqual(t, v.Clocks[i].Hi, want)
	}
}

func TestContradictingClocks(t *testing.T) {
	b := synth.Peers("t001", plan.Uncached, plan.ExtraNone, 2, 100*ms, 200*ms, false)
	b.Run.Boot = "boot-laptop"
	b.Starts(1, 300*ms, "boot-b", 0)
	for i := range b.Pod(0).Lines {
		if d := b.Pod(0).Lines[i].Dial; d != nil {
			d.Who.Wall += int64(time.Hour)
		}
	}
	v := judge.Judge(b.End())
	require.Contains(t, v.Notes[0], "contradict")
	require.True(t, v.Resolved.Lag.Known())
}
