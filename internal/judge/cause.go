package judge

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// asked is a question whose time is known: a run's first or last.
type question struct {
	at    int64 // when it was sent, on the client's axis
	run   *answer
	first bool
}

// pauseOfSolo is the mean pause of libzmq's rules after a failed attempt,
// uniform in [100, 200) ms. Only the split of a stretch in which equal answers
// of two runs alternate depends on it.
const pauseOfSolo = int64(150 * time.Millisecond)

// doing gives the time from pos on, when the peer's name could be
// answered, to what the client did: each moment belongs to the answer that it
// held, from when it asked for it until it asked again. Of a run of equal
// answers only the first and the last question are known. Where runs overlap,
// the time between two known questions is shared out among the runs that went
// on through it, by how often they were given and by how long a client is held
// up by one.
func (s *splitter) doing() {
	list := s.questions()
	if len(list) == 0 {
		s.to(StageUnasked, s.end)
		return
	}
	s.to(StageUnasked, s.on(list[0].at))
	for k, q := range list {
		until := s.end
		if k+1 < len(list) {
			until = s.on(list[k+1].at)
		}
		if q.first && q.run.right {
			wait := StageNoAnswer
			if q.run.View == record.Given {
				wait = StageUnasked // it waited to be told
			}
			s.to(wait, s.on(q.run.at))
			if !s.solo() {
				// Later answers do not end the connects to this address.
				s.to(StageConnect, s.end)
				return
			}
		}
		s.hold(q, until)
	}
}

// questions are the questions whose times are known, in order: of the one family
// that was answered rightly first, or of A.
func (s *splitter) questions() []question {
	typ := s.family()
	for i := range s.log.answers {
		a := &s.log.answers[i]
		// A search domain's denial says nothing about the peer's name and
		// costs a round trip.
		if !a.clients() || a.Type != typ || a.Suffix != "" && denials(a.Class) {
			continue
		}
		s.list = append(s.list, question{a.Asked, a, true})
		if count(a.closed) > 1 {
			s.list = append(s.list, question{a.lastAsked(), a, false})
		}
	}
	slices.SortStableFunc(s.list, func(a, b question) int { return cmp.Compare(a.at, b.at) })
	return s.list
}

// family is the type of record that the client's time is told from: that of the
// right answer, failing that of an answer with an address at all, failing that
// the first that was asked for. Of a cluster of IPv6 alone it is AAAA.
func (s *splitter) family() string {
	if right := s.right(); right != nil {
		return right.Type
	}
	first := ""
	for i := range s.log.answers {
		a := &s.log.answers[i]
		switch {
		case !a.clients():
		case a.Class == record.Address:
			return a.Type
		case first == "" || a.Type == "A": // of both, what a client of one family asks
			first = a.Type
		}
	}
	return first
}

// maxOpen is how many runs are taken to go on at once. A probe keeps 64 of a
// stream and server open at most; more is not from a probe.
const maxOpen = 256

// hold gives the time from a question until the next one to the answers that
// were held.
func (s *splitter) hold(q question, until point) {
	next := until.t - s.start.t
	s.open = slices.DeleteFunc(s.open, func(o question) bool { return o.run.lastAsked() < next })
	if q.first && count(q.run.closed) > 2 && q.run.lastAsked() >= next && q.run.lastAsked() > q.at && len(s.open) < maxOpen {
		s.open = append(s.open, q)
	}
	if min(until.t, s.end.t) <= s.pos.t {
		return
	}
	var weights [parts]float64
	add := func(a *answer, times float64, last int64) {
		w := times
		if len(s.open) > 0 {
			w *= float64(s.costs(a))
		}
		for _, f := range s.wasted(a, last) {
			if f.of > 0 {
				weights[slices.Index(Stages, f.part)] += w * f.of
				s.note(f.part, a)
			}
		}
	}
	last := q.at
	if q.first {
		last = q.run.lastAsked()
	}
	add(q.run, 1, last)
	for _, o := range s.open {
		inner, length := count(o.run.closed)-2, o.run.lastAsked()-o.at
		add(o.run, float64(inner)*float64(next-q.at)/float64(length), o.run.lastAsked())
	}
	left, sum := 0, 0.0
	for _, w := range weights {
		if w > 0 {
			left, sum = left+1, sum+w
		}
	}
	from, span := s.pos.t, float64(min(until.t, s.end.t)-s.pos.t)
	done := 0.0
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		done += w
		if left--; left == 0 {
			s.to(Stages[i], until)
		} else {
			s.to(Stages[i], point{from + int64(span*done/sum), until.clock})
		}
	}
}

