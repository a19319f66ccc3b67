package analysis

import (
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// AtOnce is within what time an address counts as withdrawn at once: Cloud DNS took
// 1.15 s to show a new record, and the questions are a second apart.
const AtOnce = 3 * time.Second

// Emptied is a trial of observer empty-service: for how long the address of a
// Service's last pod was answered after that pod was gone.
type Emptied struct {
	ID  string   `json:"id"`
	DNS plan.DNS `json:"dns"`
	// PodGone is what was seen while the Service was there, ServiceGone after it
	// was deleted; nil: no address was answered any more by then.
	PodGone     Stay   `json:"pod_gone"`
	ServiceGone *Stay  `json:"service_gone,omitempty"`
	TTL         uint32 `json:"ttl_s"` // of the address
	Falls       bool   `json:"ttl_falls"`
	Invalid     string `json:"invalid,omitempty"`
}

// Stay is how the address went, and until when it was answered, in seconds.
type Stay struct {
	Ending Ending     `json:"ending"`
	For    stats.Time `json:"for"`
}

// Ending is how an address went.
type Ending string

// Kept: it was answered with a TTL that falls. Never: with one that does not, until
// watching ended.
const (
	WithdrawnAtOnce Ending = "withdrawn at once"
	WithdrawnLater  Ending = "withdrawn later"
	KeptByCache     Ending = "kept by a cache"
	NeverWithdrawn  Ending = "never withdrawn"
)

// NewEmptied reduces a verdict.
func NewEmptied(v *judge.Verdict) Emptied {
	e := Emptied{ID: v.Trial.ID, DNS: v.Trial.Arm.DNS}
	if v.Status == results.Invalid || v.Kept == nil {
		e.Invalid = "invalid: " + strings.Join(v.Reasons, "; ")
		return e
	}
	e.TTL, e.Falls = v.Kept.TTL, v.Kept.Falls
	e.PodGone = newStay(v.Kept.Pod, e.Falls)
	if v.Kept.Service != nil {
		s := newStay(*v.Kept.Service, e.Falls)
		e.ServiceGone = &s
	}
	return e
}

func newStay(s judge.Stay, falls bool) Stay {
	out := Stay{WithdrawnLater, stats.Time{At: s.For.Seconds(), Censored: s.Censored}}
	switch {
	case !s.Censored && s.For <= AtOnce:
		out.Ending = WithdrawnAtOnce
	case falls:
		out.Ending = KeptByCache
	case s.Censored:
		out.Ending = NeverWithdrawn
	}
	return out
}

// addEmptied takes in a trial, in the place of an earlier attempt.
func (a *Analysis) addEmptied(e Emptied) {
	if i := slices.IndexFunc(a.emptied, func(was Emptied) bool { return was.ID == e.ID }); i >= 0 {
		a.emptied[i] = e
		a.Retried++
		return
	}
	a.emptied = append(a.emptied, e)
}

// Emptied are the trials of observer empty-service, in their order.
func (a *Analysis) Emptied() []Emptied { return a.emptied }

// stays says whether the record of a DNS' last pod stays.
func (a *Analysis) stays(dns plan.DNS) Prediction {
	p := Prediction{What: "the Job's pods go, the Service stays: is the old record withdrawn?", Predicted: "no",
		Seen: "-", Decision: NotTestable}
	for _, e := range a.emptied {
		if e.DNS != dns || e.Invalid != "" {
			continue
		}
		p.Seen = string(e.PodGone.Ending)
		switch e.PodGone.Ending {
		case NeverWithdrawn:
			p.Decision = Supported
		case WithdrawnAtOnce, WithdrawnLater:
			p.Decision = Refuted
			return p
		}
	}
	return p
}
