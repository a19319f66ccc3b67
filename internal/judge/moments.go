package judge

import (
	"time"

	"headless-job-dns/internal/results"
)

// PodMoments is when one pod passed each stage, since just before the request
// that created the Job. What a watch reported is the time of receipt; the
// process' start and what follows from questions and connects are the pods' own
// times, put on the runner's axis. What the trial's observer never looks for is
// lost with NotAsked.
type PodMoments struct {
	Index                                         int
	Created, Scheduled, Addressed, Started, Ready Measurement
	InSlice                                       Measurement
	OnServer                                      Measurement // its name on the last DNS server to have it
	// Resolved and Connected are the pod's as a client: its last pair.
	Resolved, Connected Measurement
}

func (j *judgement) moments() []PodMoments {
	current, connected := make([]lastOf, len(j.logs)), make([]lastOf, len(j.logs))
	for i := range j.v.Pairs {
		if p := &j.v.Pairs[i]; !p.Self {
			current[p.Client].add(p.Resolved.Since)
			connected[p.Client].add(p.Connected.Since)
		}
	}
	client := func(l *lastOf) Measurement {
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
			Index: i, Created: receipt(results.Created), Scheduled: receipt(results.Scheduled), Addressed: receipt(results.Addressed),
			Started: j.started(l), Ready: receipt(results.Ready), InSlice: received(e.inSlice, e.hasInSlice),
			OnServer: j.onName[i], Resolved: client(&current[i]), Connected: client(&connected[i]),
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
