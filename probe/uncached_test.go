package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
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

// Four pods and two replicas, one of which learns the names later: every look
// uses a key that was never used before, and looking stops at NODATA.
func TestUncachedView(t *testing.T) {
	t.Parallel()
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
	// Each looker has seen them there before the other replica has them.
	lookers := 0
	for peer := range pods {
		lookers += len(record.Sample{}.Ring(pods).Lookers(peer))
	}
	require.Eventually(t, func() bool { return found(list, servers[1].addr) == lookers }, patient, time.Millisecond)
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
		require.ElementsMatch(t, record.Sample{}.Ring(pods).Lookers(peer), lookedAt[peer])
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

// found counts the names that pods have seen at a replica so far.
func found(pods []*pod, server string) (n int) {
	for _, p := range pods {
		for line := range strings.Lines(p.out.text()) {
			var l record.Line
			if json.Unmarshal([]byte(line), &l) == nil && l.Answer != nil && l.Answer.Server == server && l.Answer.Class == record.NoData {
				n++
			}
		}
	}
	return n
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
			p := start(t, append(args(t, 1, 2, port, s.addr), "--observer=peers+server", "--dns-replicas="+s.addr)...)
			p.says(`"check":`)
			require.Eventually(t, func() bool { return asks(s, fqdn(0)) > 1 }, patient, time.Millisecond)
			time.Sleep(200 * time.Millisecond) // for looks that must not come
			p.release()
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
	p := testProbe(t, "--interval=1ms", "--deadline=100ms")
	p.look(t.Context(), netip.MustParseAddrPort(s.addr), 0, keys(0)[:5])
	require.Len(t, s.questions(), 5)
}

// The keys of either half last until the deadline, whatever the signs, and the
// looks are quick at first and after the first late sign.
func TestKeysLastUntilTheDeadline(t *testing.T) {
	const second = int64(time.Second)
	for _, interval := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 35 * time.Millisecond, 80 * time.Millisecond, 10 * time.Second} {
		for _, deadline := range []time.Duration{time.Second, 40 * time.Second, 150 * time.Second, 5 * time.Minute} {
			for name, signs := range map[string]int64{"no signs": 1 << 62, "one at 15 s": 15 * second, "one a second": second, "no end of them": second / 1000} {
				for half := range 2 {
					c := newSchedule(interval, deadline, len(keys(half)))
					c.wake(0)
					looks, sign := 0, signs
					for now := int64(0); now < int64(deadline); {
						looks++
						require.GreaterOrEqual(t, c.quick, int64(max(interval, quickest)))
						before := c.last
						c.looked(now)
						if looks > 1 {
							require.GreaterOrEqual(t, now-before, c.quick, "never faster than quick")
						}
						for sign < c.next {
							c.wake(max(sign, now))
							if sign += signs; name == "one at 15 s" {
								sign = 1 << 62
							}
						}
						gap := c.next - now
						due := now < int64(quickFor) || name == "one at 15 s" && now >= signs && now < signs+int64(quickFor)
						require.Equal(t, due && c.left > 0 || gap == c.quick, gap == c.quick, "%v", now)
						now = c.next
					}
					require.LessOrEqual(t, looks, len(keys(half)), "%v %v %s", interval, deadline, name)
				}
			}
		}
	}
}

// A pod that is late is looked for slowly, and quickly once it has connected.
func TestSignsQuickenTheLooks(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	port := freePort(t)
	p := start(t, append(args(t, 1, 3, port, s.addr), "--observer=peers+server", "--dns-replicas="+s.addr, "--deadline=5m")...)
	// quick tells whether two looks followed soon upon one another: slow ones are
	// more than a second apart.
	quick := func(from time.Time) bool {
		var last time.Time
		for _, q := range s.questions() {
			if q.typ < firstType || q.name != fqdn(2) || q.at.Before(from) {
				continue
			}
			if q.at.Sub(last) < 500*time.Millisecond {
				return true
			}
			last = q.at
		}
		return false
	}
	require.Eventually(t, func() bool { return quick(time.Time{}) }, patient, time.Millisecond)
	time.Sleep(quickFor)
	connected := time.Now()
	time.Sleep(time.Second)
	require.False(t, quick(connected))
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(podAddr(2))}}
	for range 2 { // again from the same address tells nothing new
		c, err := dialer.Dial("tcp", net.JoinHostPort(podAddr(1), fmt.Sprint(port)))
		require.NoError(t, err)
		c.Close()
	}
	require.Eventually(t, func() bool { return quick(connected) }, patient, time.Millisecond)
	p.release()
}

// What is learned of a peer elsewhere quickens the looks at its name alone.
func TestSignsOfOnePeer(t *testing.T) {
	var s wakeups
	first, second, other := s.watch(1), s.watch(1), s.watch(2)
	s.wake(1)
	s.wake(1)
	s.wake(3)
	require.Len(t, first, 1)
	require.Len(t, second, 1)
	require.Empty(t, other)
	s.connected(netip.MustParseAddr("10.0.0.1"))
	require.Len(t, other, 1)
	<-other
	s.connected(netip.MustParseAddr("10.0.0.1"))
	require.Empty(t, other)
	for i := range 2 * maxPods {
		s.connected(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	require.Len(t, s.heard, maxPods)
}

// A check is repeated before the view is given up.
func TestCheckIsRepeated(t *testing.T) {
	t.Parallel()
	z := newZone()
	var lost atomic.Int32
	s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if lost.Add(1) > 4 { // two of each name
			z.handle(w, r)
		}
	})
	p := testProbe(t)
	require.True(t, p.check(t.Context(), netip.MustParseAddrPort(s.addr)))
	used := map[string]bool{}
	for _, q := range s.questions() {
		k := fmt.Sprint(q.name, q.typ, q.do, q.cd)
		require.False(t, used[k], "key used twice: %s", k)
		used[k] = true
	}
	require.Len(t, used, 6)
}

// A run of the same names that begins when another one has ended begins with
// keys that it cannot have got to.
func TestLaterRunsUseOtherKeys(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	used := map[uint16]bool{}
	began := time.Now()
	for run := range 4 {
		p := testProbe(t, "--interval=1ms", "--deadline=400ms")
		p.zero = began.Add(time.Duration(run) * 400 * time.Millisecond)
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		p.look(ctx, netip.MustParseAddrPort(s.addr), 0, keys(0)[:128])
		stop()
	}
	require.NotEmpty(t, s.questions())
	for _, q := range s.questions() {
		require.False(t, used[q.typ])
		used[q.typ] = true
	}
}
