package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// runsOf returns the runs of answers about one peer in one view.
func runsOf(log recorded, view record.View, peer int) (list []record.Line) {
	for _, l := range answers(log) {
		if l.Answer.View == view && l.Answer.Peer == peer {
			list = append(list, l)
		}
	}
	return list
}

// Three pods find each other. The third one's record comes late, so that it is
// denied first; the log bounds the moment at which it came.
func TestPeersFindEachOther(t *testing.T) {
	t.Parallel()
	z := newZone()
	z.set(fqdn(0), podAddr(0))
	z.set(fqdn(1), podAddr(1))
	port := freePort(t)
	var pods []*pod
	var servers []*dnsServer // one each, to tell who asked
	for i := range 3 {
		servers = append(servers, serveDNS(t, z.handle))
		pods = append(pods, start(t, append(args(t, i, 3, port, servers[i].addr), "--observer=peers")...))
	}
	for _, s := range servers[:2] { // the third question comes after two answers
		require.Eventually(t, func() bool { return asks(s, fqdn(2)) > 2 }, patient, time.Millisecond)
	}
	before := time.Now()
	z.set(fqdn(2), podAddr(2))
	after := time.Now()
	for i, p := range pods {
		log := p.log()
		done, _ := log.Done()
		require.Equal(t, "complete", done.Reason)
		require.NotZero(t, done.RSS)
		require.Zero(t, asks(servers[i], fqdn(i)), "its own name")
		require.ElementsMatch(t, others(i, 3), dialled(log))
		if i == 2 {
			continue
		}

		runs := runsOf(log, record.Client, 2)
		require.Len(t, runs, 2)
		denied, hit := runs[0], runs[1]
		require.Equal(t, record.NXDomain, denied.Answer.Class)
		require.EqualValues(t, -1, denied.Answer.Prev)
		require.EqualValues(t, 30, *denied.Answer.SOATTL)
		require.Greater(t, closed(log, denied.Answer.ID).Count, 1)
		require.Equal(t, record.Address, hit.Answer.Class)
		require.Equal(t, []string{podAddr(2)}, hit.Answer.Addrs)
		require.EqualValues(t, 30, *hit.Answer.TTL)
		// The record came between the last miss and the first hit.
		require.LessOrEqual(t, hit.Answer.Prev, int64(after.Sub(p.p.zero)))
		require.GreaterOrEqual(t, hit.T, int64(before.Sub(p.p.zero)))
		require.Equal(t, closed(log, denied.Answer.ID).Until, hit.Answer.Prev)

		for _, l := range dials(log) {
			if l.Dial.Outcome == record.ConnRefused {
				continue // it was not up yet
			}
			require.Equal(t, record.Connected, l.Dial.Outcome)
			require.Equal(t, l.Dial.Peer, l.Dial.Who.Index)
			// One machine, one clock: the wall reading lies in between.
			zero := p.p.zero.UnixNano()
			require.InDelta(t, l.Dial.Who.Wall, zero+(l.Dial.Asked+l.Dial.WhoAt)/2, float64(l.Dial.WhoAt-l.Dial.Asked)/2+1e6)
		}
	}
	// Nobody asks any more.
	var asked []int
	for _, s := range servers {
		asked = append(asked, len(s.questions()))
	}
	time.Sleep(200 * time.Millisecond)
	for i, s := range servers {
		require.Len(t, s.questions(), asked[i])
	}
}

// others are the indices of all pods but one.
func others(index, pods int) (list []int) {
	for i := range pods {
		if i != index {
			list = append(list, i)
		}
	}
	return list
}

// dialled are the peers that a pod connected to.
func dialled(log recorded) (list []int) {
	for _, l := range dials(log) {
		if l.Dial.Outcome == record.Connected && !slices.Contains(list, l.Dial.Peer) {
			list = append(list, l.Dial.Peer)
		}
	}
	return list
}

// asks counts the questions for a name's address.
func asks(s *dnsServer, name string) (n int) {
	for _, q := range s.questions() {
		if q.name == name && q.typ == dns.TypeA {
			n++
		}
	}
	return n
}

