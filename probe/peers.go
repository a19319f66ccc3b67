package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

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

// peers asks for the name of every other pod, or of those of its sample,
// through the resolver and connects to each address that it is given, until
// every peer is reached at an address of its latest answer.
func (p *probe) peers(ctx context.Context) bool {
	asked := p.ring.Asked(p.cfg.index)
	found := make([]bool, len(asked))
	// The first questions all leave at once; after that those of a pod are
	// spread over the interval.
	interval := p.interval()
	var all sync.WaitGroup
	for i, index := range asked {
		first := interval * time.Duration(i+1) / time.Duration(len(asked))
		all.Go(func() { found[i] = p.newPeer(index).find(ctx, first, interval) })
	}
	all.Wait()
	return !slices.Contains(found, false)
}

// peer is what is known of one peer. It belongs to one goroutine, find, which
// gets what others find out as events.
type peer struct {
	p        *probe
	index    int
	streams  []*stream
	events   chan func()
	running  sync.WaitGroup
	known    map[netip.Addr]bool // addresses that were ever answered
	dialling map[netip.Addr]bool
	right    map[netip.Addr]bool // the peer itself answered there
}

// stream is the questions of one type for one peer, and their latest answer.
type stream struct {
	question
	prev   int64 // when it asked before
	asking bool
	latest []netip.Addr
	noData bool
}

func (p *probe) newPeer(index int) *peer {
	peer := &peer{p: p, index: index, events: make(chan func()),
		known: map[netip.Addr]bool{}, dialling: map[netip.Addr]bool{}, right: map[netip.Addr]bool{}}
	for _, typ := range p.types() {
		peer.streams = append(peer.streams, &stream{question: p.addressOf(index, typ), prev: -1})
	}
	return peer
}

// find asks until the latest answer of each type leads to the peer, and reports
// whether that came before ctx ended.
func (peer *peer) find(ctx context.Context, first, interval time.Duration) bool {
	ctx, cut := context.WithCancel(ctx)
	defer peer.running.Wait()
	defer cut() // what is still under way goes to addresses that are right no more
	// Times that pass while a question is unanswered are skipped, and the others
	// do not drift.
	ticker := time.NewTicker(first)
	defer ticker.Stop()
	for peer.ask(ctx); !peer.found(); {
		select {
		case <-ticker.C:
			if first != interval {
				first = interval
				ticker.Reset(interval)
			}
			peer.ask(ctx)
		case event := <-peer.events:
			event()
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// found tells whether nothing is left to be learnt.
func (peer *peer) found() bool {
	return !slices.ContainsFunc(peer.streams, func(s *stream) bool { return s.asking || !peer.enough(s) })
}

// enough tells whether the stream's latest answer leads to the peer, or the name
// exists without addresses of this family and another one leads there.
func (peer *peer) enough(s *stream) bool {
	leads := func(s *stream) bool {
		return slices.ContainsFunc(s.latest, func(a netip.Addr) bool { return peer.right[a] })
	}
	return leads(s) || s.noData && slices.ContainsFunc(peer.streams, leads)
}

// after does something beside find, which then does what that returned.
func (peer *peer) after(ctx context.Context, do func() (event func())) {
	peer.running.Go(func() {
		event := do()
		select {
		case peer.events <- event:
		case <-ctx.Done():
		}
	})
}

// ask sends a question of each stream that needs one and waits for none.
func (peer *peer) ask(ctx context.Context) {
	for _, s := range peer.streams {
		if s.asking || peer.enough(s) {
			continue
		}
		s.asking = true
		peer.after(ctx, func() func() {
			a, ok := peer.p.lookup(ctx, s.question, &s.prev)
			return func() {
				s.asking = false
				if ok {
					peer.take(ctx, s, a)
				}
			}
		})
	}
}

// take notes an answer and starts a connect to each address that is new.
func (peer *peer) take(ctx context.Context, s *stream, a record.Answer) {
	s.latest, s.noData = nil, a.Class == record.NoData
	for _, text := range a.Addrs {
		addr, err := netip.ParseAddr(text)
		if err != nil || !peer.known[addr] && len(peer.known) >= maxPeerAddrs {
			continue
		}
		if !peer.known[addr] {
			peer.known[addr] = true
			peer.p.wakeups.wake(peer.index)
		}
		s.latest = append(s.latest, addr)
		if !peer.right[addr] && !peer.dialling[addr] && len(peer.dialling) < maxPeerDials {
			peer.dialling[addr] = true
			peer.dial(ctx, addr, 0)
		}
	}
}

// dial connects to an address, again and again as long as it is answered and
// was not the peer's.
func (peer *peer) dial(ctx context.Context, addr netip.Addr, wait time.Duration) {
	peer.after(ctx, func() func() {
		right := pause(ctx, wait) && peer.p.dial(ctx, peer.index, addr, peerLimit)
		return func() {
			peer.right[addr] = right
			if !right && slices.ContainsFunc(peer.streams, func(s *stream) bool { return slices.Contains(s.latest, addr) }) {
				peer.dial(ctx, addr, peerRetry)
				return
			}
			delete(peer.dialling, addr)
		}
	})
}
