package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func terminal(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.Terminal(&b, "report.md"))
	require.LessOrEqual(t, strings.Count(b.String(), "\n"), 20)
	return b.String()
}

// TestRecords: what the recorded runs show, and that it is short.
func TestRecords(t *testing.T) {
	for name, most := range map[string]int{
		"tour": 12000, "default": 12000, "extras": 12000, "seed": 15000, "standard": 20000, "timeouts": 20000,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Load(filepath.Join("..", "..", "records", name))
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", name+".txt"), terminal(t, r))
			form := string(r.Markdown())
			require.LessOrEqual(t, utf8.RuneCountInString(form), most)
			require.LessOrEqual(t, utf8.RuneCount(r.Comment()), 3000)
			require.NotContains(t, form, "](") // links nothing
			first, _, _ := strings.Cut(form, "### What did you expect")
			require.NotContains(t, first, "p =")
			require.LessOrEqual(t, len(strings.Fields(first)), 350)
			var s Summary
			var b bytes.Buffer
			require.NoError(t, r.WriteSummary(&b))
			require.NoError(t, json.Unmarshal(b.Bytes(), &s))
			require.Equal(t, len(r.plan.Trials), len(s.Trials))
		})
	}
}

// cluster is a run on the cluster's own DNS with two controls, as the default
// plan has them.
func cluster(trials ...*results.Trial) *Report {
	p := plan.Plan{Name: "default", Run: "r1", Settings: plan.Settings{Pods: 3}}
	for i, t := range trials {
		t.Plan.Seq = i + 1
		p.Trials = append(p.Trials, t.Plan)
		p.Arms = append(p.Arms, t.Plan.Arm)
	}
	r := New(p, json.RawMessage(`{"dns":{"provider":"CoreDNS","domain":"cluster.local",
		"service":"kube-system/kube-dns","config_maps":["kube-system/coredns"]}}`))
	for _, t := range trials {
		r.Add(t)
	}
	return r
}

// as is a world under a DNS.
func as(w synth.World, dns plan.DNS) *results.Trial {
	t := w.Trial().End()
	t.Plan.Arm.DNS = dns
	return t
}

func TestClusterIsSubject(t *testing.T) {
	affected := cluster(
		as(synth.Denied("t001", record.PeersServer, 3), plan.ClusterDNS),
		as(synth.Stale("t002", plan.Cache30, 5*time.Second, time.Second), plan.ClusterDNS),
		as(synth.Denied("t003", record.PeersServer, 3), plan.Cache30),
		as(synth.Prompt("t004", record.PeersServer, 3), plan.Uncached),
	)
	golden(t, filepath.Join("testdata", "affected.txt"), terminal(t, affected))
	well := cluster(
		as(synth.Prompt("t001", record.PeersServer, 3), plan.ClusterDNS),
		as(synth.Denied("t002", record.PeersServer, 3), plan.Cache30),
		as(synth.Prompt("t003", record.PeersServer, 3), plan.Uncached),
	)
	golden(t, filepath.Join("testdata", "well.txt"), terminal(t, well))
	golden(t, filepath.Join("testdata", "nothing.txt"), terminal(t, cluster()))
	for _, r := range []*Report{affected, well, cluster()} {
		for _, text := range []string{string(r.Markdown()), string(r.Comment())} {
			require.Equal(t, r == affected, strings.Contains(text, "**Change:**"), text)
			require.Equal(t, r == affected && strings.HasPrefix(text, "###"), strings.Contains(text, "**The ask:**"), text)
		}
	}
}

