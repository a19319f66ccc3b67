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
	// primeRetry is the pause before a server that did not know the name is
	// asked again.
	primeRetry = 200 * time.Millisecond
	// A TTL counts down in whole seconds: cachingGap apart, a cached one has
	// become smaller, and cachingRounds tell counting from flickering.
	cachingGap    = 1100 * time.Millisecond
	cachingRounds = 3
)

// prime asks each server for this pod's own name until it answers with an
// address, which is then in its cache: all pods together put each record into
// each cache once. Asked too early, a cache gets a denial instead;
// --first-query-after is there to wait for the records. With --prime leader
// only index 0 asks.
func (p *probe) prime(ctx context.Context) (result, bool) {
	if p.cfg.prime == "leader" && p.cfg.index != 0 {
		return result{}, true
	}
	servers := p.allServers()
	resolved := make([]int64, len(servers)) // 0: not
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() { resolved[i] = p.primeOne(ctx, server) })
	}
	all.Wait()
	if slices.Contains(resolved, 0) {
		return result{}, false
	}
	return result{resolved: slices.Max(resolved)}, true
}

// allServers are the caches between a pod and the records: each replica that
// the runner named, and what resolv.conf names, which is what clients ask: a
// Service's address, or a cache of the node's.
func (p *probe) allServers() []netip.AddrPort {
	list := slices.Clone(p.cfg.replicas)
	for _, s := range p.servers {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// primeOne asks one server for this pod and returns when it had its address.
// Behind resolv.conf's address nobody knows which cache answers: that is the
// client's view.
func (p *probe) primeOne(ctx context.Context, server netip.AddrPort) int64 {
	q := question{peer: p.cfg.index, view: record.Client, name: p.peerName(p.cfg.index) + ".", typ: p.oneType, as: dns.TypeToString[p.oneType]}
	if slices.Contains(p.cfg.replicas, server) {
		q.view = record.Direct
	}
	prev := int64(-1)
	for {
		a, t, ok := p.ask(ctx, server, q, directLimit)
		if !ok {
			return 0
		}
		a.Prev, prev = prev, a.Asked
		p.log.answer(t, a)
		if a.Class == record.Address {
			return t
		}
		if !pause(ctx, primeRetry) {
			return 0
		}
	}
}

// caching watches the TTLs of one positive and one negative answer of each
// server: one that counts down was cached, one that stays was not. It asks for
// no name of any trial.
func (p *probe) caching(ctx context.Context) (result, bool) {
	var all sync.WaitGroup
	for _, server := range p.allServers() {
		// The uncached view is of the replicas, where they are known. The same
		// look through a Service's address could meet one's own at a replica.
		if len(p.cfg.replicas) == 0 || slices.Contains(p.cfg.replicas, server) {
			all.Go(func() { p.check(ctx, server) })
		}
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

// ttlOf asks one server for a name's addresses and returns the TTL that
// governs the answer, or what was wrong with it.
func (p *probe) ttlOf(ctx context.Context, server netip.AddrPort, name string, want record.Class) (uint32, string) {
	a := record.Answer{Class: record.Timeout}
	for range p.resolv.Attempts {
		var ok bool
		a, _, ok = p.ask(ctx, server, question{view: "caching", name: name, typ: p.oneType}, directLimit)
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
