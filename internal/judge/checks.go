package judge

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/component"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

// Check puts what a component says of the trial beside what was measured.
type Check struct {
	Name   string // what both are about
	Source string // whose word Theirs is
	Unit   string // "s"; empty: a number of times
	Ours   Range
	Theirs Range
	Note   string // why the two may differ although both are right
}

// Range is a number that is known within bounds.
type Range struct{ Lo, Hi float64 }

// Agree tells whether both can be right.
func (c Check) Agree() bool { return c.Ours.Lo <= c.Theirs.Hi && c.Theirs.Lo <= c.Ours.Hi }

// Metrics as their components expose them, with the label that is kept.
const (
	programming = "coredns_kubernetes_dns_programming_duration_seconds" // coredns plugin/kubernetes/object/metrics.go
	cacheHits   = "coredns_cache_hits_total"                            // coredns plugin/cache/metrics.go
	podStart    = "kubelet_pod_start_sli_duration_seconds"              // k8s.io/kubernetes pkg/kubelet/metrics
)

// checks are those for which both sides have something to say.
func (j *judgement) checks() []Check {
	out := j.checkReady()
	out = append(out, j.checkProgramming()...)
	out = append(out, j.checkCache("denial", denials)...)
	out = append(out, j.checkCache("success", addresses)...)
	return append(out, j.checkStart()...)
}

// grown is by how much a metric grew, by source. A component that began to
// count anew during the trial says nothing.
func (j *judgement) grown(prefix string) (sources []string, by map[string]float64) {
	by = map[string]float64{}
	for _, r := range j.t.Components {
		if !strings.HasPrefix(r.Metric, prefix) || r.After < r.Before {
			continue
		}
		if _, ok := by[r.Source]; !ok {
			sources = append(sources, r.Source)
		}
		by[r.Source] += r.After - r.Before
	}
	return sources, by
}

// trigger is what an EndpointSlice says of when the change was triggered, in
// seconds since the run's zero: the API server's whole seconds.
func (j *judgement) trigger(e *result.Event) (Range, bool) {
	t, err := time.Parse(time.RFC3339, e.Trigger)
	if err != nil {
		return Range{}, false
	}
	at := t.Sub(j.t.Run.Zero).Seconds()
	return Range{at, at + 1}, true
}

// arrivals are the EndpointSlices' changes that brought pods of the Job, with
// their indices, in order.
func (j *judgement) arrivals() (list []*result.Event, brought map[*result.Event][]int) {
	brought = map[*result.Event][]int{}
	for i := range j.events {
		if e := j.events[i].slice; e != nil {
			if brought[e] == nil {
				list = append(list, e)
			}
			brought[e] = append(brought[e], i)
		}
	}
	slices.SortStableFunc(list, func(a, b *result.Event) int { return int(a.T - b.T) })
	return list, brought
}

// checkReady compares the last arrival's trigger time with when its pod became
// Ready: after it was scheduled and before that was received. A name that is
// published before has another trigger.
func (j *judgement) checkReady() []Check {
	list, brought := j.arrivals()
	if len(list) == 0 || j.t.Plan.Arm.Publish {
		return nil
	}
	last := list[len(list)-1]
	theirs, ok := j.trigger(last)
	ready := Range{}
	for n, i := range brought[last] {
		after, a := j.events[i].at[result.Scheduled]
		by, b := j.events[i].at[result.Ready]
		ok = ok && a && b
		if at := time.Duration(by).Seconds(); n == 0 || at < ready.Hi {
			ready = Range{time.Duration(after).Seconds(), at}
		}
	}
	if !ok {
		return nil
	}
	return []Check{{Name: "last pod Ready", Source: "EndpointSlice " + last.Name, Unit: "s", Ours: ready, Theirs: theirs,
		Note: "since the Job's creation; ours between the receipts of scheduled and Ready, theirs the earliest of the changes in one update, in whole seconds of the node's clock"}}
}

