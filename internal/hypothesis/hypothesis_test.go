package hypothesis

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

type scenario struct {
	id   string
	name string
	want Status
	make func(*world)
}

// compare makes blocks in which the arms took so long.
func compare(blocks int, a, b plan.Arm, of func(block int) (inA, inB time.Duration)) func(*world) {
	return func(w *world) {
		for k := 1; k <= blocks; k++ {
			x, y := of(k)
			for _, t := range []struct {
				a plan.Arm
				d time.Duration
			}{{a, x}, {b, y}} {
				p := prompt
				p.wait, p.parts, p.timeout = t.d, nil, 5*s
				w.add(k, t.a, p)
			}
		}
	}
}

// spread is a little different in each block, as measurements are.
func spread(block int) time.Duration { return time.Duration(block) * 3 * ms }

func declared(w *world, a plan.Arm, shift, lo, hi float64, v stats.Verdict) {
	c := a
	c.Extra = plan.ExtraNone
	w.findings = append(w.findings, analysis.Finding{
		Contrast: plan.Contrast{Control: c, With: a}, Blocks: 10, Adjusted: 0.002, Verdict: v,
		Stats: &stats.Contrast{Blocks: 10, Shift: &stats.Shift{Estimate: shift, Interval: stats.Interval{Lo: lo, Hi: hi, Level: 0.95}}},
	})
}

var member = with(reused131, plan.ExtraMemberPod)

func cloud(w *world) {
	w.env.DNS.Evidence = []string{"a pod's nameserver is 169.254.169.254, Cloud DNS for GKE"}
	w.add(1, solo(plan.ClusterDNS, plan.Reused, plan.ExtraNone), prompt)
}

func onCluster(e plan.Extra) plan.Arm {
	return solo(plan.ClusterDNS, plan.Reused, e)
}

// firsts makes, for each private DNS, a first trial and two later ones.
func firsts(dns []plan.DNS, first func(i int) pair) func(*world) {
	return func(w *world) {
		for i, d := range dns {
			a := solo(d, plan.Fresh, plan.ExtraNone)
			w.add(1, a, first(i))
			w.add(2, a, prompt)
			w.add(3, a, prompt)
		}
	}
}

var six = []plan.DNS{plan.Cache30, plan.Uncached, plan.NoDenialCache, plan.NoSuccessCache, plan.NodeLocalUncached, plan.KubeDNS}

