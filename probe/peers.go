package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

const (
	// peerLimit is how long a connect to a peer may take. A live pod answers
	// within a round trip, a second pays for one lost SYN; how long a client
	// suffers from a dead address is solo's question.
	peerLimit = time.Second
	// peerRetry is the pause before a failed connect is repeated: libzmq's
	// shortest, and a hundredth of what is called a delay.
	peerRetry = 100 * time.Millisecond
	// A peer may have this many connects under way, and this many addresses in
	// all. It needs one or two; more is a server that makes answers up.
	maxPeerDials = 8
	maxPeerAddrs = 64
)

// result is when the last name was right, and when its owner was reached.
type result struct{ resolved, reached int64 }

// peers asks for the name of every other pod, or of those of its sample,
// through the resolver and connects to each address that it is given,
// until every peer is reached at an address of its latest answer.
func (p *probe) peers(ctx context.Context) (result, bool) {
	dialling, cut := context.WithCancel(ctx)
	var asking sync.WaitGroup
	var dials sync.WaitGroup
	asked := p.ring.Asked(p.cfg.index)
	all := make([]*peer, len(asked))
	types := p.types()
	for i, index := range asked {
		all[i] = newPeer(p, index, types, &dials)
		for _, s := range all[i].streams {
			asking.Go(func() { all[i].follow(ctx, dialling, s, p.ticks(i, len(asked))) })
		}
	}
	asking.Wait()
	cut() // what is still under way goes to addresses that were right no more
	dials.Wait()

	var r result
	complete := true
	for _, peer := range all {
		if !peer.complete() {
			complete = false
			r = result{}
			break
		}
		r.resolved, r.reached = max(r.resolved, peer.resolved), max(r.reached, peer.reached)
	}
	return r, complete
}

// peer is what is known of one peer.
type peer struct {
	p       *probe
	index   int
	streams []*stream
	dials   *sync.WaitGroup

	mu       sync.Mutex
	first    map[netip.Addr]int64 // when an address was first answered
	dialling map[netip.Addr]bool
	right    map[netip.Addr]bool // the peer itself answered there
	resolved int64
	reached  int64
}

// stream is the questions of one type for one peer, and their latest answer.
type stream struct {
	typ    uint16
	latest []netip.Addr
	noData bool
	wake   chan struct{}
}

func newPeer(p *probe, index int, types []uint16, dials *sync.WaitGroup) *peer {
	peer := &peer{p: p, index: index, dials: dials,
		first: map[netip.Addr]int64{}, dialling: map[netip.Addr]bool{}, right: map[netip.Addr]bool{}}
	for _, typ := range types {
		peer.streams = append(peer.streams, &stream{typ: typ, wake: make(chan struct{}, 1)})
	}
	return peer
}

// follow asks one question an interval, and none while one is unanswered,
// until there is nothing more to learn from this stream.
func (peer *peer) follow(ctx, dialling context.Context, s *stream, ticks *ticks) {
	p := peer.p
	q := question{peer: peer.index, view: record.Client, name: p.peerName(peer.index) + ".", typ: s.typ, as: dns.TypeToString[s.typ]}
	prev := int64(-1)
	for {
		if a, t, ok := p.lookup(ctx, q, &prev); ok {
			peer.take(dialling, s, a, t)
		}
		for waiting := true; waiting; {
			if ctx.Err() != nil || peer.enough(s) {
				return
			}
			waiting = !ticks.wait(ctx, s.wake)
		}
	}
}

// take notes an answer and starts a connect to each address that is new.
func (peer *peer) take(ctx context.Context, s *stream, a record.Answer, t int64) {
	peer.mu.Lock()
	defer peer.mu.Unlock()
	s.latest, s.noData = nil, a.Class == record.NoData
	for _, text := range a.Addrs {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if _, known := peer.first[addr]; !known {
			if len(peer.first) >= maxPeerAddrs {
				continue
			}
			peer.first[addr] = t
			peer.p.signs.give(peer.index)
		}
		s.latest = append(s.latest, addr)
		if !peer.right[addr] && !peer.dialling[addr] && len(peer.dialling) < maxPeerDials {
			peer.dialling[addr] = true
			peer.dials.Go(func() { peer.dial(ctx, addr) })
		}
	}
}

// dial connects to an address, again and again as long as it is answered and
// was not the peer's.
func (peer *peer) dial(ctx context.Context, addr netip.Addr) {
	for {
		right, at := peer.p.dial(ctx, peer.index, addr, peerLimit)
		if peer.dialled(addr, right, at) {
			return
		}
		if !pause(ctx, peerRetry) {
			return
		}
	}
}

// dialled notes a connect's outcome and reports whether it was the last one.
func (peer *peer) dialled(addr netip.Addr, right bool, at int64) bool {
	peer.mu.Lock()
	defer peer.mu.Unlock()
	answered := slices.ContainsFunc(peer.streams, func(s *stream) bool { return slices.Contains(s.latest, addr) })
	if !right && answered {
		return false
	}
	delete(peer.dialling, addr)
	if right {
		peer.right[addr] = true
		if peer.reached == 0 {
			peer.resolved, peer.reached = peer.first[addr], at
		}
		for _, s := range peer.streams {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}
	return true
}

// current tells whether the stream's latest answer leads to the peer.
func (peer *peer) current(s *stream) bool {
	return slices.ContainsFunc(s.latest, func(a netip.Addr) bool { return peer.right[a] })
}

// enough tells whether asking can stop: the latest answer leads to the peer,
// or the name exists without addresses of this family and another one leads
// there.
func (peer *peer) enough(s *stream) bool {
	peer.mu.Lock()
	defer peer.mu.Unlock()
	return peer.current(s) || s.noData && slices.ContainsFunc(peer.streams, peer.current)
}

func (peer *peer) complete() bool {
	return !slices.ContainsFunc(peer.streams, func(s *stream) bool { return !peer.enough(s) })
}
