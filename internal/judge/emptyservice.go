package judge

import (
	"slices"
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Kept is for how long the address of a Service's last pod was answered after that
// pod was gone: what a trial of observer empty-service shows.
type Kept struct {
	// TTL is the highest with which it was answered, in seconds. Falls tells that
	// it was answered with less as well: by a cache.
	TTL   uint32
	Falls bool
	// Pod counts from when the Service had no ready endpoint, Service from when it
	// was deleted; nil: no address was answered any more by then.
	Pod     Stay
	Service *Stay
}

// Stay ends with the last answer that held the address; 0: there was none.
type Stay struct {
	For      time.Duration
	Censored bool // the answers to the last questions held it
}

// kept reads the log of the pod that asked.
func (j *judgement) kept() {
	invalid := func(why string) {
		j.v.Status = results.Invalid
		j.v.Reasons = append(j.v.Reasons, why)
	}
	if j.v.Status == results.Invalid {
		return
	}
	if len(j.logs) != 1 || j.logs[0].problem != "" {
		invalid("the log of the pod that asked is not whole")
		return
	}
	log := j.logs[0]
	var k Kept
	held, asked := int64(-1), int64(-1) // the last questions that were answered with it, and of all
	for _, a := range log.answers {
		asked = max(asked, a.lastAsked())
		if a.Class != record.Address {
			continue
		}
		held = max(held, a.lastAsked())
		top, atTop := deref(a.TTL), 1
		if c := a.closed; c != nil {
			top, atTop = deref(c.TopTTL), c.AtTop
		}
		k.Falls = k.Falls || atTop < count(a.closed) || k.TTL > 0 && top != k.TTL
		k.TTL = max(k.TTL, top)
	}
	if held < 0 {
		invalid("no address was answered before the pod went")
		return
	}
	gone, deleted := emptied(j.t.Run.Events)
	if gone == 0 {
		invalid("the pod did not go")
		return
	}
	axis := func(t int64) time.Duration {
		return time.Duration(j.clocks.on(log.clock, log.start.Wall+t, 0, j.t.Run.Zero.UnixNano()).mid)
	}
	last := axis(held)
	k.Pod = Stay{For: max(0, last-gone), Censored: held == asked}
	if deleted > 0 && last > deleted {
		k.Pod = Stay{For: deleted - gone, Censored: true}
		k.Service = &Stay{For: last - deleted, Censored: held == asked}
	}
	j.v.Kept = &k
}

// emptied is when the Service's last ready endpoint was gone, and when the Service
// was, since the run's zero; 0: never.
func emptied(events []results.Event) (gone, deleted time.Duration) {
	had, ready := false, func(ep results.Endpoint) bool { return ep.Ready }
	for _, e := range events {
		switch {
		case e.Object == "service" && e.What == results.Deleted:
			return gone, time.Duration(e.T)
		case e.Object != "endpointslice":
		case e.What == results.Changed && slices.ContainsFunc(e.Endpoints, ready):
			had, gone = true, 0
		case had && gone == 0:
			gone = time.Duration(e.T)
		}
	}
	return gone, 0
}
