package judge

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// ruler measures one pair's times, which are all on the asker's axis.
type ruler struct {
	zero    moment // when both existed
	noZero  string // why zero is not known
	start   moment // the asker's start on the runner's axis
	noStart string
}

// at is an event in (lo, t].
func (r *ruler) at(lo, t int64, censored bool) Timing {
	var out Timing
	if r.noZero != "" {
		out.Lag = lost(r.noZero)
	} else {
		out.Lag = Outcome{Value: time.Duration(t - r.zero.mid), Lo: time.Duration(lo - r.zero.mid), Clock: r.zero.error(), Censored: censored}
	}
	if r.noStart != "" {
		out.Since = lost(r.noStart)
	} else {
		out.Since = Outcome{Value: time.Duration(r.start.mid + t), Lo: time.Duration(r.start.mid + lo), Clock: r.start.error(), Censored: censored}
	}
	return out
}

func (j *judgement) pair(asker, asked *podLog) Pair {
	p := Pair{Asker: asker.pod.Index, Asked: asked.pod.Index, Self: asker == asked}
	if asker.start == nil {
		t := lostTiming(asker.name() + ": " + asker.problem)
		p.Resolved, p.Reached, p.FirstSeen, p.LastSeen = t, t, lostTiming(NotAsked), lostTiming(NotAsked)
		return p
	}
	if j.solo() {
		p.Timeout = time.Duration(asker.start.ConnectTimeout)
	}
	r := &ruler{start: j.own(asker, 0)}
	if !r.start.ok {
		r.noStart = asker.name() + ": its clock is not tied to the runner's"
	}
	r.zero, r.noZero = j.exist(asker, asked)
	if r.noZero == "" {
		p.Zero, p.Clock = time.Duration(r.zero.mid), r.zero.error()
	}
	log := asker.byPeer[p.Asked]
	if log == nil {
		log = &peerLog{}
	}
	p.Resolved = j.resolved(&p, asker, log, r)
	p.Reached = j.reached(&p, asker, log, r)
	p.Servers = j.servers(asker, log, r)
	p.FirstSeen, p.LastSeen = lostTiming(NotAsked), lostTiming(NotAsked)
	if len(p.Servers) > 0 {
		var seen []Timing
		for _, s := range p.Servers {
			seen = append(seen, s.Seen)
		}
		p.FirstSeen, p.LastSeen = earliestTiming(seen), latestTiming(seen)
	}
	return p
}

// missing is the timing of something that the log does not hold: censored at
// the log's end when the log is whole, lost when it may have been cut off. A
// probe that says that it saw everything contradicts it.
func missing(asker *podLog, r *ruler, completeMeansSeen bool) Timing {
	switch {
	case asker.problem != "":
		return lostTiming(asker.name() + ": " + asker.problem)
	case completeMeansSeen && asker.done.Reason == "complete":
		return lostTiming(asker.name() + ": its probe was satisfied, and the records do not show why")
	}
	return r.at(asker.doneAt, asker.doneAt, true)
}

