package judge

import (
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// FirstAnswer is what the workers of a Job were told first about pod 0, whose
// name a previous Job's pod 0 had.
type FirstAnswer string

const (
	FirstOld       FirstAnswer = "old"       // a worker was told the previous pod's address
	FirstWithdrawn FirstAnswer = "withdrawn" // none was, and one was told that the name does not exist
	FirstUnknown   FirstAnswer = "unknown"   // all asked once the new record was there
)

// Previous is how a previous Job that ran left its names to the measured one. Its
// durations count from its end: pod 0's last log line.
type Previous struct {
	First FirstAnswer
	// Turned tells that some worker's answer turned from the old address to a denial,
	// or back, before it was told the new one.
	Turned  bool
	Deleted time.Duration // its Service was reported deleted; 0: not seen
	Started time.Duration // the measured Job's pod 0 ran; 0: not known
	// TTL is what was left of the old record, in seconds, when a worker of the measured
	// Job was first told it: the least of the workers'; nil: none was.
	TTL *uint32
}

// previous works out what a previous Job that ran left.
func (j *judgement) previous() *Previous {
	t := j.t
	if t.Plan.Arm.Previous != plan.Ran || t.Primer == nil || t.Primer.Ended == 0 {
		return nil
	}
	p := &Previous{First: FirstUnknown}
	end := t.Primer.Zero.UnixNano() + t.Primer.Ended
	for _, e := range t.Primer.Events {
		if e.Object == "service" && e.What == results.Deleted && e.Name == t.Plan.Service {
			p.Deleted = time.Duration(e.T - t.Primer.Ended)
		}
	}
	if len(j.v.Moments) > 0 && j.v.Moments[0].Started.Known() {
		p.Started = j.v.Moments[0].Started.Value + time.Duration(t.Run.Zero.UnixNano()-end)
	}
	for _, l := range j.logs {
		first := FirstUnknown
		for i := range l.answers {
			a := &l.answers[i]
			if a.View != record.Client || a.Suffix != "" || a.Peer != 0 {
				continue
			}
			now := FirstUnknown
			switch {
			case a.Class == record.NXDomain:
				now = FirstWithdrawn
			case a.Class != record.Address:
				continue // it could not be used
			case j.owners.judge(a.Addrs, 0).Kind == Primer:
				now = FirstOld
				if ttl := a.TTL; ttl != nil && first == FirstUnknown && (p.TTL == nil || *ttl < *p.TTL) {
					p.TTL = ttl
				}
			}
			if now == FirstUnknown { // the new address
				break
			}
			if first == FirstUnknown {
				first = now
			}
			p.Turned = p.Turned || now != first
		}
		if first == FirstOld || p.First == FirstUnknown {
			p.First = first
		}
	}
	return p
}
