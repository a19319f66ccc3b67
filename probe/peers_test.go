package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// Three pods find each other; the third one's name appears late, so that the
// others see a denial first.
func TestPeersFindEachOther(t *testing.T) {
	z := newZone()
	server := serveDNS(t, z.handle)
	z.set(name(0), addr(0))
	z.set(name(1), addr(1))
	time.AfterFunc(300*time.Millisecond, func() { z.set(name(2), addr(2)) })
	port := freePort(t)
	var pods []*pod
	for i := range 3 {
		pods = append(pods, start(t, append(args(t, i, 3, port, server.addr), "--observer=peers+server", "--dns-replicas="+server.addr)...))
	}
	for i, p := range pods {
		log := p.log()
		t.Log("\n" + p.out.text())
		done, _ := log.Done()
		require.Equal(t, "complete", done.Reason)
		if i != 2 {
			require.Greater(t, done.Resolved, int64(200*time.Millisecond))
		}
		require.GreaterOrEqual(t, done.Reached, done.Resolved)
		for _, l := range answers(log) {
			a := l.Answer
			if a.Peer == 2 && a.View == record.Client && a.Class == record.Address {
				require.Equal(t, []string{addr(2)}, a.Addrs)
				require.GreaterOrEqual(t, a.Prev, int64(0), "a miss came before")
				require.Less(t, a.Prev, a.Asked)
			}
		}
	}
}