// TestAdvice: the lines for the block that serves the domain found, and the
// ConfigMap found; nothing is assumed of a DNS that was not recognised.
func TestAdvice(t *testing.T) {
	lines := func(domain string) string {
		const text = "\nin the cache of the block that serves D:\n  disable success D\n  disable denial D"
		return strings.ReplaceAll(text, "D", domain)
	}
	for name, c := range map[string]struct {
		dns   string
		cause analysis.Cause
		want  string
	}{
		"kubeadm": {
			`{"provider":"CoreDNS","domain":"cluster.local","config_maps":["kube-system/coredns"]}`, analysis.KeptDenial,
			"kubectl -n kube-system edit configmap coredns" + lines("cluster.local"),
		},
		"OpenShift, another domain": {
			`{"provider":"CoreDNS","domain":"k8s.example","config_maps":["openshift-dns/dns-default"]}`, analysis.KeptAddress,
			"kubectl -n openshift-dns edit configmap dns-default" + lines("k8s.example"),
		},
		"a cache on the node": {
			`{"provider":"CoreDNS","node_local":true,"domain":"cluster.local",
			  "config_maps":["kube-system/node-local-dns","kube-system/coredns"]}`, analysis.KeptDenial,
			"kubectl -n kube-system edit configmap node-local-dns coredns" + lines("cluster.local"),
		},
		"nothing may be read": {
			`{"provider":"CoreDNS","domain":"cluster.local"}`, analysis.OldAddress,
			"the ConfigMap that the pods behind the DNS' Service mount," + lines("cluster.local"),
		},
		"another DNS": {
			`{"provider":"kube-dns"}`, analysis.KeptAddress,
			"not known to be a setting of this DNS; clients: connect timeouts of 1 s, names never used before",
		},
		"not withdrawn": {
			`{"provider":"CoreDNS","config_maps":["kube-system/coredns"]}`, analysis.OldRecord,
			"one pod that stays behind the headless Service, as manifests/kinds/extras/member-pod.yaml;\n" +
				"names never used before (another Job name); a connect timeout of 1 s in the client",
		},
		"questions lost": {
			`{"service":"net/resolver"}`, analysis.Lost,
			"kubectl -n net logs -l k8s-app=kube-dns --prefix   # and its load, replicas and network policies",
		},
	} {
		r := New(plan.Plan{}, json.RawMessage(`{"dns":`+c.dns+`}`))
		causes := []analysis.CauseCount{{Cause: c.cause, Trials: 1}}
		why, change := r.advice(analysis.Verdict{Subject: plan.ClusterDNS, Causes: causes})
		require.Equal(t, whyOf[c.cause], why, name)
		require.Equal(t, c.want, strings.Join(change, "\n"), name)
	}
}

// TestCell: no number stands for two kinds of trials.
func TestCell(t *testing.T) {
	group := func(late bool, trials int, at float64) analysis.Group {
		time := stats.Time{At: at, Censored: at == 40}
		return analysis.Group{Late: late, Trials: trials, Median: time, Least: time, Most: time}
	}
	cellOf := func(trials, late int, groups ...analysis.Group) analysis.Cell {
		return analysis.Cell{Trials: trials, Late: late, Groups: groups}
	}
	wide := group(true, 10, 5)
	wide.Least, wide.Most = stats.Time{At: 3}, stats.Time{At: 5.1}
	unknown := cellOf(3, 1, group(true, 1, 29.9), group(false, 1, 0.2))
	unknown.Unknown = 1
	for want, c := range map[string]analysis.Cell{
		"0.2 s 0/3 late":                         cellOf(3, 0, group(false, 3, 0.2)),
		"29.9 s 3/3 late":                        cellOf(3, 3, group(true, 3, 29.9)),
		"29.9 s 7/10 late, else 0.2 s":           cellOf(10, 7, group(true, 7, 29.9), group(false, 3, 0.2)),
		">40.0 s 2/3, 134.3 s 1/3 late":          cellOf(3, 3, group(true, 2, 40), group(true, 1, 134.3)),
		"3.0-5.1 s 10/10 late":                   cellOf(10, 10, wide),
		"29.9 s 1/3 late, else 0.2 s, 1 unknown": unknown,
		"invalid":                                {Invalid: 2},
	} {
		require.Equal(t, want, cell(&c))
	}
	require.Equal(t, "-", cell(nil))
}

func TestLine(t *testing.T) {
	v := judge.Judge(as(synth.Denied("t003", record.PeersServer, 3), plan.ClusterDNS))
	require.Regexp(t, `^t003 cluster, new names, all: \d+\.\d s, late: kept denial$`, Line(v))
	v = judge.Judge(as(synth.Prompt("t004", record.Solo, 3), plan.ClusterDNS))
	require.Regexp(t, `^t004 cluster, new names, pod 0: 0\.\d+ s$`, Line(v))
}

// TestHostile: nothing of a pod's or a cluster's leaves its place.
func TestHostile(t *testing.T) {
	evil := "a|b`c\x1b[31m\u202e @everyone\n/close <script>"
	for _, got := range []string{plain(evil), code(evil)} {
		require.NotContains(t, got, "\x1b")
		require.NotContains(t, got, "\u202e")
		require.NotContains(t, got, "\n")
	}
	require.NotContains(t, code(evil), "|")
	require.NotContains(t, "\n"+fenced("````\n/close"), "\n/close")
	require.True(t, strings.HasPrefix(fenced("````"), "`````\n"))
}
