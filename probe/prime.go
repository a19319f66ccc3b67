package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"headless-job-dns/internal/record"
)

// primeRetry is the pause before a server that did not know the name is asked
// again.
const primeRetry = 200 * time.Millisecond

// prime asks each server for this pod's own name until it answers with an
// address, which is then in its cache: all pods together put each record into
// each cache once. Asked too early, a cache gets a denial instead;
// --first-query-after is there to wait for the records. With --prime leader
// only index 0 asks.
func (p *probe) prime(ctx context.Context) bool {
	if p.cfg.prime == "leader" && p.cfg.index != 0 {
		return true
	}
	servers := p.allServers()
	primed := make([]bool, len(servers))
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() { primed[i] = p.primeOne(ctx, server) })
	}
	all.Wait()
	return !slices.Contains(primed, false)
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

// primeOne asks one server for this pod until it has its address, and reports
// whether that was before ctx ended. Behind resolv.conf's address nobody knows
// which cache answers: that is the client's view.
func (p *probe) primeOne(ctx context.Context, server netip.AddrPort) bool {
	q := p.addressOf(p.cfg.index, p.oneType)
	if slices.Contains(p.cfg.replicas, server) {
		q.view = record.Direct
	}
	prev := int64(-1)
	for {
		a, ok := p.askAndLog(ctx, server, q, directLimit, &prev)
		if !ok {
			return false
		}
		if a.Class == record.Address {
			return true
		}
		if !pause(ctx, primeRetry) {
			return false
		}
	}
}
