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

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	ms     = time.Millisecond
	second = time.Second
)

// golden compares with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./internal/report -update writes it")
	require.Equal(t, string(want), string(got))
}

func both(t *testing.T, name string, r *Report) {
	t.Helper()
	md := r.Markdown()
	golden(t, name+".md", md)
	require.Equal(t, string(md), string(r.Markdown()), "rendering twice gives the same bytes")
	golden(t, name+".comment.md", r.Comment())
	requireForms(t, r)
	var b bytes.Buffer
	require.NoError(t, r.Summary(&b))
	golden(t, name+".txt", b.Bytes())
	require.LessOrEqual(t, strings.Count(b.String(), "\n"), summaryLines)
}

func testEnvironment(t *testing.T) json.RawMessage {
	retries, linear := 6, 4
	e := environment.Environment{
		V: environment.Version, KubectlVersion: "Client Version: v1.36.3\nServer Version: v1.36.3\n",
		Server: environment.Server{GitVersion: "v1.36.3"}, Cloud: "none", Distribution: "kubeadm", NodeCount: 2, KubeProxy: "nftables",
		Nodes: []environment.Node{
			{Name: "node-a", Ready: true, Kernel: "6.18.0", OS: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64", Runtime: "containerd://1.6.20", Kubelet: "v1.36.3"},
			{Name: "node-b", Ready: true, Kernel: "6.18.0", OS: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64", Runtime: "containerd://1.6.20", Kubelet: "v1.36.3"},
		},
		DNS: environment.DNS{Provider: environment.CoreDNS, Evidence: []string{"Service kube-system/kube-dns is labelled kubernetes.io/name=CoreDNS"},
			Replicas: []string{"10.244.0.2:53", "10.244.1.2:53"}, Images: []string{"registry.k8s.io/coredns/coredns:v1.13.1"},
			Corefile: ".:53 {\n    errors\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n        ttl 30\n    }\n    cache 30\n}\n"},
		Corefiles: map[plan.DNS]string{plan.Cache30: ".:1053 {\n    cache 30\n}\n"},
		Notes:     []string{"dns nodelocal-cache-30 is left out: no rights for a ClusterRole"},
		Preflight: []environment.Condition{
			{Of: "version", State: environment.Met, Text: "Kubernetes v1.36.3"},
			{Of: "metrics", State: environment.Untold, Text: "this user lacks nodes/proxy (get) cluster-wide: what the components' metrics say is left out (manifests/rbac-cluster.yaml grants it)"},
			{Of: "private dns", State: environment.Degraded, Text: "dns nodelocal-cache-30 is left out: no rights for a ClusterRole"}, // is among the notes
			{Of: "network policies", State: environment.Warning, Text: "default-deny of namespace demo cut off: connects between probes (TCP 8050); add a policy that allows them for pods with the label app.kubernetes.io/managed-by=headless-job-dns, or name another namespace with -n"},
		},
		Pods: []environment.Pod{{Node: "node-a", Kernel: "6.18.0", SynRetries: &retries, SynLinearRetries: &linear, Resolv: record.Resolv{Text: "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"}}},
		Caching: map[plan.DNS]environment.CachingFacts{
			plan.Uncached: {PositiveTTL: 30, NegativeTTL: 30, Uncached: true},
			plan.Cache30:  {Positive: true, PositiveTTL: 30, Negative: true, NegativeTTL: 30, Uncached: true},
		},
	}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return b
}

func testPlan(t *testing.T, name string) plan.Plan {
	p, err := plan.Build(plan.Options{Name: name, Run: "abc123", Seed: 7, Blocks: 1, Settings: plan.Defaults()})
	require.NoError(t, err)
	return p
}

// play makes a trial of the plan as its arm leads one to expect.
func play(p plan.Trial) *results.Trial {
	var b *synth.Trial
	jitter := time.Duration(p.Seq) * 7 * ms
	slow := p.Arm.DNS == plan.Cache30
	workers := []synth.Worker{{Joined: 210*ms + jitter}, {Timeout: 30 * time.Second, Joined: 220*ms + jitter}, {Timeout: 5 * time.Second, Joined: 205*ms + jitter}, {Timeout: time.Second, Joined: 230*ms + jitter}}
	switch {
	case p.Arm.Observer == record.PeersServer && slow:
		b = synth.Peers(p.ID, p.Arm.DNS, p.Arm.Extra, 5, 300*ms, 29900*ms+jitter, true)
	case p.Arm.Observer == record.PeersServer:
		b = synth.Peers(p.ID, p.Arm.DNS, p.Arm.Extra, 5, 300*ms, 350*ms+jitter, false)
	case p.Arm.Names == plan.Reused && slow:
		silence := 133400 * ms
		if time.Duration(p.Deadline) < silence {
			silence = time.Duration(p.Deadline)
		}
		workers = []synth.Worker{{Stale: 1, Silence: silence, Joined: silence + 150*ms}, {Timeout: 30 * time.Second, Stale: 1, Silence: 30 * time.Second, Joined: 30600*ms + jitter},
			{Timeout: 5 * time.Second, Stale: 2, Silence: 5 * time.Second, Joined: 10700*ms + jitter}, {Timeout: time.Second, Stale: 8, Silence: time.Second, Joined: 9500*ms + jitter}}
		if silence < 133400*ms {
			workers[0].Joined = 0
		}
		b = synth.Solo(p.ID, p.Arm.DNS, p.Arm.Extra, workers...)
	default:
		b = synth.Solo(p.ID, p.Arm.DNS, p.Arm.Extra, workers...)
		if p.Arm.Names == plan.Fresh {
			b.Primer = nil
		}
	}
	if slow && p.Arm.Observer == record.Solo && p.Arm.Names == plan.Fresh && p.Arm.Extra == plan.ExtraService {
		// The leader starts last, and the question before is a cached denial.
		b.Starts(0, 800*ms, synth.Boot, 0)
		for i := range b.Run.Pods[1:] {
			for k := range b.Pod(i + 1).Lines {
				l := &b.Pod(i + 1).Lines[k]
				if l.Answer == nil && l.Dial == nil && l.Done == nil && l.Closed == nil {
					continue
				}
				l.T += int64(29 * time.Second)
				if l.Answer != nil {
					l.Answer.Asked, l.Answer.Prev = l.T-int64(ms), l.T-int64(150*ms)
				}
				if l.Dial != nil {
					l.Dial.Asked, l.Dial.WhoAt = l.T-int64(ms), l.T
				}
			}
			b.Ask(i+1, 0, synth.Answer{Class: record.NXDomain, First: 2 * ms, Last: 29 * time.Second, Count: 190, SOATTL: 30, Top: 30, AtTop: 6})
		}
	}
	return relabel(b, p)
}

func TestDefaultPlan(t *testing.T) {
	p := testPlan(t, "default")
	r := New(p, testEnvironment(t))
	for _, planned := range p.Trials {
		r.Add(play(planned))
	}
	both(t, "default", r)
}

// TestStandardPlan: what a plan that declares contrasts prints, of a world where
// each configuration keeps what it says.
func TestStandardPlan(t *testing.T) {
	settings, blocks := plan.Preset("standard")
	p, err := plan.Build(plan.Options{Name: "standard", Run: "abc123", Seed: 7, Blocks: blocks, Settings: settings})
	require.NoError(t, err)
	r := New(p, testEnvironment(t))
	for _, planned := range p.Trials {
		r.Add(simulated(p, planned))
	}
	both(t, "standard", r)
}

// simulated makes a trial of the plan in the world that follows from its arm.
func simulated(p plan.Plan, planned plan.Trial) *results.Trial {
	w := synth.Of(planned.ID, planned.Arm, p.Settings.Pods)
	w.Seed, w.Deadline, w.Timeouts = uint64(planned.Seq), time.Duration(planned.Deadline), nil
	for _, timeout := range p.Settings.ConnectTimeouts {
		w.Timeouts = append(w.Timeouts, time.Duration(timeout))
	}
	if planned.Arm.Names == plan.Reused {
		w.Left += time.Duration(planned.Block) * 100 * ms
	}
	if planned.Arm.Names == plan.Fresh && planned.Block%2 == 0 {
		// The leader is the first to start: nobody asks too early.
		for i := range w.Pods[1:] {
			l := &w.Pods[i+1]
			for _, at := range []*time.Duration{&l.Created, &l.Scheduled, &l.Addressed, &l.Started, &l.Ready, &l.InSlice} {
				*at += 400 * ms
			}
		}
	}
	return relabel(w.Trial(), planned)
}

// relabel makes a synthetic trial the plan's.
func relabel(b *synth.Trial, planned plan.Trial) *results.Trial {
	for i := range b.Run.Events {
		for k := range b.Run.Events[i].Endpoints {
			e := &b.Run.Events[i].Endpoints[k]
			e.Hostname = planned.Job + strings.TrimPrefix(e.Hostname, b.Plan.Job)
		}
	}
	b.Plan = planned
	return b.End()
}

func TestNothing(t *testing.T) {
	both(t, "nothing", New(testPlan(t, "quick"), nil))
}
