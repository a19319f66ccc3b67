package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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

	// quickFor is how long looks are quick once a record is due: those of pods
	// that start together come within a second or two.
	quickFor = 2 * time.Second
	// quickest is the least time between quick looks, whatever --interval says:
	// record.Interval's own least. Two bursts of it take 200 keys of 508.
	quickest = 20 * time.Millisecond

	// checkTries is how often a replica is asked before its view is given up,
	// a second each: a lost packet or two must not cost a whole trial's view.
	checkTries = 5
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

// withUncached runs the client's view and, beside it, the uncached view of
// each replica that answers such questions as expected. Of a name's lookers the
// first has half 0 of the keys, the second half 1.
func (p *probe) withUncached(ctx context.Context) (result, bool) {
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
	r, complete := p.peers(ctx)
	grace := time.AfterFunc(uncachedGrace, stop)
	defer grace.Stop()
	looks.Wait()
	return r, complete
}

// look watches for one peer's name to appear at one replica.
func (p *probe) look(ctx context.Context, server netip.AddrPort, peer int, keys []key) {
	pace := newPace(p.cfg.interval, p.cfg.deadline, len(keys))
	signs := p.signs.watch(peer)
	pace.sign(p.now())
	// A look in another run of the same names must not hit a denial that this
	// one left. Runs start at a key that moves on with the time, as fast as the
	// quickest looks do, so that none begins with keys of the one just before.
	// It comes round after 10 s or more; the runner never looks twice at the
	// same names, but who applies the manifests by hand should wait for 30 s.
	from := int(p.zero.UnixNano() / pace.quick % int64(len(keys)))
	as := dns.Type(keys[from].typ).String()
	prev := int64(-1)
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
			p.signs.give(peer) // the other replicas get it now
			return
		}
		pace.looked(a.Asked)
		if !p.keepPace(ctx, pace, signs) {
			return
		}
	}
}

// keepPace waits for the time of the next look and reports whether ctx was
// still alive then.
func (p *probe) keepPace(ctx context.Context, pace *pace, signs <-chan struct{}) bool {
	for {
		timer := time.NewTimer(time.Duration(pace.next - p.now()))
		select {
		case <-timer.C:
			return ctx.Err() == nil
		case <-signs:
			pace.sign(p.now())
		case <-ctx.Done():
			return false
		}
	}
}

// pace says when the next look is due: quickly for quickFor after each sign of
// the record, slowly otherwise. Half of the keys are for either, so that slow
// looks last until the deadline however many signs there are. Times are ns.
type pace struct {
	quick, slow int64
	left        int   // quick looks that may still be made
	until       int64 // looks are quick until then
	last, next  int64 // looks
}

func newPace(interval, deadline time.Duration, keys int) *pace {
	quick := max(interval, quickest)
	slow := deadline / time.Duration(max(1, keys-keys/2-1)) // one is the first look
	return &pace{quick: int64(quick), slow: int64(max(quick, slow)), left: keys / 2}
}

// looked notes when a look was made.
func (c *pace) looked(at int64) {
	c.last, c.next = at, at+c.slow
	if at < c.until && c.left > 0 {
		c.left--
		c.next = at + c.quick
	}
}

// sign notes that the record is due. A slow look that is waited for becomes a
// quick one.
func (c *pace) sign(now int64) {
	if quick := c.last + c.quick; quick < c.next && c.left > 0 {
		c.left--
		c.next = quick
	}
	c.until = now + int64(quickFor)
}

// signs tells the looks at a name that its record is due: the resolver or
// another replica knows the peer, or somebody new has connected to this pod,
// which a peer does soon after its start.
type signs struct {
	mu    sync.Mutex
	looks map[int][]chan struct{} // by peer
	heard map[netip.Addr]bool     // who has connected
}

// watch returns a channel that receives the signs of one peer.
func (s *signs) watch(peer int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	look := make(chan struct{}, 1)
	if s.looks == nil {
		s.looks = map[int][]chan struct{}{}
	}
	s.looks[peer] = append(s.looks[peer], look)
	return look
}

// give passes on a sign of one peer.
func (s *signs) give(peer int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(peer)
}

func (s *signs) send(peer int) {
	for _, look := range s.looks[peer] {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

// connected takes the first connect from an address for a sign of every peer:
// whose address it is, no name tells yet.
func (s *signs) connected(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[from] || len(s.heard) >= maxPods {
		return
	}
	if s.heard == nil {
		s.heard = map[netip.Addr]bool{}
	}
	s.heard[from] = true
	for peer := range s.looks {
		s.send(peer)
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