// Two replicas behind one address disagree: one holds the previous owner's
// address, the other a denial. The probe goes on until the answer is right.
func TestPeersSeeThroughStaleAnswers(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	z := newZone()
	z.set(fqdn(1), podAddr(1))
	stale := newZone()
	stale.set(fqdn(0), podAddr(9))
	var questions atomic.Int32
	s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if r.Question[0].Name == fqdn(0) {
			n := questions.Add(1)
			if n == 21 {
				z.set(fqdn(0), podAddr(0))
			}
			if n <= 20 && n%2 == 0 {
				stale.handle(w, r)
				return
			}
		}
		z.handle(w, r)
	})
	listenAs(t, podAddr(9), port, record.Who{Run: "r", Trial: "t0", Job: "flux", UID: "old"})
	listenAs(t, podAddr(0), port, leader)
	log := start(t, append(args(t, 1, 2, port, s.addr), "--observer=peers")...).log()
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	runs := runsOf(log, record.Client, 0)
	require.Len(t, runs, 3, "one run an answer, however often they alternate")
	for i := range 2 {
		require.Equal(t, 10, closed(log, runs[i].Answer.ID).Count)
	}
	require.Equal(t, []string{podAddr(0)}, runs[2].Answer.Addrs)
	old := 0
	for _, l := range dials(log) {
		if l.Dial.Addr == podAddr(9) && l.Dial.Who != nil { // the last one may be cut
			old++
			require.Equal(t, "old", l.Dial.Who.UID)
		}
	}
	require.Equal(t, 1, old, "one run of connects to the old owner")
}

// Asking goes on while a connect ends in silence.
func TestPeersAskWhileConnecting(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	blackhole(t, port)
	z := newZone()
	z.set(fqdn(0), deadAddress)
	z.set(fqdn(1), podAddr(1))
	s := serveDNS(t, z.handle)
	listenAs(t, podAddr(0), port, leader)
	p := start(t, append(args(t, 1, 2, port, s.addr), "--observer=peers")...)
	p.says(`"outcome":"timeout"`)
	time.Sleep(peerLimit / 2) // half of the next one
	z.set(fqdn(0), podAddr(0))
	log := p.log()
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	var outcomes []record.Outcome
	for _, l := range dials(log) {
		if l.Dial.Addr == deadAddress {
			outcomes = append(outcomes, l.Dial.Outcome)
			require.EqualValues(t, peerLimit, l.Dial.Limit)
		}
	}
	require.Contains(t, [][]record.Outcome{{record.DialTimeout, record.DialCut}, {record.DialTimeout}}, outcomes)
	require.Greater(t, closed(log, runsOf(log, record.Client, 0)[0].Answer.ID).Count, 2, "more often than it connected")
}

// A pod with IPv6 asks for both families. A name that has only one of them is
// complete with that one.
func TestPeersOfBothFamilies(t *testing.T) {
	port := freePort(t)
	l := listenIPv6(t, port)
	go serve(l, leader, func(netip.Addr) {}, nil)
	listenAs(t, podAddr(0), port, leader)
	for name, c := range map[string]struct {
		addrs []string
		want  map[string]record.Class
	}{
		"both":   {[]string{podAddr(0), "::1"}, map[string]record.Class{"A": record.Address, "AAAA": record.Address}},
		"only 4": {[]string{podAddr(0)}, map[string]record.Class{"A": record.Address, "AAAA": record.NoData}},
		"only 6": {[]string{"::1"}, map[string]record.Class{"A": record.NoData, "AAAA": record.Address}},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone()
			z.set(fqdn(0), c.addrs...)
			z.set(fqdn(1), podAddr(1))
			s := serveDNS(t, z.handle)
			p := startWith(t, func(p *probe) { p.hasIPv6 = true }, append(args(t, 1, 2, port, s.addr), "--observer=peers")...)
			log := p.log()
			p.release() // the next one has its port
			done, _ := log.Done()
			require.Equal(t, "complete", done.Reason)
			got := map[string]record.Class{}
			for _, l := range runsOf(log, record.Client, 0) {
				got[l.Answer.Type] = l.Answer.Class
			}
			require.Equal(t, c.want, got)
		})
	}
}

// At the deadline all ends: questions, connects, runs.
func TestDeadline(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	blackhole(t, port)
	z := newZone()
	z.set(fqdn(0), deadAddress)
	s := serveDNS(t, z.handle)
	// In the middle of the third connect: a busy machine has begun by then.
	const deadline = 2*(peerLimit+peerRetry) + peerLimit/2
	p := start(t, append(args(t, 1, 3, port, s.addr), "--observer=peers", "--deadline="+deadline.String())...)
	log := p.log()
	done, at := log.Done()
	require.Equal(t, "deadline", done.Reason)
	require.GreaterOrEqual(t, at, int64(deadline))
	require.Equal(t, record.DialCut, dials(log)[len(dials(log))-1].Dial.Outcome)
	for _, l := range answers(log) {
		require.NotZero(t, closed(log, l.Answer.ID).Count, "every run is closed")
		require.Less(t, l.Answer.Asked, int64(deadline))
	}
	time.Sleep(200 * time.Millisecond)
	require.LessOrEqual(t, len(s.questions()), done.Questions["client"], "nothing is asked after it")
	p.release()
}

