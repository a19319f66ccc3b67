package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

// The uncached view. CoreDNS caches by name, type, DO and CD. A question of a
// type that nobody asked before is never answered from the cache, and answers
// to it do not change what a client that asks for addresses sees. Asked for a
// type that it does not serve, CoreDNS answers NODATA where the name exists
// and NXDOMAIN where it does not: the server's own state, to one interval.
//
// Each combination is a key that can be used once. Used carelessly they fill
// the server's cache and push the clients' denials out of it, so a name is
// looked at by two askers at most, each with its own half of the keys, and
// only until it exists.
const (
	firstType = 65280 // first and last type for private use, RFC 6895;
	lastType  = 65534 // 65535 is reserved

	// A record comes within a second or it is late by much: after quickFor
	// one look in slowdown intervals has to do, or the keys would not last.
	quickFor = 10 * time.Second
	slowdown = 10

	// A look in another run of the same names must not hit a denial that this
	// one left. Runs start at a key that moves on by this many a second, more
	// than a second's looks at 50 ms a time: it comes round after 32 s, when
	// the denials of 30 s are gone.
	keysPerSecond = 16
)

// uncachedGrace is how long the uncached view may go on when the client's view
// is complete: all it can still see is a replica that lags behind.
const uncachedGrace = 2 * time.Second

// key is one uncached look.
type key struct {
	typ    uint16
	do, cd bool
}

// keys returns one half of the keys: every other type.
func keys(half int) []key {
	var list []key
	for flags := range 4 {
		for typ := firstType + half; typ <= lastType; typ += 2 {
			list = append(list, key{uint16(typ), flags&1 != 0, flags&2 != 0})
		}
	}
	return list
}

// lookers returns who looks at a peer's name; the first has half 0 of the
// keys, the second half 1. Nobody looks at himself while there are others.
func lookers(peer, pods int) []int {
	if pods <= 2 {
		return []int{(peer + 1) % pods}
	}
	return []int{(peer + 1) % pods, (peer + 2) % pods}
}

// withUncached runs the client's view and, beside it, the uncached view of
// each replica that answers such questions as expected.
func (p *probe) withUncached(ctx context.Context) (result, bool) {
	looking, stop := context.WithCancel(ctx)
	defer stop()
	var looks sync.WaitGroup
	for _, server := range p.cfg.replicas {
		looks.Go(func() {
			if !p.check(looking, server) {
				return
			}
			for peer := range p.cfg.pods {
				if half := slices.Index(lookers(peer, p.cfg.pods), p.cfg.index); half >= 0 {
					looks.Go(func() { p.look(looking, server, peer, keys(half)) })
				}
			}
		})
	}
	r, complete := p.peers(ctx)
	grace := time.AfterFunc(uncachedGrace, stop)
	defer grace.Stop()
	looks.Wait()
	return r, complete
}

// look watches for one peer's name to appear at one replica.
func (p *probe) look(ctx context.Context, server netip.AddrPort, peer int, keys []key) {
	from := int(p.zero.Unix()*keysPerSecond) % len(keys)
	as := dns.Type(keys[from].typ).String()
	prev := int64(-1)
	ticks := p.ticks(peer)
	for i := range keys {
		k := keys[(from+i)%len(keys)]
		q := question{peer: peer, view: record.Uncached, name: p.peerName(peer) + ".", typ: k.typ, as: as, do: k.do, cd: k.cd}
		a, t, ok := p.ask(ctx, server, q, directLimit)
		if !ok {
			return
		}
		a.Prev, prev = prev, a.Asked
		p.log.answer(t, a)
		if a.Class == record.NoData || a.Class == record.Address {
			return
		}
		if p.now() >= int64(quickFor) {
			ticks.every = int64(p.cfg.interval) * slowdown
		}
		if !ticks.wait(ctx, nil) {
			return
		}
	}
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
	p.log.line(record.Line{Check: &c})
	return c.OK
}

// checkOne returns the class of the answer to one uncached question, asked
// again when none came. All pods check the same present name, so they take
// turns with the keys by index and second.
func (p *probe) checkOne(ctx context.Context, server netip.AddrPort, name string) string {
	all := append(keys(0), keys(1)...)
	class := ""
	for range p.resolv.Attempts {
		turn := (time.Now().Unix()*int64(p.cfg.pods) + int64(p.cfg.index)) % int64(len(all))
		k := all[turn]
		q := question{view: "check", name: name, typ: k.typ, do: k.do, cd: k.cd}
		a, _, ok := p.ask(ctx, server, q, directLimit)
		if !ok {
			return class
		}
		if class = string(a.Class); a.Class != record.Timeout {
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