var scenarios = []scenario{
	{"H1", "a stale address held the waits; fresh names and 1.32 are prompt", Supported, func(w *world) {
		remaining(w.add(1, reused131, dialled(133500*ms, 1), dialled(30600*ms, 1)), 22.4)
		remaining(w.add(1, reused132, prompt, prompt), 25)
		w.add(1, fresh131, prompt, prompt)
	}},
	{"H1", "it had not joined when the trial ended", Supported, func(w *world) {
		p := dialled(39820*ms, 1)
		p.censored = true
		remaining(w.add(1, reused131, p), 22.4)
	}},
	{"H1", "stale although the check saw no addresses kept", Supported, func(w *world) {
		remaining(w.add(1, reused132, dialled(20*s, 1)), 22.4)
	}},
	{"H1", "alive in a DNS that keeps addresses, and never answered", Refuted, func(w *world) {
		remaining(w.add(1, reused131, prompt, denied(30*s, 90)), 20)
	}},
	{"H1", "this DNS keeps no addresses", Refuted, func(w *world) { remaining(w.add(1, reused132, prompt), 20) }},
	{"H1", "another trial's address is not the previous run's", Refuted, func(w *world) {
		p := dialled(30*s, 0)
		p.earlier = 3
		remaining(w.add(1, reused131, p), 20)
	}},
	{"H1", "answered, and held less than half of the wait", Refuted, func(w *world) {
		p := pair{wait: 20 * s, primer: 2, parts: map[judge.Stage]time.Duration{judge.StageStale: 9900 * ms, judge.StageSlice: 10 * s}}
		remaining(w.add(1, reused131, p), 20)
	}},
	{"H1", "refuted with one DNS, and not tried with the other", NotTestable, func(w *world) {
		remaining(w.add(1, reused132, prompt), 20)
		w.add(1, fresh131, prompt)
	}},
	{"H1", "no trial with reused names", NotTestable, func(w *world) { w.add(1, fresh131, prompt) }},
	{"H1", "the only one is invalid", NotTestable, func(w *world) {
		v := w.add(1, reused131, dialled(30*s, 1))
		v.Status = results.Invalid
	}},
	{"H1", "every record had expired", NotTestable, func(w *world) { remaining(w.add(1, reused131, prompt), -5) }},
	{"H1", "answered after it had expired", NotTestable, func(w *world) { remaining(w.add(1, reused131, dialled(30*s, 1)), -5) }},
	{"H1", "where the time went is not known", NotTestable, func(w *world) {
		p := dialled(30*s, 1)
		p.unsplit = true
		remaining(w.add(1, reused131, p), 20)
	}},
	{"H1", "where the time went is not known, of a pair that was never given an old address", Refuted, func(w *world) {
		p := denied(30*s, 100)
		p.unsplit = true
		remaining(w.add(1, reused131, p), 20)
	}},
	{"H1", "whether the DNS keeps addresses is not known", NotTestable, func(w *world) {
		w.env.Caching = nil
		remaining(w.add(1, reused131, prompt), 20)
	}},
	{"H1", "what was left is not known", NotTestable, func(w *world) { w.add(1, reused131, prompt) }},
	{"H1", "handed over without DNS", NotTestable, func(w *world) {
		a := reused131
		a.Connect = plan.ByAddress
		remaining(w.add(1, a, prompt), 20)
	}},

	{"H2", "Cloud DNS: it helps, and an unrelated Service does not", Supported, func(w *world) {
		cloud(w)
		declared(w, onCluster(plan.ExtraMemberPod), -24, -29, -12, stats.Differs)
		declared(w, onCluster(plan.ExtraService), 0.01, -0.1, 0.2, stats.Equivalent)
	}},
	{"H2", "Cloud DNS: no difference", Refuted, func(w *world) {
		cloud(w)
		declared(w, onCluster(plan.ExtraMemberPod), 0.01, -0.1, 0.2, stats.Equivalent)
	}},
	{"H2", "Cloud DNS: anything helps", Refuted, func(w *world) {
		cloud(w)
		declared(w, onCluster(plan.ExtraMemberPod), -24, -29, -12, stats.Differs)
		declared(w, onCluster(plan.ExtraService), -23, -28, -12, stats.Differs)
	}},
	{"H2", "Cloud DNS: open", NotTestable, func(w *world) {
		cloud(w)
		declared(w, onCluster(plan.ExtraMemberPod), -3, -20, 12, stats.Inconclusive)
	}},
	{"H2", "CoreDNS: no difference", NotTestable, compare(8, reused131, member, func(b int) (time.Duration, time.Duration) {
		return 20*s + spread(b), 20*s + spread(9-b)
	})},
	{"H2", "CoreDNS: two blocks", NotTestable, compare(2, reused131, member, func(b int) (time.Duration, time.Duration) { return 20 * s, 25 * s })},
	{"H2", "CoreDNS: it helps", NotTestable, func(w *world) { declared(w, member, -4, -6, -2, stats.Differs) }},
	{"H2", "no such pod", NotTestable, func(w *world) { w.add(1, reused131, prompt) }},

	{"H3", "30 s later, the record gone", Supported, func(w *world) {
		for b := 1; b <= 7; b++ {
			v := w.add(b, reused131, dialled(20*s, 1))
			gap(v, 2*s+spread(b))
			remaining(v, 22)
			v = w.add(b, member, prompt)
			gap(v, 32*s+spread(b*b))
			remaining(v, -8)
		}
	}},
	{"H3", "equally late", Refuted, func(w *world) {
		for b := 1; b <= 8; b++ {
			v := w.add(b, reused131, dialled(20*s, 1))
			gap(v, 2*s+spread(b))
			v = w.add(b, member, dialled(20*s, 1))
			gap(v, 2*s+spread(9-b))
		}
	}},
	{"H3", "one block, alive", Refuted, func(w *world) {
		v := w.add(1, reused131, dialled(20*s, 1))
		gap(v, 2*s)
		remaining(v, 22)
		v = w.add(1, member, dialled(20*s, 1))
		gap(v, 2100*ms)
		remaining(v, 21.9)
	}},
	{"H3", "one block, nobody knows", NotTestable, func(w *world) {
		gap(w.add(1, reused131, prompt), 2*s)
		gap(w.add(1, member, prompt), 2*s)
	}},
	{"H3", "no extra object", NotTestable, func(w *world) { gap(w.add(1, reused131, prompt), 2*s) }},

	{"H4", "denials held the waits, the servers were prompt", Supported, func(w *world) {
		peers := fresh131
		peers.Observer = record.PeersServer
		v := w.add(1, peers, denied(29950*ms, 598), denied(29900*ms, 590))
		v.OnServer.Lag = at(110*ms, false)
		w.add(1, fresh131, prompt, prompt)
		w.add(1, fresh132, prompt)
	}},
	{"H4", "a denial of which it cannot be told, in a DNS that keeps them", Supported, func(w *world) {
		p := waited(1900*ms, judge.StageDenied)
		p.denied = 3
		w.add(1, fresh131, p)
	}},
	{"H4", "this DNS keeps none", Refuted, func(w *world) {
		p := prompt
		p.denied = 1
		w.add(1, fresh132, p)
	}},
	{"H4", "the servers' own denials", Refuted, func(w *world) {
		p := waited(5*s, judge.StageDenied)
		p.denied = 30
		w.add(1, fresh132, p)
	}},
	{"H4", "denied, but something else held the wait", Refuted, func(w *world) {
		p := waited(5*s, judge.StageSlice)
		p.denied, p.proven = 20, 15
		w.add(1, fresh131, p)
	}},
	{"H4", "nobody was denied", NotTestable, func(w *world) { w.add(1, fresh131, prompt) }},
	{"H4", "the servers were late themselves", NotTestable, func(w *world) {
		peers := fresh131
		peers.Observer = record.PeersServer
		v := w.add(1, peers, waited(20*s, judge.StageServer))
		v.OnServer.Lag = at(20*s, false)
		w.add(1, fresh131, denied(29*s, 200))
	}},
	{"H4", "where the time went is not known", NotTestable, func(w *world) {
		p := denied(30*s, 100)
		p.unsplit = true
		w.add(1, fresh131, p)
	}},
	{"H4", "whether denials are kept is not known", NotTestable, func(w *world) {
		w.env.Caching = nil
		p := waited(30*s, judge.StageDenied)
		p.denied = 1
		w.add(1, fresh131, p)
	}},

	{"H5", "a worker was told both", Supported, func(w *world) {
		p := dialled(27*s, 9)
		p.denied, p.proven = 80, 78
		w.add(1, reused131, p)
	}},
	{"H5", "asked one by one, one held an address and one a denial", Supported, func(w *world) {
		v := w.add(1, reused131, dialled(27*s, 9))
		remaining(v, 20)
		v.Left = append(v.Left, judge.Left{Server: "10.244.0.21:53", View: record.Direct, Class: record.NXDomain, Shortest: 20, Longest: 20})
	}},
	{"H5", "asked one by one, each held both, for different names", Refuted, func(w *world) {
		v := w.add(1, reused131, dialled(27*s, 9))
		for _, server := range []string{"10.244.0.20:53", "10.244.0.21:53"} {
			for _, class := range []record.Class{record.Address, record.NXDomain} {
				v.Left = append(v.Left, judge.Left{Server: server, View: record.Direct, Class: class, Shortest: 20, Longest: 20})
			}
		}
	}},
	{"H5", "a replica had the name 20 s after the other", Supported, func(w *world) {
		p := waited(20*s, judge.StageServer)
		p.servers = replicasAt(at(200*ms, false), at(20*s, false))
		w.add(1, fresh131, p)
	}},
	{"H5", "a replica never had the name", Supported, func(w *world) {
		p := waited(40*s, judge.StageServer)
		p.censored, p.servers = true, replicasAt(at(200*ms, false), at(40*s, true))
		w.add(1, fresh131, p)
	}},
	{"H5", "all of one mind", Refuted, func(w *world) {
		p := denied(30*s, 500)
		p.servers = replicasAt(at(200*ms, false), at(250*ms, false))
		w.add(1, fresh131, p)
	}},
	{"H5", "one replica", Refuted, func(w *world) {
		w.env.Caching[plan.Cache30] = environment.CachingFacts{Positive: true, Negative: true, Servers: []environment.ServerCaching{{Server: "10.244.0.20:53"}}}
		w.add(1, fresh131, denied(30*s, 500))
	}},
	{"H5", "both, but the deletion was not waited for", Refuted, func(w *world) {
		a := reused131
		a.Gap = plan.NoWait
		p := dialled(27*s, 9)
		p.denied = 80
		w.add(1, a, p)
	}},
	{"H5", "of one mind with one DNS, nothing to explain with the other", Refuted, func(w *world) {
		w.add(1, fresh131, denied(30*s, 500))
		w.add(1, fresh132, prompt)
	}},
	{"H5", "no delay", NotTestable, func(w *world) { w.add(1, fresh131, prompt) }},
	{"H5", "replicas unknown", NotTestable, func(w *world) {
		w.env.Caching = nil
		w.add(1, fresh131, denied(30*s, 500))
	}},

	{"H6", "3 s to the slice", Supported, func(w *world) {
		entered(w.add(1, reused132, waited(3*s, judge.StageSlice)), 2950*ms)
		w.add(1, fresh132, prompt)
	}},
	{"H6", "never longer", Refuted, func(w *world) {
		w.add(1, reused132, prompt)
	}},
	{"H6", "fresh names take as long", NotTestable, func(w *world) {
		entered(w.add(1, reused132, waited(3*s, judge.StageSlice)), 2950*ms)
		entered(w.add(1, fresh132, waited(3*s, judge.StageSlice)), 2950*ms)
	}},
	{"H6", "no events", NotTestable, func(w *world) { w.add(1, reused132, prompt).Moments = nil }},
	{"H6", "published before Ready", NotTestable, func(w *world) {
		a := reused132
		a.Publish = true
		w.add(1, a, prompt)
	}},

	{"H7", "Ready 10 s after the process", Supported, func(w *world) {
		reported(w.add(1, fresh132, waited(10*s, judge.StageReady)), 10*s)
	}},
	{"H7", "Ready in time", Refuted, func(w *world) {
		w.add(1, fresh131, denied(30*s, 100))
		w.add(1, member, prompt)
	}},
	{"H7", "late once, when something else held the wait", Refuted, func(w *world) {
		p := pair{wait: 10 * s, parts: map[judge.Stage]time.Duration{judge.StageReady: 3 * s, judge.StageSlice: 7 * s}}
		reported(w.add(1, fresh132, p), 3*s)
	}},
	{"H7", "not seen", NotTestable, func(w *world) { w.add(1, fresh132, prompt).Moments = nil }},
	{"H7", "late, and not known what it cost", NotTestable, func(w *world) {
		reported(w.add(1, fresh132, pair{wait: 10 * s, unsplit: true}), 10*s)
	}},

	{"H8", "a connect to the right address timed out", Supported, func(w *world) {
		p := waited(5200*ms, judge.StageConnect)
		p.silent = 1
		w.add(1, fresh132, p)
	}},
	{"H8", "a SYN was lost", Supported, func(w *world) { w.add(1, fresh132, waited(1040*ms, judge.StageConnect)) }},
	{"H8", "only dead addresses were silent", Refuted, func(w *world) {
		remaining(w.add(1, reused131, dialled(30*s, 57)), 20)
		a := fresh131
		a.Connect = plan.ByAddress
		w.add(1, a, prompt)
	}},
	{"H8", "nobody got as far", NotTestable, func(w *world) {
		p := denied(40*s, 300)
		p.censored = true
		w.add(1, fresh131, p)
	}},

	{"H9", "later trials are faster", Supported, compareSame(12, func(b int) time.Duration { return 900*ms - time.Duration(b)*60*ms })},
	{"H9", "all alike", Refuted, compareSame(12, func(b int) time.Duration { return 50*ms + spread(b*5%12) })},
	{"H9", "seven trials", NotTestable, compareSame(7, func(b int) time.Duration { return 50*ms + spread(b) })},
	{"H9", "0 or 30 s", NotTestable, compareSame(12, func(b int) time.Duration { return 50*ms + time.Duration(b%2)*30*s + spread(b) })},
	{"H9", "censored", NotTestable, func(w *world) {
		for b := 1; b <= 8; b++ {
			w.add(b, fresh131, pair{wait: 39 * s, timeout: 5 * s, censored: b%2 == 0})
		}
	}},
	{"H9", "no control", NotTestable, func(w *world) { w.add(1, member, prompt) }},

	{"H10", "the Job first costs a cached denial", Supported, compare(8, fresh131, jobFirst(fresh131), func(b int) (time.Duration, time.Duration) {
		return 50*ms + spread(b), 30*s + spread(9-b)
	})},
	{"H10", "the Service came 3 s after the pods", Supported, func(w *world) {
		w.add(1, jobFirst(fresh132), waited(3*s, judge.StageService))
	}},
	{"H10", "no difference", Refuted, compare(8, fresh132, jobFirst(fresh132), func(b int) (time.Duration, time.Duration) {
		return 50*ms + spread(b), 60*ms + spread(9-b)
	})},
	{"H10", "two blocks", NotTestable, compare(2, fresh132, jobFirst(fresh132), func(b int) (time.Duration, time.Duration) { return 50 * ms, 30 * s })},
	{"H10", "never tried, though there were delays", NotTestable, func(w *world) { w.add(1, fresh131, denied(30*s, 100)) }},

	{"H11", "each first use was slow", Supported, firsts(six, func(i int) pair { return denied(20*s+spread(i), 100) })},
	{"H11", "no first use was slow", Refuted, firsts(six, func(i int) pair {
		p := prompt
		p.wait += spread(i)
		return p
	})},
	{"H11", "two first uses", NotTestable, firsts(six[:2], func(int) pair { return denied(20*s, 100) })},
	{"H11", "one was cut", NotTestable, firsts(six, func(i int) pair {
		p := denied(39*s, 100)
		p.censored = i == 0
		return p
	})},
	{"H11", "the previous run asked first", NotTestable, func(w *world) {
		w.add(1, reused131, prompt)
		w.add(2, reused131, prompt)
	}},
}

