package trial

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

func pod(index int, ip string, lines ...record.Line) results.Pod {
	return results.Pod{Name: "p", Index: index, IPs: []string{ip}, Lines: lines}
}

func done(reason string) record.Line { return record.Line{Done: &record.Done{Reason: reason}} }

func answered(addrs ...string) record.Line {
	return record.Line{Answer: &record.Answer{Class: record.Address, Addrs: addrs}}
}

func TestStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		pods   []results.Pod
		want   results.Status
		reason string
	}{
		"whole":    {[]results.Pod{pod(0, "a", done("complete")), pod(1, "b", done("complete"))}, results.Complete, ""},
		"deadline": {[]results.Pod{pod(0, "a", done("complete")), pod(1, "b", done("deadline")), pod(2, "c", done("deadline"))}, results.Censored, "deadline reached in pod index 1, 2"},
		"released": {[]results.Pod{pod(0, "a", done("released"))}, results.Invalid, "ended as released"},
		"problem":  {[]results.Pod{pod(0, "a", done("deadline")), {Name: "q", Problem: "log ends before the probe was done"}}, results.Invalid, "pod ns/q: log ends"},
	} {
		got, why := status(results.Run{Namespace: "ns", Pods: tc.pods})
		require.Equal(t, tc.want, got, name)
		require.Contains(t, why, tc.reason, name)
	}
}

func TestOwnersOfEarlierTrialsAreRemembered(t *testing.T) {
	r := &Runner{}
	r.remember(results.Trial{Plan: plan.Trial{ID: "t001"}, Primer: &results.Run{Pods: []results.Pod{pod(0, "10.0.0.9")}}, Run: results.Run{Pods: []results.Pod{pod(0, "10.0.0.1"), pod(1, "10.0.0.2")}}})
	now := results.Trial{Run: results.Run{Pods: []results.Pod{
		pod(0, "10.0.0.2", answered("10.0.0.1", "10.0.0.2"), answered("10.0.0.9"), answered("10.0.0.7")),
	}}}
	// 10.0.0.2 has a new owner in this trial; 10.0.0.7 never had one of ours.
	require.Equal(t, map[string]string{"10.0.0.1": "index 0 of trial t001", "10.0.0.9": "index 0 of trial t001"}, r.earlier(now))
}

func TestFirstStart(t *testing.T) {
	zero := time.Now()
	start := func(boot string, after time.Duration) record.Line {
		return record.Line{Start: &record.Start{Boot: boot, Wall: zero.Add(after).UnixNano()}}
	}
	p := func(logAt time.Duration, l record.Line) results.Pod {
		return results.Pod{LogStart: int64(logAt), Lines: []record.Line{l}}
	}
	run := results.Run{Zero: zero, Boot: "here"}
	for name, tc := range map[string]struct {
		pods []results.Pod
		want time.Duration
	}{
		"the same kernel: exact": {[]results.Pod{p(1300*time.Millisecond, start("here", 1200*time.Millisecond))}, 1200 * time.Millisecond},
		"another clock: receipt": {[]results.Pod{p(1300*time.Millisecond, start("there", time.Hour))}, 1300 * time.Millisecond},
		"the first of them": {[]results.Pod{p(1300*time.Millisecond, start("here", 1200*time.Millisecond)),
			p(1100*time.Millisecond, start("there", time.Hour)), {}}, 1100 * time.Millisecond},
		"before the Job: the clock was set back":  {[]results.Pod{p(1300*time.Millisecond, start("here", -time.Hour))}, 1300 * time.Millisecond},
		"after it was read: the clock was set on": {[]results.Pod{p(1300*time.Millisecond, start("here", time.Hour))}, 1300 * time.Millisecond},
		"a log that lies: an overflow":            {[]results.Pod{p(1300*time.Millisecond, record.Line{Start: &record.Start{Boot: "here", Wall: math.MinInt64}})}, 1300 * time.Millisecond},
		"no log":                                  {[]results.Pod{{}}, 0},
	} {
		run.Pods = tc.pods
		require.Equal(t, tc.want, firstStart(run), name)
	}
	require.Zero(t, firstStart(results.Run{}))
}

