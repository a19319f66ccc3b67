package judge_test

import (
	"runtime"
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

// sampled is a trial of pods that ask for some of the others.
func sampled(dns plan.DNS, pods int, s record.Sample) *synth.Trial {
	w := synth.Of("t001", plan.Arm{DNS: dns, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.PeersServer}, pods)
	w.Sample, w.Interval = s, 500*ms
	return w.Trial()
}

// Only the sampled pairs are judged: nothing of the others is missing, and
// shares and moments of all pods follow from those there are.
func TestSampledPairs(t *testing.T) {
	s := record.Sample{Peers: 3, Seed: 9}
	const pods = 12
	v := judge.Judge(sampled(plan.Cache30, pods, s).End())
	require.Equal(t, results.Complete, v.Status, v.Reasons)
	require.Empty(t, v.Notes)
	require.True(t, v.OnServer.Lag.Known(), "each name was looked at: %+v", v.OnServer)
	require.Len(t, v.Pairs, pods*s.Peers)
	ring := s.Ring(pods)
	for i, p := range v.Pairs {
		require.Equal(t, ring.Asked(p.Client)[i%s.Peers], p.Peer, "by asker, then asked")
		require.True(t, p.Connected.Lag.Known() && !p.Connected.Lag.Censored)
		require.Equal(t, slices.Contains(ring.Lookers(p.Peer), p.Client), len(p.Servers) > 0)
		addUp(t, "sampled", p)
	}
	for _, m := range v.Moments {
		require.True(t, m.OnServer.Known())
	}
}

// What a log says of a pair that was not sampled is in no number.
func TestAnswersBesideTheSample(t *testing.T) {
	s := record.Sample{Peers: 2, Seed: 9}
	const pods = 8
	tr := sampled(plan.Uncached, pods, s)
	want := judge.Judge(tr.End())
	peers := s.Ring(pods).Asked(3)
	for peer := range pods {
		if !slices.Contains(peers, peer) {
			tr.Ask(3, peer, synth.Answer{Class: record.NXDomain, First: 700 * ms, SOATTL: 30})
		}
	}
	// The last line stays the last.
	done := slices.IndexFunc(tr.Pod(3).Lines, func(l record.Line) bool { return l.Done != nil })
	tr.Pod(3).Lines[done].T = int64(time.Minute)
	got := judge.Judge(tr.End())
	require.Equal(t, want.Counts, got.Counts)
	require.Equal(t, want.Connected, got.Connected)
	require.Equal(t, results.Complete, got.Status, got.Reasons)
}

// A sampled pair of which nothing was seen is censored, as any other.
func TestSampledPairIsCensored(t *testing.T) {
	s := record.Sample{Peers: 2, Seed: 9}
	tr := sampled(plan.Uncached, 8, s)
	gone := s.Ring(8).Asked(5)[1]
	lines := tr.Pod(5).Lines
	lines = slices.DeleteFunc(lines, func(l record.Line) bool {
		return l.Answer != nil && l.Answer.Peer == gone || l.Dial != nil && l.Dial.Peer == gone
	})
	for i := range lines {
		if d := lines[i].Done; d != nil {
			d.Reason, lines[i].T = "deadline", int64(40*time.Second)
		}
	}
	tr.Pod(5).Lines = lines
	v := judge.Judge(tr.End())
	require.Equal(t, results.Censored, v.Status)
	require.True(t, v.Connected.Lag.Censored)
}

// A probe that drew another sample than the plan says asked something else.
func TestAnotherSample(t *testing.T) {
	tr := sampled(plan.Uncached, 6, record.Sample{Peers: 2, Seed: 9})
	tr.Start(4).Sample.Seed = 10
	v := judge.Judge(tr.End())
	require.Equal(t, results.Invalid, v.Status)
	require.Contains(t, v.Reasons, "index 4: its log is of a sample of 2 peers from seed 10, not of 2 from 9")
}

// 500 pods that ask for 16 others each cost what 8,000 pairs cost.
func TestSampleOfALargeJob(t *testing.T) {
	s := record.Sample{Peers: 16, Seed: 117819}
	const pods = 500
	tr := sampled(plan.Cache30, pods, s).End()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v := judge.Judge(tr)
	runtime.ReadMemStats(&after)
	require.Equal(t, results.Complete, v.Status, v.Reasons)
	require.Len(t, v.Pairs, pods*s.Peers)
	allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("%d pairs, %d MB allocated", len(v.Pairs), allocated)
	// 250,000 pairs take 500 MB and more than that allocated on the way.
	require.Less(t, allocated, uint64(64))
}