// checkProgramming compares CoreDNS' own mean time from a trigger to the
// receipt of the EndpointSlice with the uncached view of that server.
func (j *judgement) checkProgramming() []Check {
	sources, sums := j.grown(programming + "_sum")
	_, counts := j.grown(programming + "_count")
	if len(sources) == 0 {
		return nil
	}
	list, brought := j.arrivals()
	looks := j.looks()
	var out []Check
	for _, source := range sources {
		ours, n := Range{}, 0.0
		for _, e := range list {
			from, ok := j.trigger(e)
			if !ok {
				continue
			}
			at, ok := onSource(looks, brought[e], source)
			if !ok {
				continue
			}
			n++
			ours.Lo += at.Lo - from.Lo
			ours.Hi += at.Hi - from.Lo
		}
		if n == 0 || counts[source] <= 0 {
			continue
		}
		mean := sums[source] / counts[source]
		out = append(out, Check{Name: "DNS programming, mean", Source: source, Unit: "s", Ours: Range{ours.Lo / n, ours.Hi / n}, Theirs: Range{mean, mean},
			Note: fmt.Sprintf("from the trigger in whole seconds; theirs of %.0f updates until received, ours of the %.0f that brought a pod, until answered", counts[source], n)})
	}
	return out
}

// onSource is when a DNS server had all of the names, in seconds since the
// run's zero, by whoever saw each first.
func onSource(looks [][]looked, names []int, source string) (at Range, ok bool) {
	for _, i := range names {
		var lo, hi float64
		seen := false
		for _, l := range looks[i] {
			if !l.seen || !l.absent || hostOf(l.server) != hostOf(source) {
				continue
			}
			if h := time.Duration(l.hi.t).Seconds(); !seen || h < hi {
				lo, hi, seen = time.Duration(l.lo.t).Seconds(), h, true
			}
		}
		if !seen {
			return at, false
		}
		at.Lo, at.Hi = max(at.Lo, lo), max(at.Hi, hi)
	}
	return at, true
}

// hostOf is the host of "host:port", with words before it or not.
func hostOf(s string) string {
	s = s[strings.LastIndexByte(s, ' ')+1:]
	if h, _, err := net.SplitHostPort(s); err == nil {
		return h
	}
	return s
}

// checkCache compares the hits that the DNS servers counted with the answers
// whose TTL proves a cache. Where another cache stands in front of them it
// takes the hits.
func (j *judgement) checkCache(kind string, of func(record.Class) bool) []Check {
	switch j.t.Plan.Arm.DNS {
	case plan.NodeLocal131, plan.NodeLocal132, plan.KubeDNS:
		return nil
	}
	if !slices.ContainsFunc(j.t.Components, func(r component.Reading) bool { return strings.HasPrefix(r.Metric, "coredns_") }) {
		return nil
	}
	sources, hits := j.grown(cacheHits + `{type="` + kind + `"}`)
	theirs := 0.0
	for _, s := range sources {
		theirs += hits[s]
	}
	full := j.v.FullTTL
	if of(record.Address) {
		full = j.fullAddress
	}
	var c Counts
	for _, l := range j.logs {
		for i := range l.answers {
			if a := &l.answers[i]; a.View == record.Client && of(a.Class) {
				c.denial(*a, full)
			}
		}
	}
	note := "ours at least what the TTL proves, at most every such answer"
	if j.t.Plan.Arm.DNS == plan.ClusterDNS {
		note += "; theirs are of all the cluster's clients"
	}
	return []Check{{Name: "answers from the servers' cache: " + kind, Source: "coredns", Ours: Range{float64(c.ProvenCached), float64(c.Denials())},
		Theirs: Range{theirs, theirs}, Note: note}}
}

// checkStart compares the kubelets' mean pod start with the receipts of it.
func (j *judgement) checkStart() []Check {
	sources, sums := j.grown(podStart + "_sum")
	_, counts := j.grown(podStart + "_count")
	var sum, count, ours, n float64
	for _, s := range sources {
		sum, count = sum+sums[s], count+counts[s]
	}
	for i := range j.events {
		created, a := j.events[i].at[result.Created]
		started, b := j.events[i].at[result.Started]
		if a && b {
			ours, n = ours+time.Duration(started-created).Seconds(), n+1
		}
	}
	if count <= 0 || n == 0 {
		return nil
	}
	mean := sum / count
	return []Check{{Name: "pod start, mean", Source: strings.Join(sources, ", "), Unit: "s", Ours: Range{ours / n, ours / n}, Theirs: Range{mean - 1, mean},
		Note: fmt.Sprintf("theirs of %.0f pods, since a creation time in whole seconds and without image pulls; ours from receipt to receipt", count)}}
}