func runner(observer record.Observer) (*Runner, plan.Trial) {
	p, err := plan.Named("private")
	if err != nil {
		panic(err)
	}
	p.Run, p.Seed = "r", 1
	p, err = plan.Build(p, plan.Levels{"dns": "cache-30", "names": "reused", "extra": "member-pod", "observer": string(observer)})
	if err != nil {
		panic(err)
	}
	return &Runner{Plan: p, Namespace: "ns", Resolvers: map[plan.DNS]Resolver{
		plan.Cache30: {PodDNS: manifests.ClusterFirst("10.96.0.53", "ns", "cluster.local"), Replicas: []string{"10.0.0.1:1053", "10.0.0.2:1053"}},
	}}, p.Trials[0]
}

func args(t *testing.T, l jobRun) []string {
	j, ok := l.objects[len(l.objects)-1].(*batchv1.Job)
	require.True(t, ok, "the Job comes last: its creation is the zero")
	return j.Spec.Template.Spec.Containers[0].Args
}

func TestPrimerAndMeasuredRunShareNamesOnly(t *testing.T) {
	r, pt := runner(record.Solo)
	primer, err := r.jobRun(pt, true)
	require.NoError(t, err)
	measured, err := r.jobRun(pt, false)
	require.NoError(t, err)
	require.Len(t, measured.objects, 3, "extra, Service, Job")
	for i := range measured.objects {
		require.Equal(t, measured.objects[i].GetName(), primer.objects[i].GetName())
	}
	require.NotEqual(t, primer.owner.Trial, measured.owner.Trial, "the watch tells them apart")
	require.Subset(t, args(t, primer), []string{"--observer=prime", "--prime=leader", "--first-query-after=3s", "--dns-replicas=10.0.0.1:1053,10.0.0.2:1053", "--trial=t001-primer"})
	require.Subset(t, args(t, measured), []string{"--observer=solo", "--trial=t001", "--connect-timeouts=none,30s,5s,1s"})
	for _, a := range args(t, measured) {
		require.NotContains(t, a, "dns-replicas", "solo asks as the client did")
	}
}

func TestOnlyTheUncachedViewKnowsTheReplicas(t *testing.T) {
	for observer, want := range map[record.Observer]bool{record.Solo: false, record.Peers: false, record.PeersServer: true} {
		r, pt := runner(observer)
		l, err := r.jobRun(pt, false)
		require.NoError(t, err)
		has := false
		for _, a := range args(t, l) {
			has = has || a == "--dns-replicas=10.0.0.1:1053,10.0.0.2:1053"
		}
		require.Equal(t, want, has, string(observer))
	}
}

// Where caches stand in front of the servers that have the records, a primer
// fills both; the uncached view asks the latter only.
func TestCachesAreFilledAndPassedBy(t *testing.T) {
	r, pt := runner(record.PeersServer)
	resolver := r.Resolvers[plan.Cache30]
	resolver.Caches = []string{"10.0.0.7:1053"}
	r.Resolvers[plan.Cache30] = resolver
	primer, err := r.jobRun(pt, true)
	require.NoError(t, err)
	require.Contains(t, args(t, primer), "--dns-replicas=10.0.0.7:1053,10.0.0.1:1053,10.0.0.2:1053")
	measured, err := r.jobRun(pt, false)
	require.NoError(t, err)
	require.Contains(t, args(t, measured), "--dns-replicas=10.0.0.1:1053,10.0.0.2:1053")
}

func TestFactorsReachTheObjects(t *testing.T) {
	r, pt := runner(record.Solo)
	pt.Arm.Publish, pt.Arm.First, pt.Arm.Gap = true, plan.Duration(5*time.Second), plan.NoWait
	primer, err := r.jobRun(pt, true)
	require.NoError(t, err)
	measured, err := r.jobRun(pt, false)
	require.NoError(t, err)
	for _, l := range []jobRun{primer, measured} {
		require.True(t, l.objects[1].(*corev1.Service).Spec.PublishNotReadyAddresses)
	}
	require.Contains(t, args(t, measured), "--first-query-after=5s")
	require.Contains(t, args(t, primer), "--first-query-after=3s", "a primer keeps its own time")
	require.False(t, primer.anew)
	require.True(t, measured.anew)
	require.NotEqual(t, primer.objects[0].GetName(), measured.objects[0].GetName(), "the extra's name may still be held")
	require.Equal(t, primer.job, measured.job)

	pt.Arm.Names = plan.Fresh
	fresh, err := r.jobRun(pt, false)
	require.NoError(t, err)
	require.False(t, fresh.anew, "nobody held these names")
}
