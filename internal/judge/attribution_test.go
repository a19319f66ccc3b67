package judge_test

import (
	"fmt"
	"math/rand/v2"
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

// tolerance is what the attribution promises: 100 ms, or one interval, which
// is shorter here.
const tolerance = 100 * ms

// truth is how a pair's time went, as the world knows it: the chain exactly;
// what came after it is the rest, which belongs to what the regime is about.
// Where both were late at once, to the resolution, either was; the other is
// returned as well.
func truth(w synth.World, p judge.Pair, rest ...judge.Stage) []map[judge.Stage]time.Duration {
	client, there := w.Pods[p.Client].Started, onServers(w, p.Peer)
	out := []map[judge.Stage]time.Duration{truthOf(w, p, client >= there, rest)}
	if off := client - there; off > -tolerance && off < tolerance {
		out = append(out, truthOf(w, p, client < there, rest))
	}
	return out
}

// onServers is when the name could be answered.
func onServers(w synth.World, peer int) time.Duration {
	l := w.Pods[peer]
	there := l.InSlice
	for _, r := range w.Replicas {
		there = max(there, l.InSlice+r.Behind)
	}
	return there
}

func truthOf(w synth.World, p judge.Pair, askerLate bool, rest []judge.Stage) map[judge.Stage]time.Duration {
	way := map[judge.Stage]time.Duration{}
	pos := time.Duration(0)
	to := func(part judge.Stage, at time.Duration) {
		if at > pos {
			way[part] += at - pos
			pos = at
		}
	}
	client, peer := w.Pods[p.Client], w.Pods[p.Peer]
	there := onServers(w, p.Peer)
	l := peer
	if askerLate {
		l = client
	}
	to(judge.StageCreate, l.Created)
	to(judge.StageSchedule, l.Scheduled)
	switch {
	case askerLate:
		to(judge.StageStart, l.Started)
	default:
		if w.Arm.Publish {
			to(judge.StageAddress, l.Addressed)
		} else {
			to(judge.StageStart, l.Started)
			to(judge.StageReady, l.Ready)
		}
		to(judge.StageService, w.Service)
		to(judge.StageSlice, l.InSlice)
		if w.Arm.Observer == record.PeersServer {
			to(judge.StageServer, there)
		}
	}
	if client.Started+w.FirstQuery > pos && w.FirstQuery > 0 {
		to(judge.StageUnasked, client.Started+w.FirstQuery)
	}
	if left := p.Connected.Since.Value - pos; len(rest) > 0 {
		way[rest[0]] += left
	}
	return way
}

// attributed is what the judge says; parts that the regime does not tell apart
// count as the first of them.
func attributed(p judge.Pair, alike ...judge.Stage) map[judge.Stage]time.Duration {
	got := map[judge.Stage]time.Duration{}
	for _, s := range p.StageTimes {
		part := s.Stage
		if slices.Contains(alike, part) {
			part = alike[0]
		}
		got[part] += s.Took
	}
	return got
}

// addUp checks what holds for all shares.
func addUp(t *testing.T, msg string, p judge.Pair) {
	t.Helper()
	sum := time.Duration(0)
	last := -1
	for _, s := range p.StageTimes {
		sum += s.Took
		order := slices.Index(judge.Stages, s.Stage)
		if s.Took <= 0 || s.Clock < 0 || order <= last {
			t.Fatalf("%s: %d->%d: %+v", msg, p.Client, p.Peer, p.StageTimes)
		}
		last = order
	}
	if p.StageTimes != nil && sum != p.Connected.Since.Value {
		t.Fatalf("%s: %d->%d: shares add up to %v of %v", msg, p.Client, p.Peer, sum, p.Connected.Since.Value)
	}
}

func TestShares(t *testing.T) {
	const s = time.Second
	server := record.PeersServer
	either := []judge.Stage{judge.StageDenial, judge.StageDenied}
	set := func(w synth.World, f func(w *synth.World)) synth.World { f(&w); return w }
	for _, tc := range []struct {
		name string
		w    synth.World
		rest []judge.Stage
	}{
		{"a denial kept for 30 s", synth.Denied("t001", server, 4), []judge.Stage{judge.StageDenial}},
		{"the same, servers not looked at", synth.Denied("t001", record.Peers, 4), either},
		{"the same, solo", synth.Denied("t001", record.Solo, 5), either},
		{"nothing at all", synth.Prompt("t001", server, 4), []judge.Stage{judge.StagePolling}},
		{"nothing at all, solo", synth.Prompt("t001", record.Solo, 5), []judge.Stage{judge.StagePolling}},
		{"a node's denial", synth.NodeLocal("t001", server, 4), []judge.Stage{judge.StageDenial}},
		{"a node's denial, solo", synth.NodeLocal("t001", record.Solo, 4), either},
		{"a stale address, by connect timeout", synth.Stale("t001", plan.Cache30, 0, 30*s, 5*s, s), []judge.Stage{judge.StageStale}},
		{"a stale address behind a node's cache", synth.Stale("t001", plan.NodeLocalCache30, 0, 30*s, 5*s, s), []judge.Stage{judge.StageStale}},
		{"a stale address, kube-dns", synth.Stale("t001", plan.KubeDNS, s, s), []judge.Stage{judge.StageStale}},
		{"published before Ready", synth.Published("t001", plan.Cache30, record.Solo, 5), []judge.Stage{judge.StageUnasked}},
		{"servers that fail", synth.Failing("t001", server, 3, 4*s), []judge.Stage{judge.StageNoAnswer}},
		{"servers that fail, solo", synth.Failing("t001", record.Solo, 3, 4*s), []judge.Stage{judge.StageNoAnswer}},
		{"one server that is silent", set(synth.Prompt("t001", server, 3), func(w *synth.World) { w.Replicas[1].Silent = 60 * s }),
			[]judge.Stage{judge.StageNoAnswer, judge.StagePolling}},
		{"SYNs dropped", synth.Dropped("t001", server, 3, 4*s), []judge.Stage{judge.StageConnect}},
		{"into the EndpointSlice late", synth.SliceLate("t001", server, 3, 4*s), []judge.Stage{judge.StagePolling}},
		{"Ready late", synth.ReadyLate("t001", server, 3, 4*s), []judge.Stage{judge.StagePolling}},
		{"Ready late, a denial kept", set(synth.ReadyLate("t001", server, 3, 4*s), func(w *synth.World) {
			w.Replicas = []synth.Replica{{Keeps: synth.Keeps{Addresses: 30, Denials: 30}}}
		}), []judge.Stage{judge.StageDenial}},
		{"the Service late", synth.ServiceLate("t001", plan.Uncached, server, 3, 4*s), []judge.Stage{judge.StagePolling}},
		{"CoreDNS' watch held back", set(synth.Apart("t001", server, 3, 4*s), func(w *synth.World) { w.Replicas[0].Behind = 4 * s }), []judge.Stage{judge.StagePolling}},
		{"one replica's watch held back", set(synth.Apart("t001", server, 3, 4*s), func(w *synth.World) {
			w.Replicas = w.Replicas[1:] // the client's luck does not matter then
		}), []judge.Stage{judge.StagePolling}},
		{"one pod scheduled late", set(synth.Prompt("t001", server, 3), func(w *synth.World) { w.Pods[1].Delay(results.Scheduled, 3*s) }), []judge.Stage{judge.StagePolling}},
		{"one pod's init container", set(synth.Prompt("t001", server, 3), func(w *synth.World) { w.Pods[1].Delay(results.Started, 3*s) }), []judge.Stage{judge.StagePolling}},
		{"first question late", set(synth.Denied("t001", server, 3), func(w *synth.World) { w.FirstQuery = 5 * s }), []judge.Stage{judge.StageConnect, judge.StageNoAnswer}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(5) {
				w := tc.w
				w.Seed = seed
				v := judge.Judge(w.Trial().End())
				for _, p := range v.Pairs {
					require.NotNil(t, p.StageTimes)
					addUp(t, tc.name, p)
					compare(t, truth(w, p, tc.rest...), attributed(p, tc.rest...), p)
				}
			}
		})
	}
}

