package judge

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// StageTime is how much of a pair's time went to one stage. A stage that took
// no time has none.
type StageTime struct {
	Stage Stage
	Took  time.Duration
	// Clock is by how much Took may be off either way because its ends were
	// read from different clocks; 0 where they were not.
	Clock time.Duration
	// Of cached denials and stale answers: how much of its TTL the record had
	// used up when first and last seen, in whole seconds, so that it was up to
	// one second older; -1: not known. Over is between the two questions.
	Age  [2]float64
	Over time.Duration
}

// point is a moment on the runner's axis, with the clock that it was read from.
type point struct {
	t     int64 // ns after the run's zero
	clock int
}

// apart is by how much the distance of two points may be off.
func (j *judgement) apart(a, b point) time.Duration {
	if a.clock == b.clock {
		return 0
	}
	lo, hi := j.clocks.span(a.clock, b.clock)
	return time.Duration(hi - lo - (hi-lo)/2)
}

// attribute divides the time of every pair whose times are known among the
// stages.
func (j *judgement) attribute() {
	j.findTimelines()
	var a attribution
	for i := range j.v.Pairs {
		a.pair(j, &j.v.Pairs[i])
	}
}

// attribution divides one pair's time. Each moment is given to one stage, so
// that the stages add up to the whole.
type attribution struct {
	*judgement
	client *podLog
	log    *peerLog  // of the client, about the peer
	peer   *timeline // of the peer
	start  point     // of the client's process
	there  point     // the peer's name could be answered
	end    point

	pos   point // the time up to here is given
	from  point // where the current stage's stretch began
	stage int   // of Stages, the current one; -1: none yet
	took  [stages]int64
	clock [stages]time.Duration
	kept  [stages]*StageTime // Age and Over of the answers that were held
	asked [stages]int64      // when the first of these was asked for

	list, open []question // scratch
}

// question is a question whose time is known: a run's first or last.
type question struct {
	at    int64 // when it was sent, on the client's axis
	run   *answer
	first bool
}

// on is a time of the client's log on the runner's axis.
func (a *attribution) on(t int64) point { return point{a.start.t + t, a.client.clock} }

// give gives the time up to a point to a stage.
func (a *attribution) give(s Stage, until point) {
	if until.t >= a.end.t {
		until = a.end
	}
	if until.t <= a.pos.t {
		return
	}
	if i := slices.Index(Stages, s); i != a.stage {
		a.endStretch()
		a.stage, a.from = i, a.pos
	}
	a.took[a.stage] += until.t - a.pos.t
	a.pos = until
}

// endStretch ends a stretch of one stage: only the clocks of its ends make it
// uncertain.
func (a *attribution) endStretch() {
	if a.stage >= 0 {
		a.clock[a.stage] += a.apart(a.from, a.pos)
	}
}

// follow gives time to the stages of a pod, none of which ends later than
// until.
func (a *attribution) follow(steps []step, until point) {
	for _, s := range steps {
		if s.at.t >= until.t {
			s.at = until
		}
		a.give(s.stage, s.at)
	}
}

// pair divides one pair's time. The pod that was later, the client's process
// or the peer's name, is followed until both are there; the other one had to
// wait for it anyway. From then on the client's answers tell what it waited
// for.
func (a *attribution) pair(j *judgement, p *Pair) {
	total := p.Connected.Since
	if !total.Known() || total.Value <= 0 {
		return
	}
	client := j.logs[p.Client]
	*a = attribution{
		judgement: j, client: client, log: client.about(p.Peer), peer: &j.timelines[p.Peer],
		start: point{j.own(client, 0).mid, client.clock}, end: point{int64(total.Value), client.clock},
		stage: -1, list: a.list[:0], open: a.open[:0],
	}
	right, process := a.right(), a.peer.process
	if right != nil && process.ok && process.t < a.end.t &&
		process.t-int64(2*a.apart(process.point, a.end)) > a.on(right.at).t {
		// The name was there before the process was: nothing else was waited
		// for. Where clocks are tied loosely it must be certain.
		a.follow(a.peer.start, process.point)
		a.give(StageConnect, a.end)
	} else if there, stage, known := a.peer.until(right, a.on); !known {
		a.follow(a.peer.steps, a.end)
		a.give(stage, a.end)
	} else {
		if a.there = there; a.start.t >= there.t {
			a.follow(j.timelines[p.Client].start, a.start)
		} else {
			a.follow(a.peer.steps, there)
			a.give(stage, there)
		}
		a.answers()
	}
	a.give(StageNoAnswer, a.end) // nothing is left over but by a log that contradicts itself
	a.endStretch()
	for i, took := range a.took {
		if took == 0 {
			continue
		}
		t := StageTime{Stage: Stages[i], Took: time.Duration(took), Clock: a.clock[i], Age: [2]float64{-1, -1}}
		if k := a.kept[i]; k != nil {
			t.Age, t.Over = k.Age, k.Over
		}
		p.StageTimes = append(p.StageTimes, t)
	}
}

// right is the first answer with which the client could connect; nil: it got
// none.
func (a *attribution) right() *answer {
	var first *answer
	for i := range a.log.answers {
		if r := &a.log.answers[i]; r.right && (first == nil || r.at < first.at) {
			first = r
		}
	}
	return first
}

// answers gives the time from when the peer's name could be answered to what
// the client was told: each moment belongs to the client's latest answer, from
// when it asked for it until it asked again. Of a run of equal answers only the
// first and the last question are known. Where runs overlap, the time between
// two known questions is divided among the runs that went on through it, by how
// often they were given and by how long one of them holds a client up.
func (a *attribution) answers() {
	list := a.questions()
	if len(list) == 0 {
		a.give(StageUnasked, a.end)
		return
	}
	a.give(StageUnasked, a.on(list[0].at))
	for k, q := range list {
		until := a.end
		if k+1 < len(list) {
			until = a.on(list[k+1].at)
		}
		if q.first && q.run.right {
			a.give(StageAnswer, a.on(q.run.at))
			if !a.solo() {
				// Later answers do not end the connects to this address.
				a.give(StageConnect, a.end)
				return
			}
		}
		a.between(q, until)
	}
}

// questions are the questions whose times are known, in order: of the one family
// that was answered rightly first, or of A.
func (a *attribution) questions() []question {
	typ := a.family()
	for i := range a.log.answers {
		r := &a.log.answers[i]
		// A search domain's denial says nothing about the peer's name and
		// costs a round trip.
		if r.View != record.Client || r.Type != typ || r.Suffix != "" && denials(r.Class) {
			continue
		}
		a.list = append(a.list, question{r.Asked, r, true})
		if count(r.closed) > 1 {
			a.list = append(a.list, question{r.lastAsked(), r, false})
		}
	}
	slices.SortStableFunc(a.list, func(x, y question) int { return cmp.Compare(x.at, y.at) })
	return a.list
}

// family is the type of record that the client's time is told from: that of the
// right answer, failing that of an answer with an address at all, failing that
// the first that was asked for. On a cluster of IPv6 alone it is AAAA.
func (a *attribution) family() string {
	if right := a.right(); right != nil {
		return right.Type
	}
	first := ""
	for i := range a.log.answers {
		r := &a.log.answers[i]
		switch {
		case r.View != record.Client:
		case r.Class == record.Address:
			return r.Type
		case first == "" || r.Type == "A": // of both, what a client of one family asks
			first = r.Type
		}
	}
	return first
}
