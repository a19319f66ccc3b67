package judge_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

func share(p judge.Pair, part judge.Stage) judge.StageTime {
	for _, s := range p.StageTimes {
		if s.Stage == part {
			return s
		}
	}
	return judge.StageTime{Stage: part}
}

// about is a share to an interval of the worlds.
func about(t *testing.T, want time.Duration, p judge.Pair, part judge.Stage) {
	t.Helper()
	require.InDelta(t, want.Seconds(), share(p, part).Took.Seconds(), 0.1, "%s of %+v", part, p.StageTimes)
}

func TestSharesInOddCases(t *testing.T) {
	const s = time.Second
	play := func(w synth.World) *judge.Verdict { return judge.Judge(w.Trial().End()) }
	for _, tc := range []struct {
		name  string
		check func(t *testing.T)
	}{
		{"published long before its process runs: a connect needs one", func(t *testing.T) {
			w := synth.Published("t001", plan.Cache30, record.Solo, 3)
			w.Pods[0].Started += 4 * s
			for _, p := range play(w).Pairs {
				about(t, 4*s+350*ms, p, judge.StageStart)
				require.Zero(t, share(p, judge.StageAddress).Took)
			}
		}},
		{"Ready after the EndpointSlice, on a busy node", func(t *testing.T) {
			w := synth.Prompt("t001", record.PeersServer, 3)
			for i := range w.Pods {
				w.Pods[i].Ready = w.Pods[i].InSlice + 2*s
			}
			for _, p := range play(w).Pairs {
				addUp(t, "late Ready", p)
				require.Less(t, share(p, judge.StageReady).Took, 200*ms)
			}
		}},
		{"a process that begins after its pod was reported Ready", func(t *testing.T) {
			w := synth.Prompt("t001", record.Solo, 2)
			w.Pods[0].Started = w.Pods[0].Ready + 40*ms
			p := play(w).Pairs[0]
			addUp(t, "late process", p)
			require.Zero(t, share(p, judge.StageReady).Took)
		}},
		{"the watch is late by 5 s", func(t *testing.T) {
			b := synth.Prompt("t001", record.PeersServer, 3).Trial()
			for i := range b.Run.Events {
				b.Run.Events[i].T += int64(5 * s)
			}
			for _, p := range judge.Judge(b.End()).Pairs {
				addUp(t, "late watch", p)
				require.Less(t, p.Connected.Since.Value, s)
			}
		}},
		{"the watch saw nothing", func(t *testing.T) {
			b := synth.Denied("t001", record.Peers, 2).Trial()
			b.Run.Events = nil
			p := pair(judge.Judge(b.End()), 0, 1)
			addUp(t, "no watch", p)
			require.Greater(t, share(p, judge.StageDenial).Took, 25*s, "TTLs prove it all the same")
		}},
		{"an old name on the server is not the record", func(t *testing.T) {
			w := synth.Of("t001", plan.Arm{DNS: plan.Uncached, Names: plan.Reused, Observer: record.PeersServer}, 3)
			for i := range w.Replicas {
				w.Replicas[i].Old = 4 * s
			}
			for _, p := range play(w).Pairs {
				require.Zero(t, share(p, judge.StageServer).Took)
				require.InDelta(t, 3.46, share(p, judge.StageStale).Took.Seconds(), 0.1, "%+v", p.StageTimes)
			}
		}},
		{"an address used again by the asked pod", func(t *testing.T) {
			b := synth.Stale("t001", plan.Cache30, s).Trial()
			for i := range b.Primer.Pods {
				b.Primer.Pods[i].IPs = b.Run.Pods[i].IPs
			}
			for i := range b.Pod(1).Lines { // the primer's address was that of the pod
				if a := b.Pod(1).Lines[i].Answer; a != nil {
					a.Addrs = []string{synth.Addr(0)}
				}
			}
			p := judge.Judge(b.End()).Pairs[0]
			addUp(t, "used again", p)
			require.Zero(t, share(p, judge.StageStale).Took)
		}},
		{"one replica never has it, and the client is lucky", func(t *testing.T) {
			w := synth.Apart("t001", record.PeersServer, 3, 30*s)
			for _, p := range play(w).Pairs {
				addUp(t, "never", p)
				require.Zero(t, share(p, judge.StageDenial).Took, "nothing proves a cache where a server has no record")
			}
		}},
		{"a replica that goes silent denies nothing more", func(t *testing.T) {
			b := synth.Denied("t001", record.PeersServer, 3).Trial()
			for i := range 3 { // a second server denied once, and was not heard of again
				b.Start(i).Replicas = append(b.Start(i).Replicas, "10.244.0.21:53")
				for peer := range 3 {
					b.Ask(i, peer, synth.Answer{View: record.Uncached, Server: "10.244.0.21:53", Class: record.NXDomain, First: 5 * ms})
					b.Ask(i, peer, synth.Answer{View: record.Uncached, Server: "10.244.0.21:53", Class: record.Timeout, First: s, Prev: 5 * ms, Last: 20 * s, Count: 20})
				}
			}
			for _, p := range judge.Judge(b.End()).Pairs {
				about(t, 29850*ms, p, judge.StageDenial)
			}
		}},
		{"a server that nobody looked at may have denied it afresh", func(t *testing.T) {
			b := synth.Denied("t001", record.PeersServer, 3).Trial()
			for i := range 3 {
				b.Start(i).Replicas = append(b.Start(i).Replicas, "10.244.0.21:53")
			}
			for _, p := range judge.Judge(b.End()).Pairs {
				require.InDelta(t, 1, share(p, judge.StageDenied).Took.Seconds(), 0.1, "only what the TTL does not prove: %+v", p.StageTimes)
			}
		}},
		{"A and AAAA: the one that was answered", func(t *testing.T) {
			b := synth.Denied("t001", record.Peers, 2).Trial()
			b.Ask(0, 1, synth.Answer{Class: record.NXDomain, First: 3 * ms, Last: 30 * s, Count: 600, SOATTL: 30, Top: 30, AtTop: 20})
			for i := range b.Pod(0).Lines {
				if a := b.Pod(0).Lines[i].Answer; a != nil && a.Asked == int64(2*ms) {
					a.Type = "AAAA"
				}
			}
			addUp(t, "both", pair(judge.Judge(b.End()), 0, 1))
		}},
		{"censored: until the end of the observation", func(t *testing.T) {
			v := play(synth.Stale("t001", plan.Cache30, 0, s))
			require.Equal(t, results.Censored, v.Status)
			p := pair(v, 1, 0)
			addUp(t, "censored", p)
			about(t, 39880*ms, p, judge.StageStale)
		}},
		{"what is lost is not split", func(t *testing.T) {
			b := synth.Denied("t001", record.Peers, 2).Trial()
			b.Pod(0).Lines = b.Pod(0).Lines[:3]
			v := judge.Judge(b.End())
			require.Nil(t, pair(v, 0, 1).StageTimes)
			require.NotNil(t, pair(v, 1, 0).StageTimes)
		}},
		{"nothing was asked at all", func(t *testing.T) {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Done(0, 5*s, "deadline")
			b.Done(1, 5*s, "deadline")
			p := pair(judge.Judge(b.End()), 0, 1)
			addUp(t, "unasked", p)
			about(t, 4700*ms, p, judge.StageUnasked)
		}},
		{"a pod that never gets into an EndpointSlice", func(t *testing.T) {
			w := synth.Prompt("t001", record.PeersServer, 2)
			w.Pods[1].InSlice = 0
			w.Deadline = 10 * s
			p := pair(play(w), 0, 1)
			addUp(t, "no slice", p)
			// The servers were looked at; a name that is on none is not in a slice either.
			require.Greater(t, share(p, judge.StageSlice).Took+share(p, judge.StageServer).Took, 9*s)
		}},
	} {
		t.Run(tc.name, tc.check)
	}
}

