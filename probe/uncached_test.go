package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func TestKeysArePartitioned(t *testing.T) {
	seen := map[key]bool{}
	for half := range 2 {
		for _, k := range keys(half) {
			require.False(t, seen[k], "%v twice", k)
			require.True(t, k.typ >= firstType && k.typ <= lastType)
			seen[k] = true
		}
	}
	require.Len(t, seen, 1020)
}

func TestLookers(t *testing.T) {
	require.Equal(t, []int{0}, lookers(0, 1))
	for pods := 2; pods < 20; pods++ {
		looks := map[int]int{}
		for peer := range pods {
			list := lookers(peer, pods)
			require.LessOrEqual(t, len(list), 2)
			for i, l := range list {
				require.NotEqual(t, peer, l)
				require.NotContains(t, list[:i], l)
				looks[l]++
			}
		}
		for _, n := range looks {
			require.LessOrEqual(t, n, 2, "the work is shared evenly")
		}
	}
}

// Four pods and two replicas, one of which learns the names later: every look
// uses a key that was never used before, and looking stops at NODATA.
func TestUncachedView(t *testing.T) {
	const pods = 4
	var zones []*zone
	var servers []*dnsServer
	replicas := "--dns-replicas="
	for i := range 2 {
		zones = append(zones, newZone())
		servers = append(servers, serveDNS(t, zones[i].handle))
		if i > 0 {
			replicas += ","
		}
		replicas += servers[i].addr
	}
	port := freePort(t)
	var list []*pod
	for i := range pods {
		list = append(list, start(t, append(args(t, i, pods, port, servers[0].addr), "--observer=peers+server", replicas)...))
	}
	time.Sleep(300 * time.Millisecond)
	for i := range pods {
		zones[1].set(fqdn(i), podAddr(i))
	}
	time.Sleep(200 * time.Millisecond)
	for i := range pods {
		zones[0].set(fqdn(i), podAddr(i))
	}
	lookedAt := map[int][]int{}
	for i, p := range list {
		log := p.log()
		done, _ := log.Done()
		require.Equal(t, "complete", done.Reason)
		checks := 0
		for _, l := range log.Lines {
			if l.Check != nil {
				checks++
				require.Equal(t, record.Check{Server: l.Check.Server, OK: true, Present: "nodata", Absent: "nxdomain"}, *l.Check)
			}
		}
		require.Equal(t, 2, checks)
		for peer := range pods {
			runs := runsOf(log, record.Uncached, peer)
			if len(runs) == 0 {
				continue
			}
			lookedAt[peer] = append(lookedAt[peer], i)
			found := map[string]int64{}
			for _, l := range runs {
				if l.Answer.Class == record.NoData {
					found[l.Answer.Server] = l.T
					require.Equal(t, 1, closed(log, l.Answer.ID).Count, "looking stops at NODATA")
				}
			}
			require.Len(t, found, 2, "each replica was looked at")
			require.Less(t, found[servers[1].addr], found[servers[0].addr], "each for itself")
		}
	}
	for peer := range pods {
		require.ElementsMatch(t, lookers(peer, pods), lookedAt[peer])
	}
	for _, s := range servers {
		used := map[string]bool{}
		for _, q := range s.questions() {
			if q.typ >= firstType {
				k := fmt.Sprint(q.name, q.typ, q.do, q.cd)
				require.False(t, used[k], "key used twice: %s", k)
				used[k] = true
			}
		}
	}
}

// Where a server answers otherwise than CoreDNS, the uncached view means
// nothing: it is not run, and the log says why.
func TestUncachedViewNeedsTheCheck(t *testing.T) {
	for name, c := range map[string]struct {
		rcode           int
		present, absent string
	}{
		"denies unserved types":    {dns.RcodeNameError, "nxdomain", "nxdomain"},
		"does not know such types": {dns.RcodeNotImplemented, "rcode", "rcode"},
		"refuses them":             {dns.RcodeRefused, "refused", "refused"},
		"has everything":           {dns.RcodeSuccess, "nodata", "nodata"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newZone()
			s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
				if r.Question[0].Qtype >= firstType {
					w.WriteMsg(new(dns.Msg).SetRcode(r, c.rcode))
					return
				}
				z.handle(w, r)
			})
			port := freePort(t)
			p := start(t, append(args(t, 1, 2, port, s.addr), "--observer=peers+server", "--dns-replicas="+s.addr, "--deadline=500ms")...)
			log := p.log()
			for _, q := range s.questions() {
				if q.typ >= firstType {
					require.NotContains(t, q.name, "flux")
				}
			}
			for _, l := range log.Lines {
				if l.Check != nil {
					require.Equal(t, record.Check{Server: s.addr, Present: c.present, Absent: c.absent}, *l.Check)
				}
			}
			require.Empty(t, runsOf(log, record.Uncached, 0))
			require.NotEmpty(t, runsOf(log, record.Client, 0))
		})
	}
}

// Keys are not used again when they run out.
func TestKeysRunOut(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	p := testProbe(t, "--interval=1ms")
	p.look(t.Context(), netip.MustParseAddrPort(s.addr), 0, keys(0)[:5])
	require.Len(t, s.questions(), 5)
}

// A name that is late is looked at more rarely, so that the keys last.
func TestLateNamesAreLookedAtSlowly(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	p := testProbe(t, "--interval=20ms")
	p.zero = p.zero.Add(-quickFor)
	ctx := t.Context()
	done := make(chan struct{})
	go func() { defer close(done); p.look(ctx, netip.MustParseAddrPort(s.addr), 0, keys(0)[:4]) }()
	<-done
	seen := s.questions()
	require.GreaterOrEqual(t, seen[3].at.Sub(seen[0].at), 2*slowdown*20*time.Millisecond)
}

// A run of the same names shortly after another one begins with other keys.
func TestLaterRunsUseOtherKeys(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	used := map[uint16]bool{}
	began := time.Now()
	for second := range 4 {
		p := testProbe(t, "--interval=1ms")
		p.zero = began.Add(time.Duration(second) * time.Second)
		p.look(t.Context(), netip.MustParseAddrPort(s.addr), 0, keys(0)[:64])
	}
	for i, q := range s.questions() {
		if i%64 < keysPerSecond {
			require.False(t, used[q.typ])
			used[q.typ] = true
		}
	}
}
