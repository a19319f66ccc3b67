package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/component"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

func checks(t *testing.T, w synth.World, readings ...component.Reading) map[string]judge.Check {
	t.Helper()
	b := w.Trial()
	b.Components = readings
	out := map[string]judge.Check{}
	for _, c := range judge.Judge(b.End()).Checks {
		require.LessOrEqual(t, c.Ours.Lo, c.Ours.Hi)
		require.LessOrEqual(t, c.Theirs.Lo, c.Theirs.Hi)
		require.NotEmpty(t, c.Source)
		require.NotEmpty(t, c.Note)
		out[c.Name] = c
	}
	return out
}

func TestChecks(t *testing.T) {
	const dns = "coredns 10.244.0.20:9153"
	metric := func(part string) string {
		return "coredns_kubernetes_dns_programming_duration_seconds_" + part + `{service_kind="headless_with_selector"}`
	}
	w := synth.Denied("t001", record.PeersServer, 3)
	got := checks(t, w)
	require.Len(t, got, 1, "an annotation needs no metrics")
	ready := got["last pod Ready"]
	require.True(t, ready.Agree(), "%+v", ready)
	require.InDelta(t, 0.586, ready.Ours.Hi, 0.01, "seconds since the Job's creation")
	require.Equal(t, 1.0, ready.Theirs.Hi-ready.Theirs.Lo, "whole seconds")

	// The pods come 0.58 s after the whole second that is the trigger.
	got = checks(t, w,
		component.Reading{Source: dns, Metric: metric("sum"), Before: 10, After: 11.71}, component.Reading{Source: dns, Metric: metric("count"), Before: 7, After: 10},
		component.Reading{Source: dns, Metric: `coredns_cache_hits_total{type="denial"}`, Before: 100, After: 5400},
		component.Reading{Source: "kubelet n1", Metric: "kubelet_pod_start_sli_duration_seconds_sum", Before: 1, After: 2.5},
		component.Reading{Source: "kubelet n1", Metric: "kubelet_pod_start_sli_duration_seconds_count", Before: 1, After: 3},
		component.Reading{Source: "kubelet n2", Metric: "kubelet_pod_start_sli_duration_seconds_sum", Before: 0, After: 0.9},
		component.Reading{Source: "kubelet n2", Metric: "kubelet_pod_start_sli_duration_seconds_count", Before: 0, After: 1},
	)
	p := got["DNS programming, mean"]
	require.InDelta(t, 0.57, p.Theirs.Lo, 1e-9)
	require.Equal(t, dns, p.Source)
	require.True(t, p.Agree(), "%+v", p)
	require.Less(t, p.Ours.Hi-p.Ours.Lo, 0.06, "one look")
	cache := got["answers from the servers' cache: denial"]
	require.Equal(t, 5300.0, cache.Theirs.Lo)
	require.True(t, cache.Agree(), "%+v", cache)
	require.Less(t, cache.Ours.Lo, cache.Ours.Hi)
	hits := got["answers from the servers' cache: success"]
	require.Zero(t, hits.Theirs.Hi)
	start := got["pod start, mean"]
	require.Equal(t, "kubelet n1, kubelet n2", start.Source)
	require.InDelta(t, 0.8, start.Theirs.Hi, 1e-9)
	require.InDelta(t, 0.5, start.Ours.Lo, 0.1)
	require.True(t, start.Agree())

	// A server that was started anew during the trial says nothing.
	got = checks(t, w, component.Reading{Source: dns, Metric: metric("sum"), Before: 10, After: 1}, component.Reading{Source: dns, Metric: metric("count"), Before: 7, After: 1})
	require.NotContains(t, got, "DNS programming, mean")
	// Behind a node's cache the servers see few of the clients' questions.
	got = checks(t, synth.NodeLocal("t001", record.PeersServer, 3), component.Reading{Source: dns, Metric: `coredns_cache_hits_total{type="denial"}`, After: 3})
	require.NotContains(t, got, "answers from the servers' cache: denial")
	// Nobody looked at the servers.
	got = checks(t, synth.Denied("t001", record.Peers, 3), component.Reading{Source: dns, Metric: metric("sum"), After: 1}, component.Reading{Source: dns, Metric: metric("count"), After: 1})
	require.NotContains(t, got, "DNS programming, mean")
	// A name that is published before Ready has another trigger.
	require.NotContains(t, checks(t, synth.Published("t001", plan.Kubeadm131, record.Solo, 3)), "last pod Ready")
	// The clock of the API is an hour ahead.
	b := w.Trial()
	for i := range b.Run.Events {
		if e := &b.Run.Events[i]; e.What == result.Changed {
			e.Trigger = synth.Zero.Add(time.Hour).Format(time.RFC3339)
		}
	}
	require.False(t, judge.Judge(b.End()).Checks[0].Agree())
}