func TestAgeAndServer(t *testing.T) {
	const s = time.Second
	p := pair(judge.Judge(synth.Denied("t001", record.PeersServer, 3).Trial().End()), 0, 1)
	d := share(p, judge.StageDenial)
	require.Equal(t, [2]float64{0, 29}, d.Age)

	p = pair(judge.Judge(synth.NodeLocal("t001", record.PeersServer, 3).Trial().End()), 0, 1)
	d = share(p, judge.StageDenial)
	require.Equal(t, [2]float64{0, 4}, d.Age, "of the node's five seconds")

	v := judge.Judge(synth.Stale("t001", plan.Cache30, 5*s).Trial().End())
	d = share(v.Pairs[0], judge.StageStale)
	require.Equal(t, [2]float64{10, 25}, d.Age, "20 s left of 30, then dials of 5 s")
	require.Equal(t, [2]float64{-1, -1}, share(v.Pairs[0], judge.StageReady).Age)
}

// What is proven cached has less than what an answer has that no cache has
// aged, by the client's own way.
func TestFullTTL(t *testing.T) {
	for _, tc := range []struct {
		w    synth.World
		want uint32
	}{
		{synth.NodeLocal("t001", record.PeersServer, 3), 5},
		{synth.Denied("t001", record.Solo, 3), 30},
		{synth.Of("t001", plan.Arm{DNS: plan.KubeDNS, Observer: record.Solo}, 3), 30},
		{synth.Of("t001", plan.Arm{DNS: plan.NoSuccessCache, Observer: record.Solo}, 3), 30},
		{synth.Of("t001", plan.Arm{DNS: plan.Forwarding, Observer: record.Solo}, 3), 30},
	} {
		v := judge.Judge(tc.w.Trial().End())
		require.Equal(t, tc.want, v.FullTTL, "%s", tc.w.Arm.DNS)
		if tc.w.Arm.DNS == plan.KubeDNS {
			require.Zero(t, v.Counts.ProvenCached)
		}
	}
	// Nothing is known of the cluster's own; the servers say 30, the cache in
	// front of them makes it 5.
	w := synth.NodeLocal("t001", record.PeersServer, 3)
	w.Arm.DNS = plan.ClusterDNS
	require.EqualValues(t, 5, judge.Judge(w.Trial().End()).FullTTL)
}

