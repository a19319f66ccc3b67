package main

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

// enough is after how many answers without an address, in a row, none is expected
// any more. Behind one address two replicas that disagree are met at random: of ten
// questions one meets the other with 999 chances in 1,000.
const enough = 10

// emptyService asks for pod 0 through the resolver, once an interval, until it has
// had an address and then none any more. It is no pod of that Job, and the Service
// does not select it.
func (p *probe) emptyService(ctx context.Context) bool {
	q := question{view: record.Client, name: p.peerName(0) + ".", typ: p.oneType, as: dns.TypeToString[p.oneType]}
	prev, without := int64(-1), -1 // -1: no address so far
	for tick := time.Tick(p.cfg.interval); without < enough; {
		a, ok := p.lookup(ctx, q, &prev)
		switch {
		case ok && a.Class == record.Address:
			without = 0
		case ok && without >= 0:
			without++
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick:
		}
	}
	return true
}