func jobFirst(a plan.Arm) plan.Arm { a.Order = plan.JobFirst; return a }

func compareSame(blocks int, of func(block int) time.Duration) func(*world) {
	return func(w *world) {
		for b := 1; b <= blocks; b++ {
			p := prompt
			p.wait, p.parts, p.timeout = of(b), nil, 5*s
			w.add(b, fresh132, p)
		}
	}
}

func replicasAt(outcomes ...judge.Measurement) []judge.Replica {
	var out []judge.Replica
	for i, o := range outcomes {
		out = append(out, judge.Replica{Server: fmt.Sprintf("10.244.0.2%d:53", i), Seen: judge.Timing{Lag: o, Since: o}})
	}
	return out
}

func TestScenarios(t *testing.T) {
	var b strings.Builder
	kinds := map[string]map[Status]bool{}
	for _, sc := range scenarios {
		w := newWorld()
		sc.make(w)
		d := w.decide()[sc.id]
		require.Equal(t, sc.want, d.Status, "%s, %s: %s (%s)", sc.id, sc.name, d.Seen, d.Why)
		fmt.Fprintf(&b, "%s, %s: %s\n  seen: %s\n  why: %s\n", sc.id, sc.name, d.Status, d.Seen, d.Why)
		if d.Status == NotTestable {
			require.NotEmpty(t, d.Why, "%s, %s", sc.id, sc.name)
		}
		if kinds[sc.id] == nil {
			kinds[sc.id] = map[Status]bool{}
		}
		kinds[sc.id][d.Status] = true
	}
	golden(t, "scenarios.golden", b.String())
	for _, r := range rules {
		require.Len(t, kinds[r.id], 3, "%s has a scenario of each kind", r.id)
	}
}
