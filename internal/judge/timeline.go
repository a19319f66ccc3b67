package judge

import (
	"slices"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// timeline holds when each stage of one pod ended, on the runner's axis.
type timeline struct {
	start   []step   // to its process: what it was late with as a client
	process maybe    // its first instruction
	steps   []step   // to where its name is answered from, as far as was seen
	last    Stage    // which ends there
	there   maybe    // the name could be answered; not ok: that was not seen
	open    Stage    // not ok: what had not ended
	sure    maybe    // every DNS server had it by then for certain
	servers []string // that were looked at
}

// step is the end of one part.
type step struct {
	part Stage
	at   point
}

type maybe struct {
	point
	ok bool
}

// until is when the peer's name could be answered, given the first right
// answer that the client got, and the part that ended with it. Not known: the
// part had not ended.
func (r *timeline) until(right *answer, on func(int64) point) (point, Stage, bool) {
	switch there := r.there; {
	case right == nil && !there.ok:
		return point{}, r.open, false
	case right == nil:
		return there.point, r.last, true
	case !there.ok && r.open != StageServer:
		// The watch missed something: as far as is known.
		return there.point, r.last, true
	default:
		by := on(right.Asked)
		if right.View == record.Given { // asked: since when it had waited
			by = on(right.at)
		}
		if there.ok && there.t <= by.t {
			return there.point, r.last, true
		}
		// The look at the last server came later than the answer.
		return by, r.last, true
	}
}

// findRoads collects each pod's way.
func (j *judgement) findTimelines() {
	j.timelines = make([]timeline, len(j.logs))
	j.fullAddress = j.fullTTL(addresses)
	service := maybe{}
	for _, e := range j.t.Run.Events {
		if e.Object == "service" && e.What == results.Created && e.Name == j.t.Plan.Service && !service.ok {
			service = maybe{point{t: e.T}, true}
		}
	}
	looks := j.looks()
	for i := range j.timelines {
		j.timelines[i] = j.timeline(i, service, looks[i])
	}
}

func (j *judgement) timeline(i int, service maybe, looks []looked) timeline {
	var r timeline
	l, e := j.logs[i], &j.events[i]
	receipt := func(what results.What) maybe {
		t, ok := e.at[what]
		return maybe{point{t: t}, ok}
	}
	if m := j.own(l, 0); m.ok {
		r.process = maybe{point{m.mid, l.clock}, true}
	}
	slice := maybe{point{t: e.inSlice}, e.hasInSlice}
	steps := make([]step, 0, 8)
	missing := Stage("")
	add := func(p Stage, m maybe) {
		switch {
		case m.ok:
			steps, missing = append(steps, step{p, m.point}), ""
		case missing == "":
			missing = p
		}
	}
	add(StageCreate, receipt(results.Created))
	add(StageSchedule, receipt(results.Scheduled))
	before := len(steps)
	add(StageStart, r.process)
	r.start = inOrder(slices.Clone(steps))
	byAddress := j.t.Plan.Arm.Connect == plan.ByAddress
	if j.t.Plan.Arm.Publish || byAddress || !r.process.ok {
		steps, missing = steps[:before], ""
		add(StageAddress, receipt(results.Addressed))
	}
	if !j.t.Plan.Arm.Publish && !byAddress {
		add(StageReady, receipt(results.Ready))
	}
	if !byAddress {
		add(StageSlice, slice)
		if on, ok := j.onServers(looks, slice); ok {
			r.sure = on.sure
			r.servers = on.servers
			if on.est.ok {
				add(StageServer, on.est)
			} else {
				missing = StageServer
			}
		}
	}
	r.steps = withService(inOrder(steps), service, byAddress)
	r.last, r.open = missing, missing
	if n := len(r.steps); n > 0 {
		r.there.point = r.steps[n-1].at
		if missing == "" {
			r.there.ok, r.last = true, r.steps[n-1].part
		}
	}
	return r
}

// inOrder lets no step end later than one after it.
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
func withService(steps []step, service maybe, byAddress bool) []step {
	i := slices.IndexFunc(steps, func(s step) bool { return s.part == StageSlice })
	if !service.ok || byAddress || i < 1 || service.t <= steps[i-1].at.t {
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
		if p.Self {
			continue
		}
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
	est     maybe // best estimate; not ok: one of them had not
	sure    maybe // for certain; not ok: not every server was looked at
	servers []string
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
		if slices.Contains(on.servers, l.server) || slices.ContainsFunc(looks[:i], func(b looked) bool { return b.server == l.server }) {
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
		if !on.est.ok || est.t > on.est.t {
			on.est = est
		}
		if !on.sure.ok || hi.t > on.sure.t {
			on.sure = hi
		}
	}
	if never {
		on.est, on.sure = maybe{}, maybe{}
	}
	if !j.allLooked(on.servers) {
		on.sure = maybe{}
	}
	return on, ok
}

// allLooked tells whether the servers that were looked at are all that can
// have answered a client, as far as the probes were told. One that answered
// nobody's check answered no client either.
func (j *judgement) allLooked(servers []string) bool {
	if j.told == nil {
		j.told = map[string]bool{}
		for _, l := range j.logs {
			if l.start == nil {
				continue
			}
			for _, r := range l.start.Replicas {
				if _, ok := j.told[r]; !ok {
					j.told[r] = false
				}
			}
		}
		for _, l := range j.logs {
			for _, c := range l.checks {
				j.told[c.Server] = j.told[c.Server] || !silent(c.Present) || !silent(c.Absent)
			}
		}
		// A server of which no check was recorded may have answered.
		for r := range j.told {
			checked := slices.ContainsFunc(j.logs, func(l *podLog) bool { _, ok := l.failed[r]; return ok })
			j.told[r] = j.told[r] || !checked
		}
	}
	for r, answers := range j.told {
		if answers && !slices.Contains(servers, r) {
			return false
		}
	}
	return true
}

func silent(class string) bool {
	switch record.Class(class) {
	case "", record.Timeout, record.Error:
		return true
	}
	return false
}
