package judge

import (
	"time"

	"headless-job-dns/internal/results"
)

// Stage names what a stretch of time went to.
type Stage string

// The stages of a pair's time from the request that created the Job until the
// client was connected to the peer, in the order of the chain. The first eight
// are of the pod that was later, the client's or the peer's; from StageUnasked
// on they are of the client.
const (
	StageCreate   Stage = "creating the pod" // request to pod object
	StageSchedule Stage = "scheduling"       // to a node assigned
	StageAddress  Stage = "starting: until the pod IP is reported"
	StageStart    Stage = "starting: until the process runs" // init containers included
	StageReady    Stage = "until Ready is reported"
	StageService  Stage = "until the Service exists" // it was created after the pod could have been in it
	StageSlice    Stage = "until in an EndpointSlice"
	StageServer   Stage = "until on the DNS server" // the last one, by the uncached view; only where it was asked
	StageUnasked  Stage = "not asked yet"           // the client's own first question was later
	StageDenial   Stage = "cached denial"           // told "does not exist" although the record was there
	StageDenied   Stage = "denied, fresh or cached" // the same where it cannot be told
	StageStale    Stage = "stale answer"            // an address that is not the peer's, and the connects to it
	StageNoAnswer Stage = "no usable answer"        // time-outs, SERVFAIL, garbage
	StagePolling  Stage = "until asked again"       // the last answer was right when it came: the client's interval or pause
	StageAnswer   Stage = "until answered"          // from the question that got the right answer to that answer
	StageConnect  Stage = "connecting"              // from the right answer to connected
)

// Stages lists every stage in the order of the chain.
var Stages = []Stage{
	StageCreate, StageSchedule, StageAddress, StageStart, StageReady, StageService, StageSlice, StageServer,
	StageUnasked, StageDenial, StageDenied, StageStale, StageNoAnswer, StagePolling, StageAnswer, StageConnect,
}

// stages is len(Stages).
const stages = 16

// PodMoments holds when one pod passed each stage, since just before the
// request that created the Job. What a watch reported is the time of receipt;
// the process' start, answers and connects are the pod's own times, put on the
// runner's axis. What the observer never looks for is lost with NotObserved.
type PodMoments struct {
	Index                                         int
	Created, Scheduled, Addressed, Started, Ready Measurement
	InSlice                                       Measurement
	OnServer                                      Measurement // its name on the last DNS server to have it
	// Resolved and Connected are the pod's as a client: its last pair.
	Resolved, Connected Measurement
}

// StageEnd is when the slowest pod had passed a stage.
type StageEnd struct {
	Name string
	At   Measurement
	// Step is how much later that was than the end before it in time, which
	// need not be the one before it here: a watch reports late what a process
	// knows at once.
	Step Measurement
}

func (j *judgement) moments() []PodMoments {
	resolved, connected := make([]lastOf, len(j.logs)), make([]lastOf, len(j.logs))
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		resolved[p.Client].add(p.Resolved.Since)
		connected[p.Client].add(p.Connected.Since)
	}
	asClient := func(l *lastOf) Measurement {
		if l.n == 0 { // solo's index 0
			return lost(NotObserved)
		}
		return l.get()
	}
	out := make([]PodMoments, len(j.logs))
	for i, l := range j.logs {
		e := &j.events[i]
		receipt := func(what results.What) Measurement {
			t, ok := e.at[what]
			return received(t, ok)
		}
		out[i] = PodMoments{
			Index: i, Created: receipt(results.Created), Scheduled: receipt(results.Scheduled),
			Addressed: receipt(results.Addressed), Started: j.started(l), Ready: receipt(results.Ready),
			InSlice: received(e.inSlice, e.hasInSlice), OnServer: j.onName[i],
			Resolved: asClient(&resolved[i]), Connected: asClient(&connected[i]),
		}
	}
	return out
}

func received(t int64, ok bool) Measurement {
	if !ok {
		return lost("not seen by the watch")
	}
	return Measurement{Value: time.Duration(t), Lo: time.Duration(t)}
}

func (j *judgement) started(l *podLog) Measurement {
	m := j.own(l, 0)
	switch {
	case l.start == nil:
		return lost(l.problem)
	case !m.ok:
		return lost("its clock is not tied to the runner's")
	}
	return Measurement{Value: time.Duration(m.mid), Lo: time.Duration(m.mid), Clock: m.error()}
}

// end is the name of a stage's end and when the slowest pod had passed it;
// empty where no moment of its own marks it.
func (j *judgement) end(s Stage) (string, Measurement) {
	slowest := func(of func(m *PodMoments) Measurement) Measurement {
		var last lastOf
		for i := range j.v.Moments {
			last.add(of(&j.v.Moments[i]))
		}
		return last.get()
	}
	switch s {
	case StageCreate:
		return "created", slowest(func(m *PodMoments) Measurement { return m.Created })
	case StageSchedule:
		return "scheduled", slowest(func(m *PodMoments) Measurement { return m.Scheduled })
	case StageAddress:
		return "addressed", slowest(func(m *PodMoments) Measurement { return m.Addressed })
	case StageStart:
		return "process started", slowest(func(m *PodMoments) Measurement { return m.Started })
	case StageReady:
		return "ready", slowest(func(m *PodMoments) Measurement { return m.Ready })
	case StageSlice:
		return "in EndpointSlice", slowest(func(m *PodMoments) Measurement { return m.InSlice })
	case StageServer:
		return "on DNS servers", j.v.OnServer.Since
	case StageAnswer:
		return "client's answer current", j.v.Resolved.Since
	case StageConnect:
		return "connected", j.v.Connected.Since
	}
	return "", Measurement{}
}

// stageEnds are the slowest pod's times, stage by stage.
func (j *judgement) stageEnds() []StageEnd {
	var list []StageEnd
	for _, s := range Stages {
		if name, at := j.end(s); name != "" {
			list = append(list, StageEnd{Name: name, At: at})
		}
	}
	for i := range list {
		list[i].Step = stepBefore(list, i)
	}
	return list
}

// stepBefore is how much later a stage ended than the one before it in time.
func stepBefore(list []StageEnd, i int) Measurement {
	at := list[i].At
	if !at.Known() {
		return at
	}
	var before Measurement
	for k, s := range list {
		switch o := s.At; {
		case k == i || !o.Known():
		case o.Censored && k < i:
			return lost("an earlier stage had not happened")
		case o.Censored || o.Value > at.Value || o.Value == at.Value && k > i:
		case o.Value >= before.Value:
			before = o
		}
	}
	at.Value -= before.Value
	at.Lo = min(at.Lo-before.Value, at.Value)
	at.Clock = max(at.Clock, before.Clock)
	return at
}
