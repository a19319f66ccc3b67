package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// The benchmarks are tests that measure: `make bench` runs them on the lab and
// prints a line each, figure against target.

func onBench(t *testing.T) {
	t.Helper()
	if os.Getenv("LAB_BENCH") == "" {
		t.Skip("this measures for minutes; `make bench` runs it")
	}
	onLab(t)
}

// figure prints one measured figure beside its target.
func figure(t *testing.T, name, target, format string, a ...any) {
	fmt.Printf("BENCH %-58s %-28s target %s\n", name, fmt.Sprintf(format, a...), target)
}

func quantile(d []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// withLog runs f while the cluster's DNS caches and logs every question, and
// returns what it logged: by replica, in order.
func withLog(t *testing.T, f func(k kubernetes.Interface)) map[string][]dnsQuestion {
	t.Helper()
	ctx := context.Background()
	k := kube(t)
	maps := k.CoreV1().ConfigMaps("kube-system")
	cm, err := maps.Get(ctx, "coredns", metav1.GetOptions{})
	require.NoError(t, err)
	was := cm.Data["Corefile"]
	restart := func(corefile string) {
		cm, err := maps.Get(ctx, "coredns", metav1.GetOptions{})
		require.NoError(t, err)
		cm.Data["Corefile"] = corefile
		_, err = maps.Update(ctx, cm, metav1.UpdateOptions{})
		require.NoError(t, err)
		before, err := k.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
		require.NoError(t, err)
		for _, p := range before.Items {
			require.NoError(t, k.CoreV1().Pods("kube-system").Delete(ctx, p.Name, metav1.DeleteOptions{}))
		}
		require.Eventually(t, func() bool {
			now, err := k.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
			ready := 0
			for _, p := range now.Items {
				old := slices.ContainsFunc(before.Items, func(b corev1.Pod) bool { return b.UID == p.UID })
				for _, c := range p.Status.Conditions {
					if !old && c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
						ready++
					}
				}
			}
			return err == nil && ready == 2 && len(now.Items) == 2
		}, 2*time.Minute, time.Second)
		time.Sleep(2 * time.Second) // kube-proxy follows
	}
	defer restart(was)
	text := strings.Replace(was, "errors", "errors\n    log", 1)
	text = regexp.MustCompile(`(?s)cache 30 \{.*?\n\s*\}`).ReplaceAllString(text, "cache 30")
	restart(text)
	f(k)
	out := map[string][]dnsQuestion{}
	pods, err := k.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	require.NoError(t, err)
	for _, p := range pods.Items {
		s, err := k.CoreV1().Pods("kube-system").GetLogs(p.Name, &corev1.PodLogOptions{Timestamps: true}).Stream(ctx)
		require.NoError(t, err)
		questions, err := readQuestions(s)
		s.Close()
		require.NoError(t, err)
		out[p.Name] = questions
	}
	return out
}

// TestBenchCaches checks by the servers' own counters that the uncached view
// is never served from a cache and evicts nothing. The observation ends before
// a cached denial does, so that the expected hits follow from the log alone.
func TestBenchCaches(t *testing.T) {
	onBench(t)
	var hits, misses, evictions float64
	var o outcome
	logs := withLog(t, func(k kubernetes.Interface) {
		o = repro(t, "--dns", "cluster", "--names", "fresh", "--extra", "none", "--observer", "peers+server", "--pods", "8", "--blocks", "2", "--deadline", "20s")
		pods, err := k.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
		require.NoError(t, err)
		for _, p := range pods.Items {
			b, err := k.CoreV1().Pods("kube-system").ProxyGet("http", p.Name, "9153", "/metrics", nil).DoRaw(t.Context())
			require.NoError(t, err)
			hits += sum(string(b), "coredns_cache_hits_total")
			misses += sum(string(b), "coredns_cache_misses_total")
			evictions += sum(string(b), "coredns_cache_evictions_total")
		}
	})
	require.Equal(t, 0, o.code)
	// What a cache of 30 s would serve of the address questions: all but the
	// first of each name. Of the uncached view: nothing.
	expected, uncached := 0, 0
	for _, lines := range logs {
		slices.SortStableFunc(lines, func(a, b dnsQuestion) int { return a.At.Compare(b.At) })
		missed := map[string]time.Time{}
		for _, l := range lines {
			if strings.HasPrefix(l.Type, "TYPE") {
				uncached++
				continue
			}
			k := l.Type + " " + l.Name
			if at, ok := missed[k]; ok && l.At.Sub(at) < 30*time.Second {
				expected++
				continue
			}
			missed[k] = l.At
		}
	}
	// Questions that arrive while the first one is being answered miss as
	// well, so the servers may count fewer hits than the log suggests. More
	// would be hits of the uncached view.
	figure(t, "cache hits beyond those of address questions", "0", "%d (%.0f hits, %d expected, %d uncached looks)", max(0, int(hits)-expected), hits, expected, uncached)
	figure(t, "cache evictions", "0", "%.0f", evictions)
	figure(t, "cache misses not smaller than uncached looks", "yes", "%.0f >= %d", misses, uncached)
	require.Positive(t, uncached)
	require.LessOrEqual(t, int(hits), expected)
	require.GreaterOrEqual(t, int(misses), uncached)
	require.Zero(t, evictions)
}

