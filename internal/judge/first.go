package judge

import (
	"time"

	"headless-job-dns/internal/record"
)

// FirstAsked is when a solo trial's first question for the leader's name was
// sent, by whichever worker. A DNS server that is asked before the name exists
// denies it, and may keep the denial: which came first can decide a trial.
type FirstAsked struct {
	Start Measurement // since the leader's process started; negative: before
	Slice Measurement // since the runner was told of the leader's entry in an EndpointSlice
}

func (j *judgement) firstAsked() *FirstAsked {
	if !j.solo() || len(j.logs) < 2 {
		return nil
	}
	leader := j.logs[0]
	var toStart, toSlice []Measurement
	for _, l := range j.logs[1:] {
		asked, ok := l.firstAsked(leader.pod.Index)
		switch {
		case ok:
		case l.problem != "": // it may have been the first
			o := lost(l.name() + ": " + l.problem)
			return &FirstAsked{o, o}
		default:
			continue
		}
		since := func(m moment, zero int64) Measurement {
			if !m.ok {
				return lost(l.name() + ": its clock is not tied to the other")
			}
			at := time.Duration(m.mid - zero)
			return Measurement{Value: at, Lo: at, Clock: m.error()}
		}
		if leader.start == nil {
			toStart = append(toStart, lost(leader.name()+": "+leader.problem))
		} else {
			toStart = append(toStart, since(j.clocks.on(l.clock, l.start.Wall+asked, leader.clock, leader.start.Wall), 0))
		}
		if e := j.events[0]; e.hasInSlice {
			toSlice = append(toSlice, since(j.own(l, asked), e.inSlice))
		} else {
			toSlice = append(toSlice, lost("the leader was not seen in an EndpointSlice"))
		}
	}
	return &FirstAsked{first(toStart), first(toSlice)}
}

// first is the earliest; one that is lost may have been that.
func first(all []Measurement) Measurement {
	for _, o := range all {
		if !o.Known() {
			return o
		}
	}
	if len(all) == 0 {
		return lost("no question was recorded")
	}
	return earliest(all)
}

// firstAsked is when the log's first question for a peer was sent, on its own
// axis.
func (l *podLog) firstAsked(peer int) (at int64, ok bool) {
	if l.start == nil {
		return 0, false
	}
	for _, a := range l.answers {
		if a.View == record.Client && a.Peer == peer && (!ok || a.Asked < at) {
			at, ok = a.Asked, true
		}
	}
	return at, ok
}
