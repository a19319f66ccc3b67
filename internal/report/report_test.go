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

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
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
	for name, most := range map[string]int{"default": 12000, "extras": 12000, "standard": 20000, "timeouts": 20000} {
		t.Run(name, func(t *testing.T) {
			r, err := Load(filepath.Join("..", "..", "records", name))
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", name+".txt"), terminal(t, r))
			if name == "standard" { // README shows it
				golden(t, filepath.Join("..", "..", "records", name, "trials.svg"), string(r.Pictures()[0].SVG))
			}
			form := string(r.Markdown())
			require.LessOrEqual(t, utf8.RuneCountInString(form), most)
			require.LessOrEqual(t, utf8.RuneCount(r.Comment()), 3000)
			require.NotContains(t, form, "](") // links nothing
			first, _, _ := strings.Cut(form, "### What did you expect")
			require.NotContains(t, first, "p =")
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
	r := New(p, json.RawMessage(`{"dns":{"provider":"CoreDNS","domain":"cluster.local","service":"kube-system/kube-dns"}}`))
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