// resolved finds the first right answer of the client's view and counts the
// others. With A and AAAA the first of the two settles it.
func (j *judgement) resolved(p *Pair, asker *podLog, log *peerLog, r *ruler) Timing {
	hit, lo := int64(-1), int64(0)
	mixed, mixedLo := int64(-1), int64(0) // an answer that also holds the right address
	var lastWrong int64
	for _, a := range log.answers {
		if a.View != record.Client {
			continue
		}
		n := count(a.closed)
		p.Counts.Questions += n
		wrong := false
		switch a.Class {
		case record.Address:
			by := j.owners.judge(a.Addrs, p.Asked)
			if by.Kind == Current {
				if hit < 0 || a.at < hit {
					// Before the first question nothing was asked: the
					// interval begins with the process.
					hit, lo = a.at, max(a.Prev, 0)
				}
				continue
			}
			wrong = true
			p.Counts.stale(by, n)
			if j.owners.includes(a.Addrs, p.Asked) && (mixed < 0 || a.at < mixed) {
				mixed, mixedLo = a.at, max(a.Prev, 0)
			}
		case record.NXDomain, record.NoData:
			if a.Suffix == "" {
				wrong = true
				p.Counts.denial(a, j.v.FullTTL)
			}
		default:
			p.Counts.Failed += n
		}
		if wrong {
			lastWrong = max(lastWrong, a.lastAsked())
		}
	}
	if hit < 0 && mixed >= 0 && asker.done != nil && asker.done.Reason == "complete" {
		// The probe stops when one of the addresses led to the peer.
		j.note("index %d resolved index %d only beside other addresses", p.Asker, p.Asked)
		return r.at(min(mixedLo, mixed), mixed, false)
	}
	if hit < 0 {
		return missing(asker, r, !p.Self)
	}
	if lastWrong > hit {
		p.Relapse = time.Duration(lastWrong)
	}
	return r.at(min(lo, hit), hit, false)
}

// reached finds the first connect that the asked pod answered.
func (j *judgement) reached(p *Pair, asker *podLog, log *peerLog, r *ruler) Timing {
	hit, lo := int64(-1), int64(0)
	for _, d := range log.dials {
		n := count(d.closed)
		switch d.Outcome {
		case record.Connected:
			if d.Who == nil {
				// An address may have a new owner: it does not count until
				// the pod says itself who it is.
				p.Counts.Unidentified += n
				continue
			}
			if by := j.owners.identify(d.Who); by.Kind != Sibling || by.Index != p.Asked {
				p.Counts.WrongPeer += n
			} else if hit < 0 || d.at < hit {
				hit, lo = d.at, max(d.Asked, 0)
			}
		case record.DialTimeout:
			p.Counts.DialTimeouts += n
			if j.owners.of(d.Addr, p.Asked).Kind == Current {
				p.Counts.SilentRight += n
			}
		case record.ConnRefused, record.Unreachable:
			p.Counts.DialRefused += n
		case record.DialCut:
			p.Counts.DialCut += n
		}
	}
	if hit < 0 {
		return missing(asker, r, !p.Self)
	}
	return r.at(min(lo, hit), hit, false)
}

// servers finds when each replica first had the name, for the replicas that
// this asker looked at. NODATA to a question of an unserved type says that the
// name is there.
func (j *judgement) servers(asker *podLog, log *peerLog, r *ruler) []Replica {
	type seen struct {
		hit, lo int64
		last    int64 // when the last question was asked
		blind   bool  // there at the first question: since when is not known
	}
	found := map[string]*seen{}
	for _, a := range log.answers {
		if a.View != record.Uncached || asker.failed[a.Server] {
			continue
		}
		s := found[a.Server]
		if s == nil {
			s = &seen{hit: -1}
			found[a.Server] = s
		}
		s.last = max(s.last, a.lastAsked())
		if (a.Class == record.NoData || a.Class == record.Address) && (s.hit < 0 || a.at < s.hit) {
			s.hit, s.lo, s.blind = a.at, max(a.Prev, 0), a.Prev < 0
		}
	}
	var out []Replica
	for server, s := range found {
		var t Timing
		switch {
		case s.hit < 0:
			// A probe may be satisfied before every replica has the name, and
			// it looks at a name a limited number of times: what it can say
			// ends with its last look.
			if t = missing(asker, r, false); t.known() {
				t = r.at(s.last, s.last, true)
			}
		default:
			t = r.at(min(s.lo, s.hit), s.hit, false)
			if s.blind && t.Since.Known() {
				t.Since.Lo = min(t.Since.Value, 0) // it may have been there since the Job was asked for
			}
		}
		out = append(out, Replica{server, t})
	}
	slices.SortFunc(out, func(a, b Replica) int { return cmp.Compare(a.Server, b.Server) })
	return out
}
