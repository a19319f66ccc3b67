package judge

import (
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

const (
	// pauseOfSolo is the mean pause of libzmq's rules after a failed attempt,
	// uniform in [100, 200) ms. Only the division of a stretch in which equal
	// answers of two runs alternate depends on it.
	pauseOfSolo = int64(150 * time.Millisecond)
	// maxOpen is how many runs are taken to go on at once. A probe keeps 64 of a
	// stream and server open at most; more is not from a probe.
	maxOpen = 256
)

// cause returns why the client could not proceed while an answer of a run was
// its latest, the last of which was asked for at a time of the client's log.
// Of a denial it may be certain only in part: proven is how much of it was a
// cache's, the rest is StageDenied.
//
// A denial was right when it was asked for before the name was on every
// server. After that it came from a cache, whatever its TTL. Where the servers
// were not looked at, it proves itself by a TTL that is below the full one.
func (a *attribution) cause(r *answer, last int64) (s Stage, proven float64) {
	switch {
	case r.right:
		return StageConnect, 1
	case r.Class == record.Address:
		return StageStale, 1
	case !denials(r.Class):
		return StageNoAnswer, 1
	}
	asked, sure := a.on(last), a.peer.sure
	switch {
	case sure.ok && asked.t >= sure.t+int64(2*a.apart(asked, sure.point)):
		return StageDenial, 1
	case sure.ok || asked.t < a.there.t:
		return StagePolling, 1
	}
	var c Counts
	c.denial(*r, a.v.FullTTL)
	return StageDenial, float64(c.ProvenCached) / float64(max(c.Denials(), 1))
}

// between gives the time from a question until the next one to the answers that
// the client held.
func (a *attribution) between(q question, until point) {
	next := until.t - a.start.t
	a.open = slices.DeleteFunc(a.open, func(o question) bool { return o.run.lastAsked() < next })
	lastOfRun := q.run.lastAsked()
	if q.first && count(q.run.closed) > 2 && lastOfRun >= next && lastOfRun > q.at && len(a.open) < maxOpen {
		a.open = append(a.open, q)
	}
	if min(until.t, a.end.t) <= a.pos.t {
		return
	}
	var weights [stages]float64
	weigh := func(s Stage, r *answer, w float64) {
		if w > 0 {
			weights[slices.Index(Stages, s)] += w
			a.keep(s, r)
		}
	}
	add := func(r *answer, times float64, last int64) {
		if len(a.open) > 0 {
			times *= float64(a.costs(r))
		}
		s, proven := a.cause(r, last)
		weigh(s, r, times*proven)
		weigh(StageDenied, r, times*(1-proven))
	}
	last := q.at
	if q.first {
		last = lastOfRun
	}
	add(q.run, 1, last)
	for _, o := range a.open {
		inner, length := count(o.run.closed)-2, o.run.lastAsked()-o.at
		add(o.run, float64(inner)*float64(next-q.at)/float64(length), o.run.lastAsked())
	}
	a.divide(weights, until)
}

// divide gives the time up to a point to several stages by their weights.
func (a *attribution) divide(weights [stages]float64, until point) {
	left, sum := 0, 0.0
	for _, w := range weights {
		if w > 0 {
			left, sum = left+1, sum+w
		}
	}
	from, span := a.pos.t, float64(min(until.t, a.end.t)-a.pos.t)
	done := 0.0
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		done += w
		if left--; left == 0 {
			a.give(Stages[i], until)
		} else {
			a.give(Stages[i], point{from + int64(span*done/sum), until.clock})
		}
	}
}

// costs is for how long one answer of a run holds a client up, in ns: as long
// as it takes, and until the client asks again.
func (a *attribution) costs(r *answer) int64 {
	if r.costs == 0 {
		r.costs = max(a.cost(r), 1)
	}
	return r.costs
}

func (a *attribution) cost(r *answer) int64 {
	took := meanRTT(r.closed, r.at-r.Asked)
	if !a.solo() {
		return max(took, a.client.start.Interval)
	}
	took += pauseOfSolo
	if r.Class != record.Address || len(r.Addrs) == 0 {
		return took
	}
	for i := range a.log.dials {
		if d := &a.log.dials[i]; d.Addr == r.Addrs[0] && d.Outcome != record.Connected {
			return took + meanRTT(d.closed, d.at-d.Asked)
		}
	}
	return took
}

// keep remembers what an answer says of the record behind it.
func (a *attribution) keep(s Stage, r *answer) {
	full := a.v.FullTTL
	switch s {
	case StageDenial, StageDenied:
	case StageStale:
		full = a.fullAddress
	default:
		return
	}
	age := func(ttl *uint32) float64 {
		if ttl == nil || *ttl > full {
			return -1
		}
		return float64(full - *ttl)
	}
	i := slices.Index(Stages, s)
	k := &a.kept[i]
	if *k == nil {
		*k, a.asked[i] = &StageTime{Age: [2]float64{age(r.firstTTL()), -1}}, r.Asked
	}
	(*k).Age[1], (*k).Over = age(r.lastTTL()), time.Duration(r.lastAsked()-a.asked[i])
}
