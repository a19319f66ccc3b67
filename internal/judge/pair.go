package judge

import (
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// ruler measures one pair's times, which are all on the client's axis.
type ruler struct {
	zero    moment // of the lag
	noZero  string // why zero is not known
	ready   bool   // the peer was seen Ready; else its lag had not begun, for all that is known
	start   moment // the client's start on the runner's axis
	noStart string
}

// at is an event in (lo, t].
func (r *ruler) at(lo, t int64, censored bool) Timing {
	var out Timing
	// What happened before the zero was seen took no time after it.
	since := func(t int64) time.Duration { return time.Duration(max(t-r.zero.mid, 0)) }
	switch {
	case r.noZero != "":
		out.Lag = lost(r.noZero)
	case censored && !r.ready:
		out.Lag = Measurement{Censored: true}
	default:
		out.Lag = Measurement{Value: since(t), Lo: since(lo), Clock: r.zero.error(), Censored: censored}
	}
	if r.noStart != "" {
		out.Since = lost(r.noStart)
	} else {
		out.Since = Measurement{Value: time.Duration(r.start.mid + t), Lo: time.Duration(r.start.mid + lo),
			Clock: r.start.error(), Censored: censored}
	}
	return out
}

func (j *judgement) pair(client, peer *podLog) Pair {
	p := Pair{Client: client.pod.Index, Peer: peer.pod.Index}
	if client.start == nil {
		t := lostTiming(client.name() + ": " + client.problem)
		p.Resolved, p.Connected = t, t
		return p
	}
	if j.solo() {
		p.Timeout = time.Duration(client.start.ConnectTimeout)
	}
	r := &ruler{start: j.own(client, 0)}
	if !r.start.ok {
		r.noStart = client.name() + ": its clock is not tied to the runner's"
	}
	r.zero, r.ready, r.noZero = j.zeroOf(client, peer)
	if r.noZero == "" {
		p.Zero, p.Clock = time.Duration(r.zero.mid), r.zero.error()
	}
	log := client.about(p.Peer)
	var from int64
	p.Resolved, from = j.resolved(&p, client, log, r)
	p.Connected = j.reached(&p, client, log, r, from)
	p.Servers = j.servers(client, log, r)
	return p
}

// missing is the timing of something that the log does not hold: censored at
// the log's end when the log is whole, lost when it may have been cut off. A
// probe that says that it saw everything contradicts it.
func missing(client *podLog, r *ruler, completeMeansSeen bool) Timing {
	switch {
	case client.problem != "":
		return lostTiming(client.name() + ": " + client.problem)
	case completeMeansSeen && client.done.Reason == "complete":
		return lostTiming(client.name() + ": its probe was satisfied, and the records do not show why")
	}
	return r.at(client.doneAt, client.doneAt, true)
}

// otherFamily tells an answer that says of a name with addresses that none of
// them are of the family that was asked for: on a dual-stack cluster every
// headless Service of one family gives such, and they deny nothing.
func (l *peerLog) otherFamily(a *answer) bool {
	return a.Class == record.NoData && slices.ContainsFunc(l.answers, func(o answer) bool {
		return o.View == record.Client && o.Class == record.Address && o.Type != a.Type
	})
}

// resolved finds the first right answer of the client's view and counts the
// others. With A and AAAA the first of the two settles it. It also returns the
// start of that answer's interval on the client's axis, -1 where there is none.
func (j *judgement) resolved(p *Pair, client *podLog, log *peerLog, r *ruler) (Timing, int64) {
	hit, lo := int64(-1), int64(0)
	mixed, mixedLo := int64(-1), int64(0) // an answer that also holds the right address
	for i := range log.answers {
		a := &log.answers[i]
		if a.View != record.Client {
			continue
		}
		n := count(a.closed)
		p.Counts.Questions += n
		// Before the first question nothing was asked: the interval begins
		// with the process.
		since := max(a.Prev, 0)
		switch a.Class {
		case record.Address:
			by := j.owners.judge(a.Addrs, p.Peer)
			if by.Kind == Current {
				a.right = true
				if hit < 0 || a.at < hit {
					hit, lo = a.at, since
				}
				continue
			}
			p.Counts.stale(by, n)
			a.right = j.owners.includes(a.Addrs, p.Peer)
			if a.right && (mixed < 0 || a.at < mixed) {
				mixed, mixedLo = a.at, since
			}
			if j.solo() { // it connects to the first address only
				a.right = len(a.Addrs) > 0 && j.owners.of(a.Addrs[0], p.Peer).Kind == Current
			}
		case record.NXDomain, record.NoData:
			if a.Suffix == "" && !log.otherFamily(a) {
				p.Counts.denial(*a, j.v.FullTTL)
			}
		default:
			p.Counts.Failed += n
		}
	}
	if hit < 0 && mixed >= 0 && client.done != nil && client.done.Reason == "complete" {
		// The probe stops when one of the addresses led to the peer.
		j.note("index %d resolved index %d only beside other addresses", p.Client, p.Peer)
		lo = min(mixedLo, mixed)
		return r.at(lo, mixed, false), lo
	}
	if hit < 0 {
		return missing(client, r, true), -1
	}
	lo = min(lo, hit)
	return r.at(lo, hit, false), lo
}

// reached finds the first connect that the peer answered. A solo worker
// joins when it does. The other observers look whether one could: a connect is
// begun when the answer comes, so that it is known to the answer's interval,
// which began at resolved, unless a connect to the same address failed since.
func (j *judgement) reached(p *Pair, client *podLog, log *peerLog, r *ruler, resolved int64) Timing {
	hit, lo := int64(-1), int64(0)
	var addr string
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
			if by := j.owners.identify(d.Who); by.Kind != Sibling || by.Index != p.Peer {
				p.Counts.WrongPeer += n
			} else if hit < 0 || d.at < hit {
				hit, lo, addr = d.at, max(d.Asked, 0), d.Addr
			}
		case record.DialTimeout:
			p.Counts.DialTimeouts += n
			if j.owners.of(d.Addr, p.Peer).Kind == Current {
				p.Counts.SilentRight += n
			}
		case record.ConnRefused, record.Unreachable:
			p.Counts.DialRefused += n
		case record.DialCut:
			p.Counts.DialCut += n
		}
	}
	if hit < 0 {
		return missing(client, r, true)
	}
	if !j.solo() && resolved >= 0 {
		since := resolved
		for _, d := range log.dials {
			if d.Addr == addr && d.Outcome != record.Connected && d.at <= hit {
				since = max(since, d.lastAsked())
			}
		}
		lo = min(lo, since)
	}
	return r.at(min(lo, hit), hit, false)
}
