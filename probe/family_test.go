package main

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

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

// In a cluster of IPv6 alone every observer asks for AAAA, and no A record is
// ever there.
func TestIPv6Only(t *testing.T) {
	port := freePort(t)
	l, err := net.Listen("tcp", fmt.Sprint("[::1]:", port))
	if err != nil {
		t.Skip("no IPv6 on loopback:", err)
	}
	defer l.Close()
	go serve(l, leader, func(netip.Addr) {})
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
			p := startWith(t, func(p *probe) { p.hasIPv6, p.oneType = true, dns.TypeAAAA }, append(args(t, index, 2, port, s.addr), "--observer="+observer)...)
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
				require.NotZero(t, done.Reached)
			}
		})
	}
}