// Where equal answers alternate, run lengths tell how often each was given and
// not when: the split is close to what each answer by itself shows.
func TestSharesOfOverlappingRuns(t *testing.T) {
	const s = time.Second
	divided := synth.Of("t001", plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Observer: record.Peers}, 3)
	divided.Replicas[1].Keeps.Addresses = 0
	for name, w := range map[string]synth.World{
		"solo":  synth.Divided("t001", 5*s, s, s, s),
		"peers": divided,
		"old":   synth.Of("t001", plan.Arm{DNS: plan.NodeLocalCache30, Names: plan.Reused, Observer: record.Peers}, 3),
	} {
		t.Run(name, func(t *testing.T) {
			var n, off float64
			for seed := range uint64(20) {
				w.Seed = seed
				w.EachAnswer = false
				short := judge.Judge(w.Trial().End())
				w.EachAnswer = true
				each := judge.Judge(w.Trial().End())
				for i, p := range short.Pairs {
					addUp(t, name, p)
					addUp(t, name, each.Pairs[i])
					require.Equal(t, p.Connected, each.Pairs[i].Connected)
					for _, part := range []judge.Stage{judge.StageStale, judge.StageNoAnswer, judge.StageConnect} {
						d := (share(p, part).Took - share(each.Pairs[i], part).Took).Seconds()
						require.InDelta(t, 0, d, 1, "%s %d->%d: %+v\n%+v", part, p.Client, p.Peer, p.StageTimes, each.Pairs[i].StageTimes)
						n, off = n+1, off+max(d, -d)
					}
				}
			}
			require.Less(t, off/n, 0.15, "seconds, on average")
		})
	}
}

