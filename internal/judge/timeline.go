package judge

import (
	"slices"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// timeline holds when each stage of one pod ended, on the runner's axis.
type timeline struct {
	start   []step   // up to the process: all that a client passes
	process maybe    // the first instruction
	steps   []step   // up to where the pod's name is answered from, as far as was seen
	there   maybe    // the name could be answered; not ok: that was not seen
	last    Stage    // ended with there
	open    Stage    // had not ended, where there is not ok
	sure    maybe    // every DNS server had the name by then for certain
	servers []string // that were looked at
}

// step is the end of one stage.
type step struct {
	stage Stage
	at    point
}

// maybe is a point that may not be known.
type maybe struct {
	point
	ok bool
}

// until is when the peer's name could be answered, given the first right
// answer that the client got, and the stage that ended then. ok is false where
// that stage had not ended.
func (l *timeline) until(right *answer, on func(int64) point) (at point, stage Stage, ok bool) {
	there := l.there
	switch {
	case right == nil && !there.ok:
		return point{}, l.open, false
	case right == nil:
		return there.point, l.last, true
	case !there.ok && l.open != StageServer:
		// The watch missed something: as far as is known.
		return there.point, l.last, true
	}
	asked := on(right.Asked)
	if there.ok && there.t <= asked.t {
		return there.point, l.last, true
	}
	// The look at the last server came later than the answer.
	return asked, l.last, true
}

// findTimelines collects the timeline of each pod.
func (j *judgement) findTimelines() {
	j.timelines = make([]timeline, len(j.logs))
	service := maybe{}
	for _, e := range j.t.Run.Events {
		if e.Object == "service" && e.What == results.Created && e.Name == j.t.Plan.Service && !service.ok {
			service = maybe{point{t: e.T}, true}
		}
	}
	j.answering = j.findAnswering()
	looks := j.looks()
	for i := range j.timelines {
		j.timelines[i] = j.timeline(i, service, looks[i])
	}
}

func (j *judgement) timeline(i int, service maybe, looks []looked) timeline {
	var out timeline
	log, events := j.logs[i], &j.events[i]
	var steps []step
	missing := Stage("") // the first of the last stages whose end was not seen
	add := func(s Stage, m maybe) {
		switch {
		case m.ok:
			steps, missing = append(steps, step{s, m.point}), ""
		case missing == "":
			missing = s
		}
	}
	receipt := func(s Stage, what results.What) {
		t, ok := events.at[what]
		add(s, maybe{point{t: t}, ok})
	}
	receipt(StageCreate, results.Created)
	receipt(StageSchedule, results.Scheduled)
	if m := j.own(log, 0); m.ok {
		out.process = maybe{point{m.mid, log.clock}, true}
	}
	scheduled := len(steps)
	add(StageStart, out.process)
	out.start = inOrder(slices.Clone(steps))
	if j.t.Plan.Arm.Publish || !out.process.ok {
		steps, missing = steps[:scheduled], ""
		receipt(StageAddress, results.Addressed)
	}
	if !j.t.Plan.Arm.Publish {
		receipt(StageReady, results.Ready)
	}
	slice := maybe{point{t: events.inSlice}, events.hasInSlice}
	add(StageSlice, slice)
	if on, ok := j.onServers(looks, slice); ok {
		out.sure, out.servers = on.sure, on.servers
		missing = StageServer
		add(StageServer, on.estimate)
	}
	out.steps = withService(inOrder(steps), service)
	out.last, out.open = missing, missing
	if n := len(out.steps); n > 0 {
		out.there.point = out.steps[n-1].at
		if missing == "" {
			out.there.ok, out.last = true, out.steps[n-1].stage
		}
	}
	return out
}

// inOrder lets no step end later than one after it: a watch may report late
// what a process knows at once.
func inOrder(steps []step) []step {
	for i := len(steps) - 2; i >= 0; i-- {
		if steps[i].at.t > steps[i+1].at.t {
			steps[i].at = steps[i+1].at
		}
	}
	return steps
}

// withService puts the Service's creation before the step into an
// EndpointSlice where that had to wait for it.
func withService(steps []step, service maybe) []step {
	i := slices.IndexFunc(steps, func(s step) bool { return s.stage == StageSlice })
	if !service.ok || i < 1 || service.t <= steps[i-1].at.t {
		return steps
	}
	if service.t > steps[i].at.t {
		service.point = steps[i].at
	}
	return slices.Insert(steps, i, step{StageService, service.point})
}

// looked is when one client saw a name on one DNS server, on the runner's axis.
type looked struct {
	server string
	lo, hi point
	seen   bool // hi is when
	absent bool // lo is when the last look was begun that missed it
	gap    bool // looks after that one could not tell
}

// looks collects, for each peer, who saw its name where.
func (j *judgement) looks() [][]looked {
	out := make([][]looked, len(j.logs))
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		for _, r := range p.Servers {
			o := r.Seen.Since
			if !o.Known() {
				continue
			}
			client := j.logs[p.Client]
			out[p.Peer] = append(out[p.Peer], looked{
				server: r.Server, lo: point{j.own(client, r.missed).mid, client.clock}, hi: point{int64(o.Value), client.clock},
				seen: !o.Censored, absent: r.missed >= 0, gap: r.gap,
			})
		}
	}
	return out
}

