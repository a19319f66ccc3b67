package judge

import (
	"slices"
	"time"
)

// Stage names what a stretch of time went to.
type Stage string

// The parts of a pair's time from the request that created the Job until the
// client was connected to the asked, in the order of the chain.
//
// Up to StageServer they are about whichever of the two was later: the client's
// process, or the peer's record on the DNS servers. The other one had to
// wait for it anyway. Each part ends with the moment that it names. A watch
// reports late what a process knows at once, so that a moment reported after a
// later one of the chain counts as no later than that one. The report of the
// pod IP delays nobody unless the name is published before Ready or the address
// is brought without DNS; elsewhere all of a pod's start is StageStart.
//
// From there on every moment belongs to what the client was doing.
const (
	StageCreate   Stage = "creating the pod" // request to pod object
	StageSchedule Stage = "scheduling"       // to a node assigned
	StageAddress  Stage = "starting: until the pod IP is reported"
	StageStart    Stage = "starting: until the process runs" // init containers included
	StageReady    Stage = "until Ready is reported"
	StageService  Stage = "until the Service exists" // it was created after the pod could have been in it
	StageSlice    Stage = "until in an EndpointSlice"
	StageServer   Stage = "until on the DNS server" // the last one, by the uncached view; only where it was asked
	StageUnasked  Stage = "not asked yet"           // the client's own first question was later; by address: not brought yet
	StageDenial   Stage = "cached denial"           // told "does not exist" although the record was there
	StageDenied   Stage = "denied, fresh or cached" // the same where it cannot be told
	StageStale    Stage = "stale answer"            // an address that is not the peer's, and the dials to it
	StageNoAnswer Stage = "no usable answer"        // time-outs, SERVFAIL, garbage; and the wait for the right answer
	StagePolling  Stage = "until asked again"       // the last answer was right when it came: the client's own interval or pause
	StageConnect  Stage = "connecting"              // from a current answer to connected
)

// Stages lists every Stage in the order of the chain.
var Stages = []Stage{
	StageCreate, StageSchedule, StageAddress, StageStart, StageReady, StageService, StageSlice, StageServer,
	StageUnasked, StageDenial, StageDenied, StageStale, StageNoAnswer, StagePolling, StageConnect,
}

// parts is len(Parts).
const parts = 15

// chunk is how many shares are allocated at once, at most: those of about a
// hundred pairs.
const chunk = 1024

// StageTime is how much of a pair's time went to one part. Parts that took no time
// have none.
type StageTime struct {
	Stage Stage
	Took  time.Duration
	// Clock is by how much Took may be off either way because its ends were
	// read from different clocks; 0 where they were not.
	Clock time.Duration
	// Of cached denials and stale answers: how much of its TTL the record had
	// used up when first and last seen, in whole seconds, so that it was up to
	// one second older; -1: not known.
	Age    [2]float64
	Server string // which gave all of them, where that was one replica for certain
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

// shares splits the time of every pair whose times are known.
func (j *judgement) shares() {
	j.findTimelines()
	s := &splitter{judgement: j}
	for i := range j.v.Pairs {
		s.pair(&j.v.Pairs[i])
	}
	if !j.v.Connected.Since.Known() {
		return
	}
	var last *Pair
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		if p.Self {
			continue
		}
		// What never happened was later than all that did.
		if o := p.Connected.Since; last == nil || o.Censored && !last.Connected.Since.Censored ||
			o.Censored == last.Connected.Since.Censored && o.Value > last.Connected.Since.Value {
			last = p
		}
	}
	if last != nil && last.StageTimes != nil {
		j.v.StageTimes, j.v.SlowestPair = slices.Clone(last.StageTimes), [2]int{last.Client, last.Peer}
	}
}

