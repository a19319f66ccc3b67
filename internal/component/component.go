// Package component reads what Kubernetes' and CoreDNS' own metrics say about
// a trial, to be put beside what the probes measured. It reads through the API
// server, before the trial's Job is created and after its probes are done. What
// it may not read it does without, and says so once.
package component

import (
	"maps"
	"slices"
)

// Reading is one metric of one component before and after a trial. Histograms
// are given by their count and sum. A component that started anew in between
// began to count at zero: Before is then greater than After.
type Reading struct {
	Source string  `json:"source"` // e.g. "coredns 10.244.1.4:9153", "kubelet n1", "kube-controller-manager"
	Metric string  `json:"metric"` // with the labels that matter, as in the exposition format
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// maxReadings bounds what one trial keeps: ten nodes and a few DNS replicas
// have half of it.
const maxReadings = 200

// Snapshot is what the components said at one time: the metrics' values by
// source. A source that was not read is not in it.
type Snapshot map[string]map[string]float64

// Changes returns what differs between two snapshots of the same sources, by
// source and metric. A metric that appears was 0 before, for a counter is not
// exposed until it has counted.
func Changes(before, after Snapshot) []Reading {
	var out []Reading
	for _, source := range slices.Sorted(maps.Keys(after)) {
		was, read := before[source]
		if !read {
			continue
		}
		for _, metric := range slices.Sorted(maps.Keys(after[source])) {
			if r := (Reading{source, metric, was[metric], after[source][metric]}); r.Before != r.After {
				out = append(out, r)
			}
		}
	}
	return out[:min(len(out), maxReadings)]
}
