package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"headless-job-dns/internal/record"
)

// libzmq waits this long between two attempts to connect: ZMQ_RECONNECT_IVL
// plus a random part of the same size, and, by default, never longer
// (libzmq src/options.cpp, src/stream_connecter_base.cpp).
const (
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 200 * time.Millisecond
)

// solo does what a worker of the original workload did: it joins index 0 by
// libzmq's rules. Every attempt resolves the name again; a name that does not
// resolve is a failed attempt; a connect lasts until the connect time-out, and
// without one until the kernel gives up; the next attempt follows after 100 to
// 200 ms. Nothing else is asked: one more question could have cached another
// answer. Index 0 itself only listens.
func (p *probe) solo(ctx context.Context) bool {
	if p.cfg.index == 0 {
		return p.cfg.runLength == 0 || p.lead(ctx)
	}
	limit := p.cfg.connectTimeout()
	prev := map[string]int64{} // per search domain: when it was last asked
	for {
		if addr, ok := p.resolveAsLibc(ctx, prev); ok && p.dial(ctx, 0, addr, limit) {
			return p.cfg.runLength == 0 || p.follow(ctx, addr)
		}
		if !pause(ctx, reconnectDelay()) {
			return false
		}
	}
}

func reconnectDelay() time.Duration { return reconnectMin + rand.N(reconnectMax-reconnectMin) }

// resolveAsLibc looks index 0 up as getaddrinfo does for one family (libzmq asks
// for no IPv6 unless told to): without a trailing dot, through the search list.
func (p *probe) resolveAsLibc(ctx context.Context, prev map[string]int64) (netip.Addr, bool) {
	gaveUp := false
	for _, c := range candidates(p.peerName(0), p.resolv) {
		if gaveUp && c.suffix != "" {
			continue
		}
		last, asked := prev[c.suffix]
		if !asked {
			last = -1
		}
		q := p.addressOf(0, p.oneType)
		q.name, q.suffix = c.name, c.suffix
		a, ok := p.lookup(ctx, q, &last)
		if last >= 0 {
			prev[c.suffix] = last
		}
		if !ok {
			break
		}
		switch a.Class {
		case record.Address:
			addr, err := netip.ParseAddr(a.Addrs[0])
			return addr, err == nil
		case record.NXDomain, record.NoData, record.ServFail:
		default:
			// glibc goes on after a time-out of the name as it is, and leaves
			// the search list after one in it (res_query.c).
			gaveUp = c.suffix != ""
		}
	}
	return netip.Addr{}, false
}

// peerName is the name of a pod, without a trailing dot.
func (p *probe) peerName(index int) string {
	return fmt.Sprintf("%s-%d.%s.%s.svc.%s", p.cfg.job, index, p.cfg.service, p.cfg.namespace, p.domain)
}