// splitter writes one pair's shares after another.
type splitter struct {
	*judgement
	all []StageTime // of all pairs, one after another

	pos   point // how far this pair's time is split
	end   point
	from  point // where the stretch of the part that is being written began
	part  int   // of Parts; -1: none yet
	took  [parts]int64
	clock [parts]time.Duration
	age   [parts][2]float64
	seen  [parts]bool // an answer was noted
	by    [parts]string

	// What is known of the pair.
	client   *podLog
	log      *peerLog
	start    point     // the client's process
	there    point     // the peer's name could be answered
	timeline *timeline // the peer's

	list, open []question // scratch
}

// on is a time of the client's log on the runner's axis.
func (s *splitter) on(t int64) point { return point{s.start.t + t, s.client.clock} }

// to gives the time up to a point to a part.
func (s *splitter) to(p Stage, until point) {
	if until.t >= s.end.t {
		until = s.end
	}
	if until.t <= s.pos.t {
		return
	}
	i := slices.Index(Stages, p)
	if i != s.part {
		s.stretch()
		s.part, s.from = i, s.pos
	}
	s.took[i] += until.t - s.pos.t
	s.pos = until
}

// stretch ends the stretch of one part: its ends' clocks count, not those of
// what lies between.
func (s *splitter) stretch() {
	if s.part >= 0 {
		s.clock[s.part] += s.apart(s.from, s.pos)
	}
}

// pair splits one pair's time.
func (s *splitter) pair(p *Pair) {
	total := p.Connected.Since
	if p.Self || !total.Known() || total.Value <= 0 {
		return
	}
	client := s.logs[p.Client]
	*s = splitter{
		judgement: s.judgement, all: s.all, list: s.list[:0], open: s.open[:0], part: -1, end: point{int64(total.Value), client.clock},
		client: client, log: client.about(p.Peer), start: point{s.own(client, 0).mid, client.clock}, timeline: &s.timelines[p.Peer],
	}
	right, road := s.right(), s.timeline
	if at := road.process; right != nil && at.ok && at.t < s.end.t && at.t-int64(2*s.apart(at.point, s.end)) > s.on(right.at).t {
		// The name was there before the process was: nothing else was waited
		// for. Where clocks are tied loosely it must be certain.
		s.follow(road.start, at.point)
		s.to(StageConnect, s.end)
	} else if there, part, known := road.until(right, s.on); !known {
		s.follow(road.steps, s.end)
		s.to(part, s.end)
	} else {
		if s.there = there; s.start.t >= there.t {
			s.follow(s.timelines[p.Client].start, s.start)
		} else {
			s.follow(road.steps, there)
			s.to(part, there)
		}
		s.doing()
	}
	s.to(StageNoAnswer, s.end) // nothing is left over but by a log that contradicts itself
	s.write(p)
}

// right is the first answer with which the client could connect; nil: it got
// none.
func (s *splitter) right() *answer {
	var first *answer
	for i := range s.log.answers {
		if a := &s.log.answers[i]; a.right && (first == nil || a.at < first.at) {
			first = a
		}
	}
	return first
}

// follow gives time to the steps of a pod's way, none of which ends later than
// where the way does.
func (s *splitter) follow(way []step, until point) {
	for _, w := range way {
		if w.at.t >= until.t {
			w.at = until
		}
		s.to(w.part, w.at)
	}
}

// write puts the pair's shares together.
func (s *splitter) write(p *Pair) {
	s.stretch()
	if cap(s.all)-len(s.all) < parts {
		s.all = make([]StageTime, 0, max(parts, min(chunk, 10*len(s.v.Pairs)))) // those that were written keep theirs
	}
	from := len(s.all)
	for i, took := range s.took {
		if took == 0 {
			continue
		}
		sh := StageTime{Stage: Stages[i], Took: time.Duration(took), Clock: s.clock[i], Age: [2]float64{-1, -1}}
		if s.seen[i] {
			sh.Age, sh.Server = s.age[i], s.by[i]
		}
		s.all = append(s.all, sh)
	}
	p.StageTimes = s.all[from:len(s.all):len(s.all)]
}
