package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// run are answers to consecutive questions, one a second, on the asker's clock.
type run struct {
	class       record.Class
	from, until int    // seconds, of the first question and of the last
	ttl         uint32 // of the first
	falls       bool
}

// emptied is a trial in which the pod was gone at 10 s and, where it was deleted
// at all before the end, the Service at 70 s of the runner's clock. The asker
// started at 4 s.
func emptied(reason string, deleted int64, runs ...run) *results.Trial {
	second := int64(time.Second)
	endpoint := []results.Endpoint{{Hostname: "lag-0", Addrs: []string{"10.0.0.1"}, Ready: true}}
	zero := time.Unix(1000, 0)
	lines := []record.Line{{Start: &record.Start{Wall: zero.UnixNano() + 4*second, Boot: "b", Pods: 1}}}
	for i, r := range runs {
		a := &record.Answer{ID: i, View: record.Client, Type: "A", Class: r.class, Asked: int64(r.from) * second, TTL: &r.ttl}
		n := r.until - r.from + 1
		last := int64(r.until) * second
		c := &record.Closed{ID: i, Count: n, Last: last + 1000, Until: last, TopTTL: &r.ttl, AtTop: n}
		if r.falls {
			c.AtTop = 1
		}
		lines = append(lines, record.Line{T: a.Asked + 1000, Answer: a}, record.Line{T: c.Last, Closed: c})
	}
	lines = append(lines, record.Line{T: 200 * second, Done: &record.Done{Reason: reason}})
	for i := range lines {
		lines[i].V = record.Version
	}
	t := &results.Trial{V: results.Version, Status: results.Complete}
	t.Plan.Arm = plan.Arm{DNS: plan.ClusterDNS, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.EmptyService}
	t.Run = results.Run{Zero: zero, Boot: "b",
		Events: []results.Event{
			{T: second, Object: "endpointslice", What: results.Changed},
			{T: 2 * second, Object: "endpointslice", What: results.Changed, Endpoints: endpoint},
			{T: 10 * second, Object: "endpointslice", What: results.Changed},
			{T: deleted * second, Object: "service", What: results.Deleted},
		},
		Pods: []results.Pod{{Name: "asker", Lines: lines, LogStart: 4*second + 1}}}
	return t
}

// TestKept: how long an address was answered after its pod was gone counts from
// the endpoint's end, then from the Service's, to the last answer that held it.
func TestKept(t *testing.T) {
	const s = time.Second
	old := func(from, until int) run { return run{record.Address, from, until, 30, false} }
	cached := func(from, until int) run { return run{record.Address, from, until, 30, true} }
	none := func(from, until int) run { return run{record.NXDomain, from, until, 30, false} }
	for name, tc := range map[string]struct {
		trial *results.Trial
		want  judge.Kept
	}{
		"at once":        {emptied("complete", 20, none(0, 0), old(1, 5), none(6, 16)), judge.Kept{TTL: 30}},
		"a second later": {emptied("complete", 20, old(1, 7), none(8, 17)), judge.Kept{TTL: 30, Pod: judge.Stay{For: s}}},
		"a cache": {emptied("complete", 60, cached(1, 31), none(32, 42)),
			judge.Kept{TTL: 30, Falls: true, Pod: judge.Stay{For: 25 * s}}},
		"two caches, met at random": {
			emptied("complete", 60, old(1, 31), run{record.Address, 3, 25, 27, false}, none(28, 42)),
			judge.Kept{TTL: 30, Falls: true, Pod: judge.Stay{For: 25 * s}}},
		"never": {emptied("deadline", 70, old(1, 130)), judge.Kept{TTL: 30,
			Pod: judge.Stay{For: 60 * s, Censored: true}, Service: &judge.Stay{For: 64 * s, Censored: true}}},
		"when the Service goes": {emptied("complete", 70, old(1, 67), none(68, 78)),
			judge.Kept{TTL: 30, Pod: judge.Stay{For: 60 * s, Censored: true}, Service: &judge.Stay{For: s}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge.Judge(tc.trial)
			require.Equal(t, results.Complete, v.Status, v.Reasons)
			require.Equal(t, &tc.want, v.Kept)
		})
	}
	for name, spoil := range map[string]func(*results.Trial){
		"no address was answered before the pod went": func(t *results.Trial) {
			t.Run.Pods[0].Lines[1].Answer.Class = record.NXDomain
		},
		"the pod did not go":                         func(t *results.Trial) { t.Run.Events = t.Run.Events[:2] },
		"the log of the pod that asked is not whole": func(t *results.Trial) { t.Run.Pods[0].Problem = "cut" },
		"index 0 had more than one pod": func(t *results.Trial) {
			t.Run.Pods = append(t.Run.Pods, t.Run.Pods[0])
		},
	} {
		trial := emptied("complete", 20, old(1, 5), none(6, 16))
		spoil(trial)
		v := judge.Judge(trial)
		require.Equal(t, results.Invalid, v.Status, name)
		require.Contains(t, v.Reasons, name)
		require.Nil(t, v.Kept)
	}
}
