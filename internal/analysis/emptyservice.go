package analysis

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

// AtOnce is within what time an address counts as withdrawn at once: a writer's
// pause and write take less than a second, the questions are a second apart, and
// Cloud DNS took 1.15 s to show a new record.
const AtOnce = 3 * time.Second

// Emptied is a trial of observer empty-service: for how long the address of a
// Service's last pod was answered after that pod was gone.
type Emptied struct {
	ID  string   `json:"id"`
	DNS plan.DNS `json:"dns"`
	// PodGone is what was seen while the Service was there, ServiceGone after it
	// was deleted; empty: no address was answered any more by then.
	PodGone     string `json:"pod_gone"`
	ServiceGone string `json:"service_gone,omitempty"`
	TTL         uint32 `json:"ttl"` // of the address, in seconds
	Falls       bool   `json:"ttl_falls"`
	Invalid     string `json:"invalid,omitempty"`
}

// NewEmptied reduces a verdict.
func NewEmptied(v *judge.Verdict) Emptied {
	e := Emptied{ID: v.Trial.ID, DNS: v.Trial.Arm.DNS}
	if v.Status == results.Invalid || v.Kept == nil {
		e.Invalid = "invalid: " + strings.Join(v.Reasons, "; ")
		return e
	}
	e.TTL, e.Falls = v.Kept.TTL, v.Kept.Falls
	e.PodGone = stay(v.Kept.Pod, e.Falls)
	if v.Kept.Service != nil {
		e.ServiceGone = stay(*v.Kept.Service, e.Falls)
	}
	return e
}

// stay says how an address went.
func stay(s judge.Stay, falls bool) string {
	long := fmt.Sprintf("%.1f s", s.For.Seconds())
	switch {
	case s.Censored && falls:
		return "kept by a cache for more than " + long
	case s.Censored:
		return "never withdrawn, watched for " + long
	case s.For <= AtOnce:
		return "withdrawn at once"
	case falls:
		return "kept by a cache for " + long
	}
	return "withdrawn after " + long
}

// addEmptied takes in a trial, in the place of an earlier attempt.
func (a *Analysis) addEmptied(e Emptied) {
	for i := range a.emptied {
		if a.emptied[i].ID == e.ID {
			a.emptied[i] = e
			a.Retried++
			return
		}
	}
	a.emptied = append(a.emptied, e)
}

// Emptied are the trials of observer empty-service, in their order.
func (a *Analysis) Emptied() []Emptied { return a.emptied }
