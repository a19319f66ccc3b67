package judge

// Stage is one moment that every pod of a trial passes, in the order of a
// pod's life.
type StageEnd struct {
	Name string
	// At is when the slowest pod was there; see PodMoments.
	At Measurement
	// Step is how much later that was than the stage before it in time, which
	// need not be the one before it here: a watch reports late what a process
	// knows at once.
	Step Measurement
}

// stages are the slowest pod's times, stage by stage. Stages that the trial's
// observer never looks for are lost with NotAsked.
func (j *judgement) stages() []StageEnd {
	slowest := func(of func(m *PodMoments) Measurement) Measurement {
		all := make([]Measurement, len(j.v.Moments))
		for i := range all {
			all[i] = of(&j.v.Moments[i])
		}
		return latest(all)
	}
	list := []StageEnd{
		{Name: "created", At: slowest(func(m *PodMoments) Measurement { return m.Created })},
		{Name: "scheduled", At: slowest(func(m *PodMoments) Measurement { return m.Scheduled })},
		{Name: "addressed", At: slowest(func(m *PodMoments) Measurement { return m.Addressed })},
		{Name: "process started", At: slowest(func(m *PodMoments) Measurement { return m.Started })},
		{Name: "ready", At: slowest(func(m *PodMoments) Measurement { return m.Ready })},
		{Name: "in EndpointSlice", At: slowest(func(m *PodMoments) Measurement { return m.InSlice })},
		{Name: "on DNS servers", At: j.v.OnServer.Since},
		{Name: "client's answer current", At: j.v.Resolved.Since},
		{Name: "connected", At: j.v.Connected.Since},
	}
	for i := range list {
		list[i].Step = stepBefore(list, i)
	}
	return list
}

// stepBefore is how much later a stage was than the one before it in time.
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
