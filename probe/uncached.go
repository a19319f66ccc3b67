package main

import (
	"context"
	"net/netip"
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

	// uncachedGrace is how long the uncached view may go on when the client's
	// view is complete: all it can still see is a replica that lags behind.
	uncachedGrace = 2 * time.Second
)

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

// withUncached runs the client's view and, beside it, the uncached view of
// each replica that answers such questions as expected. Of a name's lookers the
// first has half 0 of the keys, the second half 1.
func (p *probe) withUncached(ctx context.Context) bool {
	looking, stop := context.WithCancel(ctx)
	defer stop()
	var looks sync.WaitGroup
	for _, server := range p.cfg.replicas {
		looks.Go(func() {
			if !p.check(looking, server) {
				return
			}
			for half, peer := range p.ring.Looked(p.cfg.index) {
				looks.Go(func() { p.look(looking, server, peer, keys(half)) })
			}
		})
	}
	complete := p.peers(ctx)
	grace := time.AfterFunc(uncachedGrace, stop)
	defer grace.Stop()
	looks.Wait()
	return complete
}

// look watches for one peer's name to appear at one replica.
func (p *probe) look(ctx context.Context, server netip.AddrPort, peer int, keys []key) {
	schedule := newSchedule(p.cfg.interval, p.cfg.deadline, len(keys))
	wakeups := p.wakeups.watch(peer)
	schedule.wake(p.now())
	// A look in another run of the same names must not hit a denial that this
	// one left. Runs start at a key that moves on with the time, as fast as the
	// quickest looks do, so that none begins with keys of the one just before.
	// It comes round after 10 s or more; the runner never looks twice at the
	// same names, but who applies the manifests by hand should wait for 30 s.
	from := int(p.zero.UnixNano() / schedule.quick % int64(len(keys)))
	as := dns.Type(keys[from].typ).String()
	prev := int64(-1)
	for i := range keys {
		k := keys[(from+i)%len(keys)]
		q := question{peer: peer, view: record.Uncached, name: p.peerName(peer) + ".", typ: k.typ, as: as, do: k.do, cd: k.cd}
		a, ok := p.askAndLog(ctx, server, q, directLimit, &prev)
		if !ok {
			return
		}
		if a.Class == record.NoData || a.Class == record.Address {
			p.wakeups.wake(peer) // the other replicas get it now
			return
		}
		schedule.looked(a.Asked)
		if !schedule.wait(ctx, p.now, wakeups) {
			return
		}
	}
}