// compare fails where a part is not what it should be, or is invented.
func compare(t *testing.T, wants []map[judge.Stage]time.Duration, got map[judge.Stage]time.Duration, p judge.Pair) {
	t.Helper()
	for _, want := range wants {
		if !slices.ContainsFunc(judge.Stages, func(part judge.Stage) bool {
			off := got[part] - want[part]
			return off < -tolerance || off > tolerance
		}) {
			return
		}
	}
	t.Fatalf("%d->%d after %v\nwant %v\ngot  %v", p.Client, p.Peer, p.Connected.Since.Value, wants, got)
}

// Whatever delays are injected together, each is found where it is.
func TestInjected(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := synth.Prompt("t001", record.PeersServer, 3)
		rest := judge.StagePolling
		if rng.IntN(2) == 0 {
			w = synth.Denied("t001", record.PeersServer, 3)
			rest = judge.StageDenial
		}
		w.Seed = seed
		delay := func() time.Duration { return time.Duration(rng.IntN(6000)) * ms }
		said := fmt.Sprintf("seed %d:", seed)
		for range 1 + rng.IntN(3) {
			pod := &w.Pods[rng.IntN(3)]
			what := []results.What{results.Created, results.Scheduled, results.Started, results.Ready, results.Changed}[rng.IntN(5)]
			d := delay()
			said += fmt.Sprintf(" %s +%v", what, d)
			pod.Delay(what, d)
		}
		for i := range w.Replicas {
			w.Replicas[i].Behind += delay() * time.Duration(rng.IntN(2))
			if i > 0 { // with one of them behind it is luck when a client knows
				w.Replicas[i].Behind = w.Replicas[0].Behind
			}
		}
		v := judge.Judge(w.Trial().End())
		for _, p := range v.Pairs {
			addUp(t, said, p)
			if rest == judge.StageDenial {
				compare(t, truth(w, p, rest, judge.StagePolling), attributed(p, rest, judge.StagePolling, judge.StageConnect, judge.StageNoAnswer), p)
			} else {
				compare(t, truth(w, p, rest), attributed(p, rest, judge.StageConnect, judge.StageNoAnswer), p)
			}
		}
	}
}
