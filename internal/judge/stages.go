package judge

import (
	"time"

	"headless-job-dns/internal/result"
)

// Stage is one moment that every pod of a trial passes, in the order of a
// pod's life.
type Stage struct {
	Name string
	// At is when the slowest pod was there, since just before the request that
	// created the Job. What a watch reported is the time of receipt; the
	// process' start and what follows from questions and connects are the
	// pods' own times, put on the runner's axis.
	At Outcome
	// Step is how much later that was than the stage before it in time, which
	// need not be the one before it here: a watch reports late what a process
	// knows at once.
	Step Outcome
}

// stages are the slowest pod's times, stage by stage. Stages that the trial's
// observer never looks for are lost with NotAsked.
func (j *judgement) stages() []Stage {
	receipt := func(what result.What) Outcome {
		return j.slowest(func(i int) Outcome {
			t, ok := j.events[i].at[what]
			if !ok {
				return lost("not seen by the watch")
			}
			return Outcome{Value: time.Duration(t), Lo: time.Duration(t)}
		})
	}
	process := j.slowest(func(i int) Outcome {
		l := j.logs[i]
		m := j.own(l, 0)
		switch {
		case l.start == nil:
			return lost(l.problem)
		case !m.ok:
			return lost("its clock is not tied to the runner's")
		}
		return Outcome{Value: time.Duration(m.mid), Lo: time.Duration(m.mid), Clock: m.error()}
	})
	inSlice := j.slowest(func(i int) Outcome {
		if e := j.events[i]; e.hasInSlice {
			return Outcome{Value: time.Duration(e.inSlice), Lo: time.Duration(e.inSlice)}
		}
		return lost("not seen by the watch")
	})
	list := []Stage{
		{Name: "created", At: receipt(result.Created)},
		{Name: "scheduled", At: receipt(result.Scheduled)},
		{Name: "addressed", At: receipt(result.Addressed)},
		{Name: "process started", At: process},
		{Name: "ready", At: receipt(result.Ready)},
		{Name: "in EndpointSlice", At: inSlice},
		{Name: "on DNS servers", At: j.v.OnServer.Since},
		{Name: "client's answer current", At: j.v.Resolved.Since},
		{Name: "connected", At: j.v.Connected.Since},
	}
	for i := range list {
		list[i].Step = step(list, i)
	}
	return list
}

func (j *judgement) slowest(of func(index int) Outcome) Outcome {
	all := make([]Outcome, len(j.logs))
	for i := range all {
		all[i] = of(i)
	}
	return latest(all)
}

// step is how much later a stage was than the one before it in time.
func step(list []Stage, i int) Outcome {
	at := list[i].At
	if !at.Known() {
		return at
	}
	var before Outcome
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
