package report

import (
	"bytes"
	"fmt"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// One of each kind that is not whole or not simple, several trials an arm,
// nodes with clocks of their own, and texts that want out.
func TestMixed(t *testing.T) {
	const trouble = "`|@octocat</details>\n# x"
	p, err := plan.Build(plan.Options{Name: "default", Run: "abc123", Seed: 11, Blocks: 2, Settings: plan.Defaults(),
		DNS: []plan.DNS{plan.Cache30, plan.ClusterDNS}, Extras: []plan.Extra{plan.ExtraNone, plan.ExtraPod}})
	require.NoError(t, err)
	r := New(p, nil)
	n := map[plan.Arm]int{}
	for _, planned := range p.Trials[:len(p.Trials)-1] {
		n[planned.Arm]++
		var b *synth.Trial
		switch a := planned.Arm; {
		case a.Observer == record.PeersServer && a.DNS == plan.Cache30 && n[a] == 2:
			b = synth.Peers(planned.ID, a.DNS, a.Extra, 3, 300*ms, 30*time.Second, true)
			b.Pod(2).Lines, b.Pod(2).Problem = b.Pod(2).Lines[:4], "log ends before the probe was done: "+trouble
		case a.Observer == record.PeersServer && a.DNS == plan.Cache30:
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
		case a.Names == plan.Reused:
			b = synth.Solo(planned.ID, a.DNS, a.Extra, synth.Worker{Stale: 1, Silence: 40 * time.Second}, synth.Worker{Timeout: time.Second, Stale: 3 + n[a], Silence: time.Second, Joined: time.Duration(4+n[a]) * 1150 * ms})
			b.Earlier = map[string]string{"192.0.2.7": "index 3 of trial " + trouble}
			b.Ask(2, 0, synth.Answer{Class: record.Address, Addrs: []string{"192.0.2.7"}, First: 500 * ms})
			b.Ask(2, 0, synth.Answer{Class: record.Address, Addrs: []string{trouble}, First: 600 * ms})
		case n[a] == 1:
			b = synth.Solo(planned.ID, a.DNS, a.Extra, synth.Worker{Joined: 200 * ms}, synth.Worker{Timeout: time.Second, Joined: 250 * ms})
		default: // spoiled altogether
			b = synth.New(planned.ID, a, 3)
			b.Run = results.Run{}
			b.Status, b.Reason = results.Invalid, "pods had not started: "+trouble
		}
		b.Plan = planned
		r.Add(b.End())
	}
	r.Warn("the last line of trials.jsonl (16) is incomplete: 1 trial is left out")
	both(t, "mixed", r)
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
		Preflight: []environment.Condition{{Of: trouble, State: environment.Warning, Text: trouble}, {Of: trouble, State: environment.Untold, Text: trouble}},
		Server:    environment.Server{GitVersion: trouble}, Nodes: []environment.Node{{Kernel: trouble, OS: trouble}},
		DNS:     environment.DNS{Provider: trouble, Evidence: []string{trouble}, Images: []string{trouble}, Corefile: trouble},
		Pods:    []environment.Pod{{Kernel: trouble, Resolv: record.Resolv{Text: trouble}}},
		Caching: map[plan.DNS]environment.CachingFacts{plan.DNS(trouble): {}},
	}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	requireForms(t, New(testPlan(t, "quick"), b))
}

// TestAgain: the last attempt at a trial counts, and the report says that there
// were others.
func TestAgain(t *testing.T) {
	p := testPlan(t, "quick")
	r := New(p, nil)
	spoilt := play(p.Trials[0])
	spoilt.Status, spoilt.Reason = results.Invalid, "a node went away"
	r.Add(spoilt)
	require.Equal(t, 1, r.Invalid())
	for _, planned := range p.Trials {
		r.Add(play(planned))
	}
	require.Zero(t, r.Invalid())
	md := string(r.Markdown())
	require.Contains(t, md, "8 of 8 trials carried out.")
	require.Contains(t, md, "1 trial carried out again after an invalid attempt; the last attempt counts.")
	require.NotContains(t, md, "a node went away")
}

func TestEnvironmentThatCannotBeRead(t *testing.T) {
	for _, env := range []string{`{"server":{"git_version":"v1.36.3"},"nodes":"many"}`, `[]`, `{`, `null`} {
		r := New(testPlan(t, "quick"), json.RawMessage(env))
		require.NotEmpty(t, r.Markdown(), env)
	}
	r := New(testPlan(t, "quick"), json.RawMessage(`{"nodes":"many","cloud":"gce"}`))
	require.Contains(t, string(r.Markdown()), "read in part")
	require.Contains(t, string(r.Markdown()), "### Cloud provider\n\n<details>\n\n```\ngce\n```\n")
}

