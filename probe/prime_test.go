package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// Each server gets each name once, asked for by its owner: the replicas
// directly, resolv.conf's own address as a client asks it.
func TestPrime(t *testing.T) {
	const pods = 3
	for prime, names := range map[string]int{"all": pods, "leader": 1} {
		t.Run(prime, func(t *testing.T) {
			z := newZone()
			for i := range pods {
				z.set(fqdn(i), podAddr(i))
			}
			resolver, first, second := serveDNS(t, z.handle), serveDNS(t, z.handle), serveDNS(t, z.handle)
			replicas := "--dns-replicas=" + first.addr + "," + second.addr
			port := freePort(t)
			var want []string
			for i := range pods {
				log := start(t, append(args(t, i, pods, port, resolver.addr, second.addr), "--observer=prime", "--prime="+prime, replicas)...).log()
				done, _ := log.Done()
				require.Equal(t, "complete", done.Reason)
				if i >= names {
					require.Empty(t, done.Questions)
					continue
				}
				want = append(want, fqdn(i)+" A")
				views := map[string]record.View{}
				for _, l := range answers(log) {
					require.Equal(t, record.Address, l.Answer.Class)
					require.Equal(t, i, l.Answer.Peer)
					require.EqualValues(t, -1, l.Answer.Prev)
					views[l.Answer.Server] = l.Answer.View
				}
				require.Len(t, answers(log), 3)
				require.Equal(t, map[string]record.View{resolver.addr: record.Client, first.addr: record.Direct, second.addr: record.Direct}, views)
			}
			for _, s := range []*dnsServer{resolver, first, second} {
				var got []string
				for _, q := range s.questions() {
					got = append(got, q.String())
				}
				require.Equal(t, want, got)
			}
		})
	}
}

// A name that is not there yet is asked for again, of the server that did not
// know it; without replicas the servers of resolv.conf are primed.
func TestPrimeAsksAgain(t *testing.T) {
	t.Parallel()
	z := newZone()
	s := serveDNS(t, after(2, func() { z.set(fqdn(0), podAddr(0)) }, z.handle))
	ready := newZone()
	ready.set(fqdn(0), podAddr(0))
	other := serveDNS(t, ready.handle)
	log := start(t, append(args(t, 0, 3, freePort(t), s.addr, other.addr), "--observer=prime", "--prime=leader")...).log()
	seen := s.questions()
	require.Len(t, seen, 3)
	require.GreaterOrEqual(t, seen[1].at.Sub(seen[0].at), primeRetry)
	require.Len(t, other.questions(), 1)
	var late []record.Line
	for _, l := range runsOf(log, record.Client, 0) {
		if l.Answer.Server == s.addr {
			late = append(late, l)
		}
	}
	require.Len(t, late, 2)
	require.Equal(t, 2, closed(log, late[0].Answer.ID).Count)
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
}

// As long as one server has no address, a primer is not complete.
func TestPrimeIsCompleteWhenEveryServerIs(t *testing.T) {
	t.Parallel()
	z := newZone()
	z.set(fqdn(1), podAddr(1))
	good, empty := serveDNS(t, z.handle), serveDNS(t, newZone().handle)
	for resolver, replica := range map[string]string{good.addr: empty.addr, empty.addr: good.addr} {
		log := start(t, append(args(t, 1, 3, freePort(t), resolver), "--observer=prime", "--dns-replicas="+replica, "--deadline=500ms")...).log()
		done, _ := log.Done()
		require.Equal(t, "deadline", done.Reason)
	}
}

// The caching observer tells a server that caches from one that does not.
func TestCaching(t *testing.T) {
	t.Parallel()
	z := newZone()
	fresh := serveDNS(t, z.handle)
	var left atomic.Int32
	left.Store(31)
	caching := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if r.Question[0].Qtype != dns.TypeA {
			z.handle(w, r)
			return
		}
		ttl := uint32(left.Add(-1)) // of both names together
		m := new(dns.Msg).SetReply(r)
		if strings.HasPrefix(r.Question[0].Name, "kubernetes.") {
			m.Answer = []dns.RR{addressRecord(r.Question[0].Name, "127.0.0.99", ttl)}
		} else {
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{soa(ttl)}
		}
		w.WriteMsg(m)
	})
	broken := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)) })
	resolver := serveDNS(t, z.handle)
	log := start(t, "--observer=caching", "--address="+podAddr(1), "--resolv-conf="+resolvConf(t, resolver.addr, fresh.addr),
		"--namespace=lab", "--deadline=25s", fmt.Sprint("--port=", freePort(t)),
		"--dns-replicas="+strings.Join([]string{fresh.addr, caching.addr, broken.addr}, ",")).log()
	got := map[string]*record.Caching{}
	for _, l := range log.Lines {
		if l.Caching != nil {
			require.NotContains(t, got, l.Caching.Server, "each server once")
			got[l.Caching.Server] = l.Caching
		}
	}
	for _, s := range []*dnsServer{fresh, resolver} {
		require.Equal(t, &record.Caching{Server: s.addr, Positive: []uint32{30, 30, 30}, Negative: []uint32{30, 30, 30}}, got[s.addr])
	}
	require.Len(t, fresh.questions(), 2*cachingRounds+2)
	require.Len(t, resolver.questions(), 2*cachingRounds, "no uncached look through an address that stands for replicas")
	require.Equal(t, &record.Caching{Server: caching.addr, Positive: []uint32{30, 28, 26}, Negative: []uint32{29, 27, 25}}, got[caching.addr])
	require.Empty(t, got[broken.addr].Positive)
	require.Contains(t, got[broken.addr].Err, "servfail where nxdomain was expected")
	require.Equal(t, map[string]bool{fresh.addr: true, caching.addr: true, broken.addr: false}, checks(log))
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)

	// The same missing name each time, which no other pod asks for.
	absent := map[string]bool{}
	for _, q := range fresh.questions() {
		if q.typ == dns.TypeA && strings.HasPrefix(q.name, "absent-") {
			absent[q.name] = true
		}
	}
	require.Len(t, absent, 1)
	seen := fresh.questions()
	require.GreaterOrEqual(t, seen[len(seen)-1].at.Sub(seen[0].at), 2*cachingGap-100*time.Millisecond)
}
