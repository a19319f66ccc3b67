package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// askA is the question that these tests ask.
var askA = question{peer: 3, view: record.Client, name: fqdn(0), typ: dns.TypeA, as: "A"}

// rawServer answers each packet with those that reply returns, unchecked.
func rawServer(t testing.TB, reply func(query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, b := range reply(append([]byte(nil), buf[:n]...)) {
				pc.WriteTo(b, from)
			}
		}
	}()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// answered is the answer to a packed question, with records added.
func answered(query []byte, rrs ...dns.RR) []byte {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		panic(err)
	}
	m := new(dns.Msg).SetReply(q)
	m.Answer = rrs
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func testProbe(t testing.TB, extra ...string) *probe {
	return newTestProbe(t, io.Discard, append(args(t, 1, 4, 8050, "127.0.0.1:1"), extra...)...)
}

func TestAnswersAreSorted(t *testing.T) {
	p := testProbe(t)
	rcode := func(code int) dns.HandlerFunc {
		return func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(r, code)) }
	}
	for _, c := range []struct {
		name   string
		handle dns.HandlerFunc
		want   record.Answer
		ttl    int
		soaTTL int
	}{
		{"addresses, sorted, once each, smallest TTL", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Answer = []dns.RR{addressRecord(fqdn(0), "10.0.0.9", 30), addressRecord(fqdn(0), "10.0.0.10", 7), addressRecord(fqdn(0), "10.0.0.9", 30), addressRecord(fqdn(0), "fd00::1", 30)}
			w.WriteMsg(m)
		}, record.Answer{Class: record.Address, Rcode: "NOERROR", Addrs: []string{"10.0.0.9", "10.0.0.10"}}, 7, -1},
		{"alias", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			alias, _ := dns.NewRR(fqdn(0) + " 5 IN CNAME other.")
			m.Answer = []dns.RR{alias, addressRecord("other.", "10.0.0.1", 30)}
			w.WriteMsg(m)
		}, record.Answer{Class: record.Address, Rcode: "NOERROR", Addrs: []string{"10.0.0.1"}}, 5, -1},
		{"alias to nowhere", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			alias, _ := dns.NewRR(fqdn(0) + " 5 IN CNAME other.")
			m.Answer, m.Ns = []dns.RR{alias}, []dns.RR{soa(12)}
			w.WriteMsg(m)
		}, record.Answer{Class: record.NoData, Rcode: "NOERROR"}, -1, 12},
		{"only of the other family", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Answer = []dns.RR{addressRecord(fqdn(0), "fd00::1", 30)}
			w.WriteMsg(m)
		}, record.Answer{Class: record.NoData, Rcode: "NOERROR"}, -1, -1},
		{"denial", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetRcode(r, dns.RcodeNameError)
			m.Ns = []dns.RR{soa(17)}
			w.WriteMsg(m)
		}, record.Answer{Class: record.NXDomain, Rcode: "NXDOMAIN"}, -1, 17},
		{"servfail", rcode(dns.RcodeServerFailure), record.Answer{Class: record.ServFail, Rcode: "SERVFAIL"}, -1, -1},
		{"refused", rcode(dns.RcodeRefused), record.Answer{Class: record.Refused, Rcode: "REFUSED"}, -1, -1},
		{"not implemented", rcode(dns.RcodeNotImplemented), record.Answer{Class: record.OtherRcode, Rcode: "NOTIMP"}, -1, -1},
		{"too long for a packet", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			for i := range 200 {
				m.Answer = append(m.Answer, addressRecord(fqdn(0), fmt.Sprintf("10.0.0.%d", i), 30))
			}
			if w.LocalAddr().Network() == "udp" {
				m.Truncate(512)
			}
			w.WriteMsg(m)
		}, record.Answer{Class: record.Address, Rcode: "NOERROR", Addrs: strings.Fields("10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15")}, 30, -1},
		{"silence", func(dns.ResponseWriter, *dns.Msg) {}, record.Answer{Class: record.Timeout}, -1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveDNS(t, c.handle)
			limit := patient
			if c.want.Class == record.Timeout {
				limit = 200 * time.Millisecond
			}
			a, at, ok := p.ask(context.Background(), netip.MustParseAddrPort(s.addr), askA, limit)
			require.True(t, ok)
			c.want.Peer, c.want.View, c.want.Type, c.want.Server, c.want.Asked = 3, record.Client, "A", s.addr, a.Asked
			if c.ttl >= 0 {
				ttl := uint32(c.ttl)
				c.want.TTL = &ttl
			}
			if c.soaTTL >= 0 {
				ttl := uint32(c.soaTTL)
				c.want.SOATTL = &ttl
			}
			require.Equal(t, c.want, a)
			require.Greater(t, a.Asked, int64(0))
			require.Greater(t, at, a.Asked)
		})
	}
}