// The report comes from the folder alone, byte for byte, also when a crash cut
// the records off; and making it changes nothing but report.md.
func TestLoad(t *testing.T) {
	folder, err := results.Create(t.TempDir(), time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC))
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

	path := filepath.Join(folder.Dir(), results.TrialsFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-100], 0o644))
	cut, err := Load(folder.Dir())
	require.NoError(t, err)
	require.Len(t, cut.Warnings(), 1)
	require.Contains(t, string(cut.Markdown()), "is incomplete: 1 trial is left out")

	require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole), "not ours\n"...), 0o644))
	_, err = Load(folder.Dir())
	require.ErrorAs(t, err, new(*plan.InputError))
	require.ErrorContains(t, err, fmt.Sprintf("%s:%d: ", results.TrialsFile, len(p.Trials)+1))
}

func TestCommand(t *testing.T) {
	build := func(change func(*plan.Options)) plan.Plan {
		o := plan.Options{Name: "default", Run: "abc123", Seed: 7, Blocks: 1, Settings: plan.Defaults()}
		if change != nil {
			change(&o)
		}
		p, err := plan.Build(o)
		require.NoError(t, err)
		return p
	}
	named := func(name string) plan.Plan {
		return build(func(o *plan.Options) {
			o.Name = name
			o.Settings, o.Blocks = plan.Preset(name)
		})
	}
	for _, tc := range []struct {
		want string
		plan plan.Plan
	}{
		{"go run ./repro --plan default --seed 7 --blocks 1", build(nil)},
		{"go run ./repro --plan standard --seed 7 --blocks 10", named("standard")},
		{"go run ./repro --plan timeouts --seed 7 --blocks 10", named("timeouts")},
		{"go run ./repro --plan default --seed 7 --blocks 1 --dns cluster --names fresh,reused --extra none,service,member-pod", build(func(o *plan.Options) { o.DNS = []plan.DNS{plan.ClusterDNS} })},
		{"go run ./repro --plan default --seed 7 --blocks 1 --dns cache-30,uncached --names fresh,reused --extra none,service,member-pod --observer peers", build(func(o *plan.Options) { o.Observers = []record.Observer{record.Peers} })},
		{"go run ./repro --plan default --seed 7 --blocks 3 --pods 3 --connect-timeouts none,2.5s --interval 70ms --no-wait --deadline 1m0s", build(func(o *plan.Options) {
			o.Blocks = 3
			s := &o.Settings
			s.Pods, s.NoWait, s.Interval = 3, true, plan.Duration(70*ms)
			s.ConnectTimeouts = []plan.Duration{0, plan.Duration(2500 * ms)}
			s.Deadline = plan.Duration(time.Minute)
		})},
	} {
		got, file := command(tc.plan)
		require.Equal(t, tc.want, got)
		require.Empty(t, file)
	}

	// What flags do not say goes into a file, which makes the same plan.
	for _, odd := range []plan.Plan{named("standard"), build(func(o *plan.Options) {
		o.Orders = []plan.Order{plan.ServiceFirst, plan.JobFirst}
	})} {
		odd.Name, odd.Arms = "it's mine", odd.Arms[1:]
		odd.Secondary = slices.DeleteFunc(slices.Clone(odd.Secondary), func(c plan.Contrast) bool {
			return !slices.Contains(odd.Arms, c.Control) || !slices.Contains(odd.Arms, c.With)
		})
		odd.Primary = nil
		line, file := command(odd)
		require.Equal(t, "go run ./repro --plan plan.yaml --seed 7", line)
		odd.Name = "mine"
		o, err := plan.ParseFile("plan.yaml", []byte(planFile(odd)))
		require.NoError(t, err, file)
		o.Run, o.Seed = odd.Run, odd.Seed
		again, err := plan.Build(o)
		require.NoError(t, err)
		require.Equal(t, odd.Arms, again.Arms)
		require.Equal(t, odd.Secondary, again.Secondary)
		require.Equal(t, odd.Settings, again.Settings)
	}
	line, _ := command(plan.Plan{Name: "other"})
	require.NotEmpty(t, line)
}

func BenchmarkReport(b *testing.B) {
	p, err := plan.Build(plan.Options{Name: "default", Seed: 7, Blocks: 56, Settings: plan.Defaults()})
	require.NoError(b, err)
	for b.Loop() {
		r := New(p, nil)
		for _, planned := range p.Trials {
			r.Add(play(planned))
		}
		r.Markdown()
	}
}

// A plan's name may look like something else to YAML or a shell, and the file
// and the command that carry it out again still say it.
func TestUnpleasantPlanNames(t *testing.T) {
	p, err := plan.Build(plan.Options{Name: "default", Run: "abc123", Seed: 7, Blocks: 1, Settings: plan.Defaults()})
	require.NoError(t, err)
	for _, name := range []string{"n", "y", "no", "yes", "on", "null", "true", "0", "007", "1e3", "0x10", "1-1-1", "2026-11-22", "12-30", "-", "--", "-x", strings.Repeat("x", 63)} {
		p.Name = name
		o, err := plan.ParseFile("plan.yaml", []byte(planFile(p)))
		require.NoError(t, err, name)
		require.Equal(t, name, o.Name)
		require.Equal(t, p.Arms, o.Arms)
	}
}