// A server that never answers does not outlive the deadline either.
func TestDeadlineOfSilentServer(t *testing.T) {
	s := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) {})
	for _, observer := range []string{"solo", "peers", "peers+server", "prime", "caching"} {
		t.Run(observer, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			log := start(t, append(args(t, 1, 2, freePort(t), s.addr), "--observer="+observer, "--dns-replicas="+s.addr, "--deadline=600ms")...).log()
			done, _ := log.Done()
			require.Equal(t, "deadline", done.Reason)
			require.Less(t, time.Since(began), patient/2)
			for _, ok := range checks(log) {
				require.False(t, ok)
			}
			require.Equal(t, observer == "peers+server" || observer == "caching", len(checks(log)) == 1, "what was not found out is in the log")
		})
	}
}

func TestReleaseBeforeTheEnd(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	p := start(t, append(args(t, 1, 2, freePort(t), s.addr), "--observer=peers")...)
	time.Sleep(200 * time.Millisecond)
	p.release()
	done, _ := p.log().Done()
	require.Equal(t, "released", done.Reason)
}

func TestNothingIsAskedBeforeItsTime(t *testing.T) {
	z := newZone()
	z.set(fqdn(0), podAddr(0))
	for _, observer := range []string{"solo", "peers", "peers+server", "prime", "caching"} {
		t.Run(observer, func(t *testing.T) {
			t.Parallel()
			s := serveDNS(t, z.handle)
			p := start(t, append(args(t, 1, 2, freePort(t), s.addr), "--observer="+observer, "--dns-replicas="+s.addr, "--first-query-after=400ms")...)
			require.Eventually(t, func() bool { return len(s.questions()) > 0 }, patient, time.Millisecond)
			p.release()
			require.GreaterOrEqual(t, s.questions()[0].at.Sub(p.p.zero), 400*time.Millisecond)
		})
	}
}

// Six pods that ask for two others each ask for nobody else, look at the
// servers only for those, and are done with that.
func TestPeersOfASample(t *testing.T) {
	t.Parallel()
	const pods = 6
	z := newZone()
	s := serveDNS(t, z.handle)
	port := freePort(t)
	for i := range pods {
		z.set(fqdn(i), podAddr(i))
	}
	sample := record.Sample{Peers: 2, Seed: 5}
	ring := sample.Ring(pods)
	var all []*pod
	for i := range pods {
		all = append(all, start(t, append(args(t, i, pods, port, s.addr), "--observer=peers+server", "--dns-replicas="+s.addr, "--peers=2", "--seed=5")...))
	}
	looked := map[int][]int{}
	for i, p := range all {
		log := p.log()
		require.Equal(t, sample, log.Start().Sample)
		done, _ := log.Done()
		require.Equal(t, "complete", done.Reason)
		asked := map[record.View][]int{}
		for _, l := range answers(log) {
			if v := l.Answer.View; !slices.Contains(asked[v], l.Answer.Peer) {
				asked[v] = append(asked[v], l.Answer.Peer)
			}
		}
		require.ElementsMatch(t, ring.Asked(i), asked[record.Client])
		for _, peer := range asked[record.Uncached] {
			looked[peer] = append(looked[peer], i)
		}
		for _, l := range dials(log) {
			require.Contains(t, ring.Asked(i), l.Dial.Peer)
		}
	}
	for peer := range pods {
		require.ElementsMatch(t, ring.Lookers(peer), looked[peer])
	}
}

// 100 peers, replicas that disagree, addresses of nobody: the log stays small.
func TestLogOfAHundredPeers(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		switch rand.N(3) {
		case 0:
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{soa(uint32(rand.N(30)))}
		default:
			m.Answer = []dns.RR{addressRecord(r.Question[0].Name, fmt.Sprintf("127.0.10.%d", 1+rand.N(4)), 5)}
		}
		w.WriteMsg(m)
	})
	p := start(t, append(args(t, 7, 100, freePort(t), s.addr), "--observer=peers+server", "--dns-replicas="+s.addr, "--interval=100ms", "--deadline=6s")...)
	log := p.log()
	require.Greater(t, len(s.questions()), 1000)
	require.Less(t, len(p.out.text()), 1_000_000)
	t.Logf("%d questions, %d lines, %d bytes", len(s.questions()), len(log.Lines), len(p.out.text()))
	done, _ := log.Done()
	require.Empty(t, done.Err, "nothing was left out")
}
