package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

// One of each kind that is not whole or not simple, several trials an arm,
// nodes with clocks of their own, and texts that want out.
func TestMixed(t *testing.T) {
	const trouble = "`|@octocat</details>\n# x"
	p, err := experiment.Build(experiment.Options{Name: "default", Run: "abc123", Seed: 11, Blocks: 2, Settings: experiment.Defaults(),
		DNS: []experiment.DNS{experiment.Kubeadm131, experiment.ClusterDNS}, Extras: []experiment.Extra{experiment.ExtraNone, experiment.ExtraPod}})
	require.NoError(t, err)
	r := New(p, nil)
	n := map[experiment.Arm]int{}
	for _, planned := range p.Trials[:len(p.Trials)-1] {
		n[planned.Arm]++
		var b *synth.Trial
		switch a := planned.Arm; {
		case a.Observer == record.PeersServer && a.DNS == experiment.Kubeadm131 && n[a] == 2:
			b = synth.Peers(planned.ID, a.DNS, a.Extra, 3, 300*ms, 30*time.Second, true)
			b.Pod(2).Lines, b.Pod(2).Problem = b.Pod(2).Lines[:4], "log ends before the probe was done: "+trouble
		case a.Observer == record.PeersServer && a.DNS == experiment.Kubeadm131:
			b = synth.Peers(planned.ID, a.DNS, a.Extra, 3, 300*ms, 29800*ms, true)
		case a.Observer == record.PeersServer:
			b = synth.Peers(planned.ID, a.DNS, a.Extra, 3, 300*ms, 1500*ms, false)
			b.Run.Boot = "boot-laptop"
			b.Starts(1, 310*ms, "boot-b", 3*time.Second)
			b.Starts(2, 320*ms, "boot-c", -2*time.Second)
			for i := range b.Run.Pods {
				for k := range b.Pod(i).Lines {
					if d := b.Pod(i).Lines[k].Dial; d != nil {
						d.Who = b.Who(d.Peer, i, time.Duration(d.Asked))
					}
				}
			}
		case a.Names == experiment.Reused:
			b = synth.Solo(planned.ID, a.DNS, a.Extra, synth.Worker{Stale: 1, Silence: 40 * time.Second}, synth.Worker{Timeout: time.Second, Stale: 3 + n[a], Silence: time.Second, Joined: time.Duration(4+n[a]) * 1150 * ms})
			b.Earlier = map[string]string{"192.0.2.7": "index 3 of trial " + trouble}
			b.Ask(2, 0, synth.Answer{Class: record.Address, Addrs: []string{"192.0.2.7"}, First: 500 * ms})
			b.Ask(2, 0, synth.Answer{Class: record.Address, Addrs: []string{trouble}, First: 600 * ms})
		case n[a] == 1:
			b = synth.Solo(planned.ID, a.DNS, a.Extra, synth.Worker{Joined: 200 * ms}, synth.Worker{Timeout: time.Second, Joined: 250 * ms})
		default: // spoiled altogether
			b = synth.New(planned.ID, a, 3)
			b.Run = result.Run{}
			b.Status, b.Reason = result.Invalid, "pods had not started: "+trouble
		}
		b.Plan = planned
		r.Add(b.End())
	}
	r.Warn("the last line of trials.jsonl (16) is incomplete: 1 trial is left out")
	both(t, "mixed", r)
	md := string(r.Markdown())
	for i, line := range strings.Split(md, "\n") {
		if k := strings.Index(line, "@octocat"); k >= 0 {
			require.Equal(t, 1, strings.Count(line[:k], "`")%2, "line %d: the mention is outside of a code span: %s", i+1, line)
		}
		require.False(t, strings.HasPrefix(line, "# x"), "line %d: a heading that is not ours", i+1)
	}
	for _, row := range tablesOf(md) {
		require.Len(t, row, 1, "every row of a table has as many cells as its head")
	}
}

// tablesOf returns, by table, the different numbers of bars in its rows.
func tablesOf(md string) []map[int]bool {
	var out []map[int]bool
	in := false
	for _, line := range strings.Split(md, "\n") {
		if !strings.HasPrefix(line, "|") {
			in = false
			continue
		}
		if !in {
			out = append(out, map[int]bool{})
		}
		in = true
		out[len(out)-1][strings.Count(line, "|")] = true
	}
	return out
}

