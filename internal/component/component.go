// Package component reads what Kubernetes' and CoreDNS' own metrics say about
// a trial, to be put beside what the probes measured.
package component

// Reading is one metric of one component before and after a trial. Histograms
// are given by their count and sum.
type Reading struct {
	Source string  `json:"source"` // e.g. "coredns 10.244.1.4:9153", "kubelet n1", "kube-controller-manager"
	Metric string  `json:"metric"` // with the labels that matter, as in the exposition format
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}