// sum adds up a counter over its labels.
func sum(metrics, name string) (total float64) {
	for _, line := range strings.Split(metrics, "\n") {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			f := strings.Fields(line)
			v, err := strconv.ParseFloat(f[len(f)-1], 64)
			if err == nil {
				total += v
			}
		}
	}
	return total
}

// TestBenchPerturbation compares the client's view with and without the
// uncached view beside it, block by block.
func TestBenchPerturbation(t *testing.T) {
	onBench(t)
	for _, tc := range []struct{ dns, blocks string }{{"uncached", "20"}, {"cache-30", "6"}} {
		t.Run(tc.dns, func(t *testing.T) {
			o := repro(t, "--dns", tc.dns, "--names", "fresh", "--extra", "none", "--observer", "peers,peers+server", "--pods", "8", "--blocks", tc.blocks)
			require.Equal(t, 0, o.code)
			with, without := map[int]float64{}, map[int]float64{}
			var interval time.Duration
			var costs, firsts []time.Duration
			for _, tr := range trialsOf(t, o.dir) {
				v := judge.Judge(&tr)
				into := without
				if tr.Plan.Arm.Observer == record.PeersServer {
					into = with
				}
				into[tr.Plan.Block] = v.Resolved.Lag.Value.Seconds()
				cost, first, iv := cost(tr)
				costs, interval = append(costs, cost), iv
				firsts = append(firsts, first...)
			}
			var diffs []float64
			for b := range with {
				diffs = append(diffs, with[b]-without[b])
			}
			shift, err := stats.Paired(diffs, 0.95)
			require.NoError(t, err)
			verdict, err := stats.Decide(shift.P, shift.Interval, interval.Seconds(), false)
			require.NoError(t, err)
			figure(t, tc.dns+": client's view with minus without uncached view", "equivalent within "+interval.String(), "%+.3f s [%+.3f, %+.3f], p %.2f, %d blocks: %s", shift.Estimate, shift.Interval.Lo, shift.Interval.Hi, shift.P, shift.N, verdict)
			figure(t, tc.dns+": a trial's cost beyond what it measures, median", "<= 2s", "%s (max %s)", quantile(costs, 0.5).Round(time.Millisecond), slices.Max(costs).Round(time.Millisecond))
			figure(t, tc.dns+": first question after process start, median", "<= 20ms", "%s (max %s)", quantile(firsts, 0.5).Round(10*time.Microsecond), slices.Max(firsts).Round(10*time.Microsecond))
			// What pods take to start differs by more than an interval from trial to
			// trial, so that few blocks may leave it open; they must not contradict.
			require.NotEqual(t, stats.Differs, verdict)
			require.LessOrEqual(t, quantile(costs, 0.5), 2*time.Second)
			require.LessOrEqual(t, quantile(firsts, 0.5), 20*time.Millisecond)
		})
	}
}

// cost is what a trial took beyond the time from its Job's creation to its
// probes' last event, and its pods' times to the first question.
func cost(tr results.Trial) (cost time.Duration, first []time.Duration, interval time.Duration) {
	var last time.Time
	for _, p := range tr.Run.Pods {
		start := p.Lines[0].Start
		interval = time.Duration(start.Interval)
		asked := int64(-1)
		for _, l := range p.Lines {
			if l.Answer != nil && (asked < 0 || l.Answer.Asked < asked) {
				asked = l.Answer.Asked
			}
			if at := time.Unix(0, start.Wall+l.T); l.Done != nil && at.After(last) {
				last = at
			}
		}
		first = append(first, time.Duration(asked))
	}
	return time.Duration(tr.Took) - last.Sub(tr.Run.Zero), first, interval
}

// TestBenchProbe measures the probe's size, alone and with 16 peers.
func TestBenchProbe(t *testing.T) {
	onBench(t)
	st, err := os.Stat(filepath.Join(root(t), "bin", "probe.tar"))
	require.NoError(t, err)
	figure(t, "probe image", "< 10 MB", "%.1f MB", float64(st.Size())/1e6)
	require.Less(t, st.Size(), int64(10e6))
	o := repro(t, "--dns", "cluster", "--names", "fresh", "--extra", "none", "--observer", "peers+server", "--pods", "16")
	require.Equal(t, 0, o.code)
	var rss int64
	for _, tr := range trialsOf(t, o.dir) {
		for _, p := range tr.Run.Pods {
			for _, l := range p.Lines {
				if l.Done != nil {
					rss = max(rss, l.Done.RSS)
				}
			}
		}
	}
	figure(t, "probe resident with 16 peers, peak of all pods", "< 20 MB", "%.1f MB", float64(rss)/1e6)
	require.Less(t, rss, int64(20e6))
}

// TestBenchPlans times the named plans on a warm cluster.
func TestBenchPlans(t *testing.T) {
	onBench(t)
	for _, tc := range []struct {
		plan   string
		target time.Duration
	}{{"quick", 3 * time.Minute}, {"cluster", 12 * time.Minute}} {
		began := time.Now()
		o := repro(t, "--plan", tc.plan)
		took := time.Since(began)
		require.Equal(t, 0, o.code)
		figure(t, "plan "+tc.plan, "< "+tc.target.String(), "%s", took.Round(time.Second))
		require.Less(t, took, tc.target)
	}
}