// The environment is data from a cluster.
func TestHostileEnvironment(t *testing.T) {
	const trouble = "x`|@octocat\n</details>\n```\n# out"
	e := environment.Environment{
		KubectlVersion: trouble, Cloud: trouble, Distribution: trouble, KubeProxy: trouble, CNI: []string{trouble}, Warnings: []string{trouble},
		Server: environment.Server{GitVersion: trouble}, Nodes: []environment.Node{{Kernel: trouble, OS: trouble}},
		DNS:     environment.DNS{Provider: trouble, Evidence: []string{trouble}, Images: []string{trouble}, Corefile: trouble, Parsed: &environment.Corefile{Domain: trouble}},
		Pods:    []environment.Pod{{Kernel: trouble, Resolv: record.Resolv{Text: trouble}}},
		Caching: map[experiment.DNS]environment.CachingFacts{experiment.DNS(trouble): {}},
	}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	md := string(New(testPlan(t, "quick"), b).Markdown())
	fence := ""
	for i, line := range strings.Split(md, "\n") {
		switch {
		case fence != "":
			if line == fence {
				fence = ""
			}
		case strings.HasPrefix(line, "```"):
			fence = line
		default:
			if k := strings.Index(line, "@octocat"); k >= 0 {
				require.Equal(t, 1, strings.Count(line[:k], "`")%2, "line %d: %s", i+1, line)
			}
			require.NotEqual(t, "# out", line)
		}
	}
	require.Empty(t, fence, "every block ends")
}

func TestEnvironmentThatCannotBeRead(t *testing.T) {
	for _, env := range []string{`{"server":{"git_version":"v1.36.3"},"nodes":"many"}`, `[]`, `{`, `null`} {
		r := New(testPlan(t, "quick"), json.RawMessage(env))
		require.NotEmpty(t, r.Markdown(), env)
	}
	r := New(testPlan(t, "quick"), json.RawMessage(`{"nodes":"many","cloud":"gce"}`))
	require.Contains(t, string(r.Markdown()), "read in part")
	require.Contains(t, string(r.Markdown()), "Cloud: `gce`")
}

// The report comes from the folder alone, byte for byte, also when a crash cut
// the records off; and making it changes nothing but report.md.
func TestLoad(t *testing.T) {
	folder, err := result.Create(t.TempDir(), time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	p := testPlan(t, "quick")
	require.NoError(t, folder.WritePlan(p))
	require.NoError(t, folder.WriteEnvironment(testEnvironment(t)))
	live := New(p, testEnvironment(t))
	for _, planned := range p.Trials {
		trial := play(planned)
		require.NoError(t, folder.Append(*trial))
		live.Add(trial)
	}
	require.NoError(t, folder.Close())
	again, err := Load(folder.Dir())
	require.NoError(t, err)
	require.Equal(t, string(live.Markdown()), string(again.Markdown()))

	path := filepath.Join(folder.Dir(), result.TrialsFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-100], 0o644))
	cut, err := Load(folder.Dir())
	require.NoError(t, err)
	require.Len(t, cut.Warnings(), 1)
	require.Contains(t, string(cut.Markdown()), "is incomplete: 1 trial is left out")

	require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole), "not ours\n"...), 0o644))
	_, err = Load(folder.Dir())
	var input *result.InputError
	require.ErrorAs(t, err, &input)
	require.Equal(t, len(p.Trials)+1, input.Line)
}

func TestCommand(t *testing.T) {
	build := func(change func(*experiment.Options)) experiment.Plan {
		o := experiment.Options{Name: "default", Seed: 7, Blocks: 1, Settings: experiment.Defaults()}
		if change != nil {
			change(&o)
		}
		p, err := experiment.Build(o)
		require.NoError(t, err)
		return p
	}
	for _, tc := range []struct {
		want string
		plan experiment.Plan
	}{
		{"go run ./repro --plan default --seed 7 --blocks 1", build(nil)},
		{"go run ./repro --plan default --seed 7 --blocks 1 --dns cluster --names fresh,reused --extra none,service,member-pod", build(func(o *experiment.Options) { o.DNS = []experiment.DNS{experiment.ClusterDNS} })},
		{"go run ./repro --plan default --seed 7 --blocks 1 --dns kubeadm-1.31,kubeadm-1.32 --names fresh,reused --extra none,service,member-pod --observer peers", build(func(o *experiment.Options) { o.Observers = []record.Observer{record.Peers} })},
		{"go run ./repro --plan default --seed 7 --blocks 3 --pods 3 --connect-timeouts none,2.5s --interval 70ms --gap 5s --no-wait --deadline 1m0s", build(func(o *experiment.Options) {
			o.Blocks = 3
			s := &o.Settings
			s.Pods, s.NoWait, s.Interval = 3, true, experiment.Duration(70*ms)
			s.ConnectTimeouts = []experiment.Duration{0, experiment.Duration(2500 * ms)}
			s.Gap, s.Deadline = experiment.Duration(5*time.Second), experiment.Duration(time.Minute)
		})},
	} {
		require.Equal(t, tc.want, command(tc.plan))
	}
	odd := build(nil)
	odd.Arms = odd.Arms[1:]
	require.Contains(t, command(odd), "# as near as flags come")
	require.NotEmpty(t, command(experiment.Plan{Name: "other"}))
}

func BenchmarkReport(b *testing.B) {
	p, err := experiment.Build(experiment.Options{Name: "default", Seed: 7, Blocks: 56, Settings: experiment.Defaults()})
	require.NoError(b, err)
	for b.Loop() {
		r := New(p, nil)
		for _, planned := range p.Trials {
			r.Add(play(planned))
		}
		r.Markdown()
	}
}
