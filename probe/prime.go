package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

const (
	// primeRetry is the pause before a replica that did not know the name is
	// asked again.
	primeRetry = 200 * time.Millisecond
	// A TTL counts down in whole seconds: cachingGap apart, a cached one has
	// become smaller, and cachingRounds tell counting from flickering.
	cachingGap    = 1100 * time.Millisecond
	cachingRounds = 3
)

// prime asks each replica for each name until it answers with an address,
// which it then has in its cache. Names that it asks for too early leave a
// denial instead; --first-query-after is there to wait for the records.
func (p *probe) prime(ctx context.Context) (result, bool) {
	names := p.cfg.pods
	if p.cfg.prime == "leader" {
		names = 1
	}
	var mu sync.Mutex
	var r result
	var all sync.WaitGroup
	servers := p.replicas()
	left := names * len(servers)
	for _, server := range servers {
		for peer := range names {
			all.Go(func() {
				if t, ok := p.primeOne(ctx, server, peer); ok {
					mu.Lock()
					defer mu.Unlock()
					left--
					r.resolved = max(r.resolved, t)
				}
			})
		}
	}
	all.Wait()
	if left > 0 {
		return result{}, false
	}
	return r, true
}

// replicas are the servers that are asked directly: those that the runner
// named, or what resolv.conf names where it did not know them.
func (p *probe) replicas() []netip.AddrPort {
	if len(p.cfg.replicas) > 0 {
		return p.cfg.replicas
	}
	return p.servers
}

// primeOne asks one replica for one peer.
func (p *probe) primeOne(ctx context.Context, server netip.AddrPort, peer int) (int64, bool) {
	q := question{peer: peer, view: record.Direct, name: p.peerName(peer) + ".", typ: dns.TypeA, as: "A"}
	prev := int64(-1)
	for {
		a, t, ok := p.ask(ctx, server, q, directLimit)
		if !ok {
			return 0, false
		}
		a.Prev, prev = prev, a.Asked
		p.log.answer(t, a)
		if a.Class == record.Address {
			return t, true
		}
		if !pause(ctx, primeRetry) {
			return 0, false
		}
	}
}

// caching watches the TTLs of one positive and one negative answer of each
// server: one that counts down was cached, one that stays was not. It asks for
// no name of any trial.
func (p *probe) caching(ctx context.Context) (result, bool) {
	var all sync.WaitGroup
	for _, server := range p.replicas() {
		all.Go(func() { p.check(ctx, server) })
		all.Go(func() { p.cachingOf(ctx, server) })
	}
	all.Wait()
	return result{}, ctx.Err() == nil
}

func (p *probe) cachingOf(ctx context.Context, server netip.AddrPort) {
	c := record.Caching{Server: server.String(), Positive: []uint32{}, Negative: []uint32{}}
	absent := p.absentName()
	for round := range cachingRounds {
		if round > 0 && !pause(ctx, cachingGap) {
			break
		}
		if ttl, problem := p.ttlOf(ctx, server, p.presentName(), record.Address); problem != "" {
			c.Err = problem
		} else {
			c.Positive = append(c.Positive, ttl)
		}
		if ttl, problem := p.ttlOf(ctx, server, absent, record.NXDomain); problem != "" {
			c.Err = problem
		} else {
			c.Negative = append(c.Negative, ttl)
		}
	}
	p.log.line(record.Line{Caching: &c})
}

// ttlOf asks one server for a name's A records and returns the TTL that
// governs the answer, or what was wrong with it.
func (p *probe) ttlOf(ctx context.Context, server netip.AddrPort, name string, want record.Class) (uint32, string) {
	a := record.Answer{Class: record.Timeout}
	for range p.resolv.Attempts {
		var ok bool
		a, _, ok = p.ask(ctx, server, question{view: "caching", name: name, typ: dns.TypeA}, directLimit)
		if !ok {
			return 0, "ended before the answer came"
		}
		if a.Class != record.Timeout {
			break
		}
	}
	ttl := a.TTL
	if want == record.NXDomain {
		ttl = a.SOATTL
	}
	switch {
	case a.Class != want:
		return 0, name + ": " + string(a.Class) + " where " + string(want) + " was expected"
	case ttl == nil:
		return 0, name + ": a denial without an SOA record"
	}
	return *ttl, ""
}
