package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"headless-job-dns/internal/record"
)

const (
	// A TTL counts down in whole seconds: cachingGap apart, a cached one has
	// become smaller, and cachingRounds tell counting from flickering.
	cachingGap    = 1100 * time.Millisecond
	cachingRounds = 3
	// checkTries is how often a replica is asked before its view is given up,
	// a second each: a lost packet or two must not cost a whole trial's view.
	checkTries = 5
)

// caching watches the TTLs of one positive and one negative answer of each
// server: one that counts down was cached, one that stays was not. It asks for
// no name of any trial.
func (p *probe) caching(ctx context.Context) bool {
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
	return ctx.Err() == nil
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

// check finds out whether a replica answers questions of unserved types as
// CoreDNS does, for a name that every cluster has and one that none has.
func (p *probe) check(ctx context.Context, server netip.AddrPort) bool {
	c := record.Check{Server: server.String()}
	var both sync.WaitGroup
	both.Go(func() { c.Present = p.checkOne(ctx, server, p.presentName()) })
	both.Go(func() { c.Absent = p.checkOne(ctx, server, p.absentName()) })
	both.Wait()
	c.OK = c.Present == string(record.NoData) && c.Absent == string(record.NXDomain)
	p.log.line(record.Line{Check: &c}) // also when ctx ended: OK is false then
	return c.OK
}

// checkOne returns the class of the answer to one uncached question, asked
// again, a second later, when none came. All pods check the same present name,
// so they take turns with the keys by index and second.
func (p *probe) checkOne(ctx context.Context, server netip.AddrPort, name string) string {
	all := append(keys(0), keys(1)...)
	class := ""
	for range checkTries {
		asked := p.now()
		turn := (time.Now().Unix()*int64(p.cfg.pods) + int64(p.cfg.index)) % int64(len(all))
		k := all[turn]
		q := question{view: "check", name: name, typ: k.typ, do: k.do, cd: k.cd}
		a, _, ok := p.ask(ctx, server, q, directLimit)
		if !ok {
			return class
		}
		class = string(a.Class)
		if a.Class != record.Timeout && a.Class != record.Error {
			return class
		}
		if !pause(ctx, time.Duration(asked-p.now())+directLimit) {
			return class
		}
	}
	return class
}

// presentName is a name that every cluster's DNS knows.
func (p *probe) presentName() string { return "kubernetes.default.svc." + p.domain + "." }

// absentName is one that nobody ever asked for.
func (p *probe) absentName() string {
	return fmt.Sprintf("absent-%016x.%s.svc.%s.", rand.Uint64(), p.cfg.namespace, p.domain)
}
