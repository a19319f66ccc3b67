package synth

import (
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// probe is one pod's: what the program in folder probe does, on the runner's
// axis.
type probe struct {
	*sim
	index    int
	log      *journal
	streams  int           // still asking
	looks    int           // still looking
	complete time.Duration // when the last peer was reached; 0: not yet
	ended    bool
}

const (
	// uncachedGrace is how long looks go on when the client's view is complete.
	uncachedGrace = 2 * time.Second
	// peerLimit and peerRetry are the connects' of peers.
	peerLimit = time.Second
	peerRetry = 100 * ms
	// libcTimeout and libcAttempts are resolv.conf's.
	libcTimeout  = 5 * time.Second
	libcAttempts = 2
	// quickFor and slowly are the uncached view's pace.
	quickFor = 2 * time.Second
	slowly   = 160 * ms
)

// searched are the search domains that the kubelet writes.
var searched = []string{"ns.svc.cluster.local", "svc.cluster.local", "cluster.local"}

func (p *probe) life() Life         { return p.Pods[p.index] }
func (p *probe) end() time.Duration { return p.life().Started + p.Deadline }
func (p *probe) reconnect(at time.Duration, do func(time.Duration)) {
	p.then(at+100*ms+time.Duration(p.rng.Int64N(int64(100*ms))), do)
}

// then does something at a time, unless the probe has ended by then.
func (p *probe) then(at time.Duration, do func(at time.Duration)) {
	p.after(min(at, p.end()), func() {
		switch {
		case p.ended:
		case at >= p.end():
			p.finish(p.end(), "deadline")
		default:
			do(at)
		}
	})
}

func (p *probe) begin() {
	at := p.life().Started + p.FirstQuery + ms
	switch {
	case p.Arm.Observer != record.Solo:
		for _, peer := range p.ring.Asked(p.index) {
			p.streams++
			s := &stream{probe: p, peer: peer, prev: -1, dialled: map[string]bool{}}
			p.then(at+time.Duration(peer)*ms/10, s.ask)
		}
		for r := range p.Replicas {
			if p.Arm.Observer == record.PeersServer {
				p.then(p.life().Started+20*ms, func(at time.Duration) { p.check(r, at) })
			}
		}
	case p.index == 0:
		p.finish(p.life().Started+ms, "complete")
	default:
		w := &worker{probe: p, prev: map[string]int64{}}
		p.then(at, w.attempt)
	}
}

// check finds out whether a replica's uncached view can be used, and looks at
// the names that are this pod's to look at.
func (p *probe) check(replica int, at time.Duration) {
	state := p.Replicas[replica].state(at)
	c := record.Check{Server: replicas[replica], OK: state == "", Present: string(state), Absent: string(state)}
	if c.OK {
		c.Present, c.Absent = string(record.NoData), string(record.NXDomain)
	}
	p.t.line(p.index, at-p.life().Started, record.Line{Check: &c})
	if !c.OK {
		return
	}
	for _, peer := range p.ring.Looked(p.index) {
		p.looks++
		l := &look{probe: p, peer: peer, replica: replica, prev: -1}
		l.ask(at)
	}
}

func (p *probe) finish(at time.Duration, reason string) {
	p.ended = true
	p.log.close(at - p.life().Started)
	p.t.Done(p.index, at-p.life().Started, reason)
	if reason == "deadline" {
		p.t.Status, p.t.Reason = results.Censored, "deadline reached"
	}
}

// answer records an answer that came at a time.
func (p *probe) answer(at time.Duration, a record.Answer) {
	if a.Type == "" {
		a.Type = "A"
	}
	if a.Server == "" {
		a.Server = service
	}
	p.log.answer(at-p.life().Started, a)
}

// question asks as libc does: again where no answer came or a server failed.
func (p *probe) question(at time.Duration, peer int, suffix string, prev *int64, got func(at time.Duration, r reply)) {
	p.attempt(at, peer, suffix, prev, 1, got)
}

func (p *probe) attempt(at time.Duration, peer int, suffix string, prev *int64, n int,
	got func(at time.Duration, r reply)) {
	r := p.ask(p.index, peer, suffix, at)
	took := rtt
	if r.class == record.Timeout {
		took = libcTimeout
	}
	p.then(at+took, func(now time.Duration) {
		a := record.Answer{Peer: peer, View: record.Client, Suffix: suffix, Class: r.class, Addrs: r.addrs,
			Asked: int64(at - p.life().Started), Prev: *prev}
		switch {
		case r.isAddress():
			a.TTL = ttl(r.ttl)
		case r.class == record.NXDomain:
			a.SOATTL = ttl(r.ttl)
		}
		*prev = a.Asked
		p.answer(now, a)
		if (r.class == record.Timeout || r.class == record.ServFail) && n < libcAttempts {
			p.attempt(now, peer, suffix, prev, n+1, got)
			return
		}
		got(now, r)
	})
}

// dial connects and records how that ended.
func (p *probe) dial(at time.Duration, peer int, addr string, limit time.Duration,
	got func(at time.Duration, right bool)) {
	outcome, end := p.connect(peer, addr, at, limit)
	d := record.Dial{Peer: peer, Addr: addr, Asked: int64(at - p.life().Started), Limit: int64(limit), Outcome: outcome}
	if end >= p.end() {
		p.after(p.end(), func() {
			if p.ended {
				return
			}
			d.Outcome = record.DialCut
			p.log.dial(p.Deadline, d)
			p.finish(p.end(), "deadline")
		})
		return
	}
	p.then(end, func(now time.Duration) {
		if outcome == record.Connected {
			d.Who, d.WhoAt = p.t.Who(peer, p.index, now-p.life().Started), int64(now-p.life().Started)
		}
		p.log.dial(now-p.life().Started, d)
		got(now, outcome == record.Connected)
	})
}

// worker is one of solo's: libzmq's rules.
type worker struct {
	*probe
	prev map[string]int64 // by search domain
}

func (w *worker) attempt(at time.Duration) { w.resolve(at, -1) }

// resolve asks for the name as it is (-1), then in each search domain.
func (w *worker) resolve(at time.Duration, domain int) {
	suffix := ""
	if domain >= 0 {
		suffix = searched[domain]
	}
	prev, asked := w.prev[suffix]
	if !asked {
		prev = -1
	}
	w.question(at, 0, suffix, &prev, func(at time.Duration, r reply) {
		w.prev[suffix] = prev
		switch {
		case r.isAddress():
			w.join(at, r.addrs[0], w.attempt)
		case r.class == record.Timeout && domain >= 0, domain == len(searched)-1:
			w.reconnect(at, w.attempt)
		default:
			w.resolve(at, domain+1)
		}
	})
}

// join dials, and is done when that led to index 0; else tries again.
func (p *probe) join(at time.Duration, addr string, again func(at time.Duration)) {
	p.dial(at+ms/10, 0, addr, time.Duration(p.t.Start(p.index).ConnectTimeout), func(at time.Duration, right bool) {
		if right {
			p.finish(at, "complete")
			return
		}
		p.reconnect(at, again)
	})
}

// stream is peers' questions for one peer.
type stream struct {
	*probe
	peer    int
	prev    int64
	latest  string
	dialled map[string]bool // a connect is under way
	reached bool
	over    bool
}

func (s *stream) ask(at time.Duration) {
	s.question(at, s.peer, "", &s.prev, func(now time.Duration, r reply) {
		s.latest = ""
		if r.isAddress() {
			s.latest = r.addrs[0]
			s.try(now, s.latest)
		}
		s.satisfied(now)
		s.then(max(at+s.Interval, now), s.next)
	})
}

func (s *stream) next(at time.Duration) {
	if !s.over {
		s.ask(at)
	}
}

// try connects to an address, again and again as long as it is answered.
func (s *stream) try(at time.Duration, addr string) {
	if s.reached && addr == Addr(s.peer) || s.dialled[addr] {
		return
	}
	s.dialled[addr] = true
	s.connects(at, addr)
}

func (s *stream) connects(at time.Duration, addr string) {
	s.dial(at+ms/10, s.peer, addr, peerLimit, func(at time.Duration, right bool) {
		s.reached = s.reached || right
		s.satisfied(at)
		if right || s.latest != addr {
			s.dialled[addr] = false
			return
		}
		s.then(at+peerRetry, func(at time.Duration) { s.connects(at, addr) })
	})
}

// satisfied ends the stream when its latest answer leads to the peer.
func (s *stream) satisfied(at time.Duration) {
	if s.over || !s.reached || s.latest != Addr(s.peer) {
		return
	}
	s.over = true
	if s.streams--; s.streams == 0 {
		s.complete = at
		s.settle(at)
		s.then(at+uncachedGrace, s.settle)
	}
}

// settle ends the probe when nothing is left to be seen.
func (p *probe) settle(at time.Duration) {
	if p.complete > 0 && (p.looks == 0 || at >= p.complete+uncachedGrace) {
		p.finish(at, "complete")
	}
}

// look is the uncached view of one name at one replica.
type look struct {
	*probe
	peer, replica int
	prev          int64
}

func (l *look) ask(at time.Duration) {
	class := l.sim.look(l.replica, l.peer, at)
	took := rtt
	if class == record.Timeout {
		took = time.Second
	}
	l.then(at+took, func(now time.Duration) {
		a := record.Answer{Peer: l.peer, View: record.Uncached, Type: "TYPE65280", Server: replicas[l.replica], Class: class,
			Asked: int64(at - l.life().Started), Prev: l.prev}
		if class == record.NXDomain || class == record.NoData {
			a.SOATTL = ttl(zoneTTL)
		}
		l.prev = a.Asked
		l.answer(now, a)
		if class == record.NoData {
			l.looks--
			l.settle(now)
			return
		}
		pace := max(l.Interval, slowly)
		if at < l.life().Started+quickFor {
			pace = l.Interval
		}
		l.then(max(at+pace, now), l.ask)
	})
}
