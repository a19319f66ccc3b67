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

// Each replica is asked for each name until it has it, and not once more.
func TestPrime(t *testing.T) {
	for prime, names := range map[string]int{"all": 3, "leader": 1} {
		t.Run(prime, func(t *testing.T) {
			z := newZone()
			for i := range 3 {
				z.set(fqdn(i), podAddr(i))
			}
			first, second := serveDNS(t, z.handle), serveDNS(t, z.handle)
			p := start(t, append(args(t, 1, 3, freePort(t), "127.0.0.1:1"), "--observer=prime", "--prime="+prime, "--dns-replicas="+first.addr+","+second.addr)...)
			log := p.log()
			done, _ := log.Done()
			require.Equal(t, "complete", done.Reason)
			require.NotZero(t, done.Resolved)
			for _, s := range []*dnsServer{first, second} {
				var want []string
				for i := range names {
					want = append(want, fqdn(i)+" A")
				}
				var got []string
				for _, q := range s.questions() {
					got = append(got, q.String())
				}
				require.ElementsMatch(t, want, got)
			}
			require.Len(t, answers(log), 2*names)
			for _, l := range answers(log) {
				require.Equal(t, record.Direct, l.Answer.View)
				require.Equal(t, record.Address, l.Answer.Class)
			}
		})
	}
}

// A name that is not there yet is asked for again; without replicas the
// servers of resolv.conf are primed.
func TestPrimeAsksAgain(t *testing.T) {
	z := newZone()
	s := serveDNS(t, after(2, func() { z.set(fqdn(0), podAddr(0)) }, z.handle))
	log := start(t, append(args(t, 1, 3, freePort(t), s.addr), "--observer=prime", "--prime=leader")...).log()
	seen := s.questions()
	require.Len(t, seen, 3)
	require.GreaterOrEqual(t, seen[1].at.Sub(seen[0].at), primeRetry)
	runs := answers(log)
	require.Len(t, runs, 2)
	require.Equal(t, 2, closed(log, runs[0].Answer.ID).Count)
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
	log := start(t, "--observer=caching", "--address="+podAddr(1), "--resolv-conf="+resolvConf(t, "127.0.0.1:1"),
		"--namespace=lab", "--deadline=25s", fmt.Sprint("--port=", freePort(t)),
		"--dns-replicas="+strings.Join([]string{fresh.addr, caching.addr, broken.addr}, ",")).log()
	got := map[string]*record.Caching{}
	checks := map[string]bool{}
	for _, l := range log.Lines {
		if l.Caching != nil {
			got[l.Caching.Server] = l.Caching
		}
		if l.Check != nil {
			checks[l.Check.Server] = l.Check.OK
		}
	}
	require.Equal(t, &record.Caching{Server: fresh.addr, Positive: []uint32{30, 30, 30}, Negative: []uint32{30, 30, 30}}, got[fresh.addr])
	require.Equal(t, &record.Caching{Server: caching.addr, Positive: []uint32{30, 28, 26}, Negative: []uint32{29, 27, 25}}, got[caching.addr])
	require.Empty(t, got[broken.addr].Positive)
	require.Contains(t, got[broken.addr].Err, "servfail where nxdomain was expected")
	require.Equal(t, map[string]bool{fresh.addr: true, caching.addr: true, broken.addr: false}, checks)
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
