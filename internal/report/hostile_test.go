package report

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// trouble has of each kind of hostile text one.
const trouble = "x`|@octocat #1 GH-2 </details>\n```\n# out\n/close\n<img src=x> [a](http://example.org) www.example.org &commat; \x1b]0;t\x07\u202e"

// walk calls f for every string below a decoded JSON value with its path, in
// which * stands for the index in a list, and puts what f returns in its place.
func walk(v any, path string, f func(path, s string) string) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			v[k] = walk(v[k], path+"."+k, f)
		}
	case []any:
		for i := range v {
			v[i] = walk(v[i], path+".*", f)
		}
	case string:
		return f(path, v)
	}
	return v
}

// changed is a trial with its strings as f returns them; ok is false where it
// is none any more.
func changed(t *testing.T, trial *results.Trial, f func(path, s string) string) (out results.Trial, ok bool) {
	t.Helper()
	b, err := json.Marshal(trial)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	b, err = json.Marshal(walk(v, "", f))
	require.NoError(t, err)
	return out, json.Unmarshal(b, &out) == nil
}

// Whatever stands in any text of the records, alone or at the end of what was
// there, the report keeps its structure, and nothing steers a terminal. One
// field at a time: two lies might hide each other.
func TestNoRecordBreaksOut(t *testing.T) {
	p, err := plan.Build(plan.Options{Name: "default", Run: "abc123", Seed: 7, Blocks: 1, Settings: plan.Defaults(),
		DNS: []plan.DNS{plan.Cache30}, Extras: []plan.Extra{plan.ExtraNone}})
	require.NoError(t, err)
	var trials []*results.Trial
	paths := map[string]bool{}
	for _, planned := range p.Trials {
		trial := play(planned)
		// What the synthetic records leave empty.
		for i := range trial.Run.Pods {
			pod := &trial.Run.Pods[i]
			check := record.Line{V: record.Version, T: 1, Check: &record.Check{Server: "10.244.0.2:53", Present: "timeout", Absent: "timeout"}}
			pod.Lines = slices.Insert(pod.Lines, 1, check)
			for k := range pod.Lines {
				l := &pod.Lines[k]
				switch {
				case l.Start != nil:
					l.Start.Node, l.Start.Kernel, l.Start.Resolv.Text = "node1", "6.1", "nameserver 10.96.0.10"
				case l.Dial != nil:
					l.Dial.Err = "no identity"
				case l.Answer != nil:
					l.Answer.Err, l.Answer.Rcode = "wrong id", "YXDOMAIN"
				case l.Done != nil:
					l.Done.Err = "log full"
				}
			}
		}
		switch len(trials) {
		case 0:
			trial.Status, trial.Reason = results.Invalid, "a node went away"
		case 1:
			trial.Run.Pods[1].Problem = "log ends before the probe was done"
			trial.Earlier = map[string]string{"10.244.0.1": "index 3 of trial t000"}
		}
		trials = append(trials, trial)
		changed(t, trial, func(path, s string) string { paths[path] = true; return s })
	}
	for _, want := range []string{".reason", ".run.pods.*.problem", ".run.pods.*.lines.*.answer.server", ".run.pods.*.lines.*.answer.addrs.*", ".run.pods.*.lines.*.dial.err", ".run.pods.*.lines.*.done.err",
		".run.pods.*.lines.*.start.node", ".run.pods.*.lines.*.check.server", ".run.pods.*.name", ".run.pods.*.lines.*.answer.err"} {
		require.True(t, paths[want], "%s is not tested; there are %v", want, slices.Sorted(maps.Keys(paths)))
	}
	tested := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(path, ".plan.") && path != ".plan.job" && path != ".plan.service" {
			continue // a trial that is not of the plan is refused; plans are spoiled elsewhere
		}
		for name, spoil := range map[string]func(string) string{
			"instead": func(string) string { return trouble },
			"behind":  func(s string) string { return s + trouble },
		} {
			r := New(p, nil)
			for _, trial := range trials {
				if out, ok := changed(t, trial, func(at, s string) string {
					if at == path {
						return spoil(s)
					}
					return s
				}); ok {
					r.Add(&out)
					tested++
				}
			}
			t.Run(path+" "+name, func(t *testing.T) {
				requireForms(t, r)
				var summary strings.Builder
				require.NoError(t, r.Summary(&summary))
				for what, text := range map[string]string{"summary": summary.String(), "bench.txt": string(r.Bench())} {
					for _, c := range []string{"\x1b", "\u202e", "\x07"} {
						require.NotContains(t, text, c, what)
					}
				}
			})
		}
	}
	require.Greater(t, tested, 50)
}