// costs is for how long a client is held up by one answer of a run, in ns: as
// long as it takes, and until it asks again.
func (s *splitter) costs(a *answer) int64 {
	if a.costs == 0 {
		a.costs = max(s.cost(a), 1)
	}
	return a.costs
}

func (s *splitter) cost(a *answer) int64 {
	took := a.at - a.Asked
	if a.closed != nil && a.closed.MaxRTT > 0 {
		took = (a.closed.MinRTT + a.closed.MaxRTT) / 2
	}
	if !s.solo() {
		return max(took, s.client.start.Interval)
	}
	took += pauseOfSolo
	if a.Class != record.Address || len(a.Addrs) == 0 {
		return took
	}
	for i := range s.log.dials {
		d := &s.log.dials[i]
		switch {
		case d.Addr != a.Addrs[0] || d.Outcome == record.Connected:
		case d.closed != nil && d.closed.MaxRTT > 0:
			return took + (d.closed.MinRTT+d.closed.MaxRTT)/2
		default:
			return took + d.at - d.Asked
		}
	}
	return took
}

// fraction is how much of a time went to a part.
type fraction struct {
	part Stage
	of   float64
}

// wasted says what the time was wasted with that was spent holding an answer
// of a run, the last of which was asked for at a time of the client's log.
//
// A denial was right when it was asked for before the name was on every
// server. After that it came from a cache, whatever its TTL. Where the servers
// were not looked at, it proves itself by a TTL that is below the full one.
func (s *splitter) wasted(a *answer, last int64) [2]fraction {
	switch {
	case a.right:
		return [2]fraction{{StageConnect, 1}}
	case a.Class == record.Address:
		return [2]fraction{{StageStale, 1}}
	case !denials(a.Class):
		return [2]fraction{{StageNoAnswer, 1}}
	}
	asked := s.on(last)
	if sure := s.timeline.sure; sure.ok {
		if asked.t < sure.t+int64(2*s.apart(asked, sure.point)) {
			return [2]fraction{{StagePolling, 1}}
		}
		return [2]fraction{{StageDenial, 1}}
	}
	if asked.t < s.there.t {
		return [2]fraction{{StagePolling, 1}}
	}
	var c Counts
	c.denial(*a, s.v.FullTTL)
	proven := float64(c.ProvenCached) / float64(max(c.Denials(), 1))
	return [2]fraction{{StageDenial, proven}, {StageDenied, 1 - proven}}
}

// note keeps what an answer says of the record behind it.
func (s *splitter) note(p Stage, a *answer) {
	full := s.v.FullTTL
	switch p {
	case StageDenial, StageDenied:
	case StageStale:
		full = s.fullAddress
	default:
		return
	}
	age := func(ttl *uint32) float64 {
		if ttl == nil || *ttl > full {
			return -1
		}
		return float64(full - *ttl)
	}
	// The address that is asked is most often that of a Service.
	server := ""
	if told := s.client.start.Replicas; slices.Contains(told, a.Server) {
		server = a.Server
	} else if len(told) == 1 {
		server = told[0]
	}
	i := slices.Index(Stages, p)
	if !s.seen[i] {
		s.seen[i], s.by[i], s.age[i][0] = true, server, age(a.firstTTL())
	}
	s.age[i][1] = age(a.lastTTL())
	if s.by[i] != server {
		s.by[i] = ""
	}
}