// Where nobody listens the host says so at once.
func TestNobodyListens(t *testing.T) {
	p := testProbe(t)
	a, _, ok := p.ask(context.Background(), netip.MustParseAddrPort(fmt.Sprint("127.0.0.1:", freePort(t))), askA, patient)
	require.True(t, ok)
	require.Equal(t, record.Error, a.Class)
	require.Equal(t, "connection refused", a.Err)
}

// The end of the trial ends a question that is under way, and it is no answer.
func TestAskEndsWithItsContext(t *testing.T) {
	p := testProbe(t)
	s := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) {})
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, stop)
	began := time.Now()
	_, _, ok := p.ask(ctx, netip.MustParseAddrPort(s.addr), askA, patient)
	require.False(t, ok)
	require.Less(t, time.Since(began), patient/2)
}

// As glibc: in order, attempts times, on after silence and SERVFAIL.
func TestLookupGoesThroughTheServers(t *testing.T) {
	silent := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) {})
	failing := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)) })
	zone := newZone()
	zone.set(fqdn(0), podAddr(0))
	good := serveDNS(t, zone.handle)
	for _, c := range []struct {
		name    string
		servers []*dnsServer
		want    string
	}{
		{"first answers", []*dnsServer{good, silent}, "address"},
		{"after SERVFAIL", []*dnsServer{failing, good}, "servfail address"},
		{"after silence", []*dnsServer{silent, good}, "timeout address"},
		{"none answers", []*dnsServer{failing}, "servfail servfail"},
		{"two rounds", []*dnsServer{failing, silent}, "servfail timeout servfail timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var addrs []string
			for _, s := range c.servers {
				addrs = append(addrs, s.addr)
			}
			out := &output{done: make(chan struct{})}
			p := newTestProbe(t, out, args(t, 1, 4, 8050, addrs...)...)
			p.log.begin(p.start())
			prev := int64(-1)
			a, ok := p.lookup(context.Background(), askA, &prev)
			require.True(t, ok)
			require.Equal(t, prev, a.Asked)
			p.log.done(&record.Done{})
			log := (&pod{t: t, out: out}).log()
			// Equal answers are one run; its length tells how many there were.
			n := 0
			for _, l := range answers(log) {
				n += closed(log, l.Answer.ID).Count
				require.Contains(t, c.want, string(l.Answer.Class))
			}
			require.Equal(t, len(strings.Fields(c.want)), n)
			require.True(t, strings.HasSuffix(c.want, string(a.Class)))
		})
	}
}

func TestServerLimitIsGlibcs(t *testing.T) {
	p := testProbe(t)
	for _, c := range []struct {
		timeout int
		servers int
		want    []int
	}{
		{5, 1, []int{5}},
		{5, 2, []int{5, 5}},
		{5, 3, []int{5, 3, 6}},
		{1, 3, []int{1, 1, 1}},
	} {
		p.resolv.Timeout, p.servers = c.timeout, make([]netip.AddrPort, c.servers)
		for i, want := range c.want {
			require.Equal(t, time.Duration(want)*time.Second, p.serverLimit(i))
		}
	}
}

// Whatever arrives, parse and classify return.
func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg).SetQuestion(fqdn(0), dns.TypeA)
	m.Id = 7
	wire, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answered(wire, addressRecord(fqdn(0), "10.0.0.1", 30), soa(5)))
	f.Add(append([]byte{0, 7, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 0xc0, 12, 0, 1, 0, 1))
	f.Add(wire)
	f.Fuzz(func(t *testing.T, packet []byte) {
		r, reason := parse(packet, wire, m)
		if (r == nil) == (reason == "") {
			t.Fatalf("answer %v, reason %q", r, reason)
		}
		if r != nil {
			var a record.Answer
			classify(&a, r, dns.TypeA)
			if a.Class == "" || len(a.Addrs) > maxAddrs || (a.Class == record.Address) != (len(a.Addrs) > 0) {
				t.Fatalf("%+v", a)
			}
		}
	})
}
