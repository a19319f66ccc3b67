package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func TestOneType(t *testing.T) {
	for name, c := range map[string]struct {
		addrs   []string
		servers []string
		want    uint16
	}{
		"unknown":                        {nil, nil, dns.TypeA},
		"IPv4":                           {[]string{"10.1.0.2"}, []string{"10.96.0.10:53"}, dns.TypeA},
		"IPv6":                           {[]string{"fd00::2"}, []string{"[fd00:96::a]:53"}, dns.TypeAAAA},
		"IPv6, cache of the node's":      {[]string{"fd00::2"}, []string{"169.254.20.10:53"}, dns.TypeAAAA},
		"both, IPv4 first":               {[]string{"10.1.0.2", "fd00::2"}, []string{"10.96.0.10:53", "[fd00:96::a]:53"}, dns.TypeA},
		"both, IPv6 first":               {[]string{"10.1.0.2", "fd00::2"}, []string{"[fd00:96::a]:53", "10.96.0.10:53"}, dns.TypeAAAA},
		"both, resolver of the link's":   {[]string{"10.1.0.2", "fd00::2"}, []string{"[fe80::1%eth0]:53"}, dns.TypeA},
		"IPv4, DNS with an IPv6 address": {[]string{"10.1.0.2"}, []string{"[fd00:96::a]:53"}, dns.TypeA},
	} {
		var servers []netip.AddrPort
		for _, s := range c.servers {
			servers = append(servers, netip.MustParseAddrPort(s))
		}
		require.Equal(t, c.want, oneType(c.addrs, servers), name)
	}
}

// listenIPv6 listens on the loopback of that family until the test ends. A
// machine that has none skips the test; in CI that is a failure.
func listenIPv6(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("::1", strconv.Itoa(port)))
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("no IPv6 on loopback: ", err)
	}
	if err != nil {
		t.Skip("no IPv6 on loopback: ", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// In a cluster of IPv6 alone every observer asks for AAAA, and no A record is
// ever there.
func TestIPv6Only(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	l := listenIPv6(t, port)
	go serve(l, leader, func(netip.Addr) {}, nil)
	z := newZone()
	z.set("kubernetes.default.svc.cluster.local.", "fd00:96::1")
	z.set(fqdn(0), "::1")
	for observer, want := range map[string][]record.Class{
		"solo":    {record.Address},
		"prime":   {record.Address},
		"caching": nil,
	} {
		t.Run(observer, func(t *testing.T) {
			s := serveDNS(t, z.handle)
			index := 1
			if observer == "prime" {
				index = 0
			}
			p := startWith(t, func(p *probe) { p.hasIPv6, p.hasIPv4, p.oneType = true, false, dns.TypeAAAA }, append(args(t, index, 2, port, s.addr), "--observer="+observer)...)
			log := p.log()
			p.release() // the next one has its port
			done, _ := log.Done()
			require.Equal(t, "complete", done.Reason)
			var got []record.Class
			for _, a := range answers(log) {
				require.Equal(t, "AAAA", a.Answer.Type)
				got = append(got, a.Answer.Class)
			}
			require.Equal(t, want, got)
			for _, q := range s.questions() {
				require.NotEqual(t, dns.TypeA, q.typ, q.name)
			}
			for _, l := range log.Lines {
				if l.Caching != nil {
					require.Equal(t, []uint32{30, 30, 30}, l.Caching.Positive)
				}
			}
			if observer == "solo" {
				require.Equal(t, "::1", dials(log)[0].Dial.Addr)
			}
		})
	}
}

// Where nothing else is said the probe can be reached at addresses of either
// family, and tells who called without the mapping of one into the other.
func TestListensOnBothFamilies(t *testing.T) {
	l, err := listen(context.Background(), &config{})
	require.NoError(t, err)
	defer l.Close()
	from := make(chan netip.Addr, 1)
	go serve(l, leader, func(a netip.Addr) { from <- a }, nil)
	port := l.Addr().(*net.TCPAddr).Port
	for _, addr := range []string{"127.0.0.1", "::1"} {
		if addr == "::1" {
			listenIPv6(t, 0) // there is such a loopback
		}
		c, err := net.Dial("tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		require.NoError(t, err)
		who, err := readWho(c)
		require.NoError(t, err)
		require.Equal(t, leader.Job, who.Job)
		require.Equal(t, addr, (<-from).String())
		c.Close()
	}
}

// Peers ask for what they could connect by, and for both families half as often
// each: what a DNS server gets is bounded by questions, not by streams.
func TestPeersAskForTheirFamilies(t *testing.T) {
	const deadline = 2 * time.Second // a busy machine asks within it, too
	for name, c := range map[string]struct {
		four, six bool
		types     []uint16
		interval  time.Duration
	}{
		"IPv4":       {true, false, []uint16{dns.TypeA}, 20 * time.Millisecond},
		"IPv6":       {false, true, []uint16{dns.TypeAAAA}, 20 * time.Millisecond},
		"dual-stack": {true, true, []uint16{dns.TypeA, dns.TypeAAAA}, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveDNS(t, newZone().handle) // without a name, so that all go on asking
			p := startWith(t, func(p *probe) { p.hasIPv4, p.hasIPv6 = c.four, c.six }, append(args(t, 1, 2, freePort(t), s.addr), "--observer=peers", "--deadline="+deadline.String())...)
			log := p.log()
			require.Equal(t, int64(c.interval), log.Start().Interval)
			asked := map[uint16]int{}
			for _, q := range s.questions() {
				asked[q.typ]++
			}
			require.Len(t, asked, len(c.types))
			sum := 0
			for _, typ := range c.types {
				require.NotZero(t, asked[typ], typ)
				sum += asked[typ]
			}
			// Two names, a question each every 20 ms, besides the first.
			require.LessOrEqual(t, sum, 2*int(deadline/(20*time.Millisecond))+2*len(c.types))
		})
	}
}