// On another machine than the nodes': the parts of one clock are exact, those
// between two are as uncertain as the clocks are apart.
func TestClocksOfShares(t *testing.T) {
	b := synth.Denied("t001", record.PeersServer, 3).Trial()
	b.Run.Boot = "boot-laptop"
	for _, p := range judge.Judge(b.End()).Pairs {
		addUp(t, "apart", p)
		for _, s := range p.StageTimes {
			switch s.Stage {
			case judge.StageCreate, judge.StageSchedule, judge.StageReady, judge.StageSlice:
			case judge.StageDenial, judge.StageConnect:
				require.Zero(t, s.Clock, "%+v", s)
				if s.Stage == judge.StageDenial {
					about(t, 29850*ms, p, judge.StageDenial)
				}
			case judge.StageStart:
				require.Positive(t, s.Clock)
			}
		}
	}
	exact := judge.Judge(synth.Denied("t001", record.PeersServer, 3).Trial().End())
	for _, s := range exact.Pairs[0].StageTimes {
		require.Zero(t, s.Clock)
	}
}

func TestMoments(t *testing.T) {
	v := judge.Judge(synth.Prompt("t001", record.PeersServer, 3).Trial().End())
	require.Len(t, v.Moments, 3)
	m := v.Moments[1]
	for i, want := range []time.Duration{433333333, 553333333, 573333333} {
		require.Equal(t, want, []judge.Measurement{m.Started, m.Ready, m.InSlice}[i].Value)
	}
	require.Equal(t, 1, m.Index)
	require.Greater(t, m.OnServer.Value, m.InSlice.Value)
	solo := judge.Judge(synth.Prompt("t001", record.Solo, 3).Trial().End())
	require.Equal(t, judge.NotObserved, solo.Moments[0].OnServer.Lost)
}

// A log may claim anything; the run has the pods that the runner saw.
func TestLogOfAnotherJob(t *testing.T) {
	b := synth.Prompt("t001", record.Peers, 3).Trial()
	b.Start(1).Pods = 1000
	v := judge.Judge(b.End())
	require.Equal(t, 3, v.Pods)
	require.Len(t, v.Pairs, 6)
	require.Equal(t, results.Invalid, v.Status)
	require.Equal(t, []string{"index 1: its log is of a job of 1000 pods, not 3"}, v.Reasons)
	require.True(t, pair(v, 0, 2).Connected.Lag.Known())
}

// BenchmarkHugeLog shows whether a line costs more where there are many.
func BenchmarkHugeLog(b *testing.B) {
	for _, lines := range []int{5000, 20000} {
		tr := hugeLog(lines)
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			for b.Loop() {
				judge.Judge(tr)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		})
	}
}

// hugeLog is of a worker that dialled n addresses, none of which was there.
func hugeLog(n int) *results.Trial {
	b := synth.New("t001", plan.Arm{Observer: record.Solo}, 2)
	for i := range n {
		at := time.Duration(i+2) * ms
		addr := "10." + string(rune('1'+i%9)) + ".0." + string(rune('0'+i%10))
		b.Ask(1, 0, synth.Answer{Class: record.Address, Addrs: []string{addr}, First: at, Prev: at - ms, Last: 30 * time.Second, Count: 1000})
		b.Dial(1, 0, addr, at, ms, record.DialTimeout, 3, nil)
	}
	b.Done(1, 40*time.Second, "deadline")
	b.Done(0, ms, "complete")
	return b.End()
}

// FuzzJudge: whatever the records hold, a verdict comes of it and its shares
// add up.
func FuzzJudge(f *testing.F) {
	for _, w := range []synth.World{
		synth.Prompt("t001", record.PeersServer, 2), synth.Divided("t001", time.Second),
	} {
		w.Deadline = 2 * time.Second
		b, err := json.Marshal(w.Trial().End())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var tr results.Trial
		if json.Unmarshal(b, &tr) != nil {
			return
		}
		for _, p := range tr.Run.Pods {
			if p.Index > 20 { // the runner's own numbers: a thousand is only slow
				return
			}
		}
		for _, e := range tr.Run.Events {
			if e.Index != nil && *e.Index > 20 {
				return
			}
		}
		v := judge.Judge(&tr)
		for _, p := range v.Pairs {
			addUp(t, "fuzz", p)
		}
	})
}