// onServers is when all DNS servers had a name.
type onServers struct {
	estimate maybe // not ok: one of them had not
	sure     maybe // for certain; not ok: not every server was looked at
	servers  []string
}

// onServers combines the looks at one name: each server had it between the
// last look that missed it and the first that did not, whoever looked, and the
// last server counts. The middle of that interval is off by half of it at
// most. Where no look missed it, or looks in between could not tell, it came
// with the EndpointSlice as far as is known: what else held the client up shows
// in its own answers. ok is false where nobody's look can tell.
//
// With reused names a name that no look missed may be the old one: a question
// of an unserved type shows the name, not the address.
func (j *judgement) onServers(looks []looked, slice maybe) (on onServers, ok bool) {
	reused := j.t.Primer != nil
	never := false
	for i, l := range looks {
		if slices.Contains(on.servers, l.server) || slices.ContainsFunc(looks[:i],
			func(b looked) bool { return b.server == l.server }) {
			continue
		}
		var lo, hi maybe
		gap, silent := false, true
		for _, o := range looks[i:] {
			if o.server != l.server {
				continue
			}
			if o.absent && (!lo.ok || o.lo.t > lo.t) {
				lo = maybe{o.lo, true}
			}
			silent = silent && o.gap
			if o.seen && (o.absent || !reused) && (!hi.ok || o.hi.t < hi.t) {
				hi, gap = maybe{o.hi, true}, o.gap
			}
		}
		switch {
		case !hi.ok && !lo.ok:
			continue // it never answered, or only with what may be the old name
		case !hi.ok:
			// One that went silent denies nothing to clients either.
			never = never || !silent
		}
		ok = true
		on.servers = append(on.servers, l.server)
		if !hi.ok {
			continue
		}
		est := hi
		low, known := slice, slice.ok // the earliest that is possible
		if lo.ok && (!known || lo.t > low.t) {
			low, known = lo, true
		}
		switch {
		case !known || low.t >= hi.t:
		case !lo.ok || gap:
			est = low
		default:
			est.t = low.t + (hi.t-low.t)/2
		}
		if !on.estimate.ok || est.t > on.estimate.t {
			on.estimate = est
		}
		if !on.sure.ok || hi.t > on.sure.t {
			on.sure = hi
		}
	}
	if never {
		on.estimate, on.sure = maybe{}, maybe{}
	}
	if !j.allLooked(on.servers) {
		on.sure = maybe{}
	}
	return on, ok
}

// allLooked tells whether the servers that were looked at are all that can
// have answered a client, as far as the probes were told.
func (j *judgement) allLooked(servers []string) bool {
	return !slices.ContainsFunc(j.answering, func(r string) bool { return !slices.Contains(servers, r) })
}

// findAnswering lists the DNS servers that may have answered a client. One
// that answered nobody's check answered no client either; one of which no check
// was recorded may have.
func (j *judgement) findAnswering() (out []string) {
	add := func(r string) {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, l := range j.logs {
		for _, c := range l.checks {
			if !silent(c.Present) || !silent(c.Absent) {
				add(c.Server)
			}
		}
	}
	checked := func(r string) bool {
		return slices.ContainsFunc(j.logs, func(l *podLog) bool { _, ok := l.failed[r]; return ok })
	}
	for _, l := range j.logs {
		if l.start == nil {
			continue
		}
		for _, r := range l.start.Replicas {
			if !checked(r) {
				add(r)
			}
		}
	}
	return out
}

func silent(class string) bool {
	switch record.Class(class) {
	case "", record.Timeout, record.Error:
		return true
	}
	return false
}
