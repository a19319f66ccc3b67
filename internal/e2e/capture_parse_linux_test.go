package e2e

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// frame is an Ethernet frame from 10.244.1.3 to 10.244.2.3, with options of so
// many bytes in its IP header.
func frame(protocol byte, options int, from, to uint16, rest ...byte) []byte {
	b := make([]byte, ethIPv4+20+options)
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	ip := b[ethIPv4:]
	ip[0], ip[9] = 4<<4|byte((20+options)/4), protocol
	copy(ip[12:], []byte{10, 244, 1, 3, 10, 244, 2, 3})
	b = binary.BigEndian.AppendUint16(b, from)
	b = binary.BigEndian.AppendUint16(b, to)
	return append(b, rest...)
}

// segment is a TCP header's rest, message a UDP header's and the begin of a DNS
// message with the id 4711.
func segment(flags byte) []byte { return []byte{9: flags, 15: 0} }
func message(flags byte) []byte { return []byte{4: 4711 >> 8, 5: 4711 & 0xff, 6: flags, 15: 0} }

func TestParse(t *testing.T) {
	pod := packet{From: "10.244.1.3", To: "10.244.2.3"}
	with := func(change func(*packet)) *packet { p := pod; change(&p); return &p }
	dnsWith := func(answer bool) *packet {
		return with(func(p *packet) { p.DNS, p.Answer, p.Port, p.ID = true, answer, 40404, 4711 })
	}
	altered := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	for name, c := range map[string]struct {
		frame []byte
		want  *packet // nil: not ours
	}{
		"SYN":                      {frame(tcp, 0, 40404, port, segment(flagSYN)...), &pod},
		"SYN behind IP options":    {frame(tcp, 8, 40404, port, segment(flagSYN)...), &pod},
		"SYN to another port":      {frame(tcp, 0, 40404, 80, segment(flagSYN)...), nil},
		"SYN from the port":        {frame(tcp, 0, port, 40404, segment(flagSYN)...), nil},
		"SYN-ACK":                  {frame(tcp, 0, port, 40404, segment(flagSYN|flagACK)...), with(func(p *packet) { p.Answer = true })},
		"SYN-ACK to the port":      {frame(tcp, 0, 40404, port, segment(flagSYN|flagACK)...), nil},
		"FIN of the caller":        {frame(tcp, 0, 40404, port, segment(flagFIN|flagACK)...), with(func(p *packet) { p.Close = true })},
		"FIN of the called":        {frame(tcp, 0, port, 40404, segment(flagFIN|flagACK)...), nil},
		"RST":                      {frame(tcp, 0, 40404, port, segment(0x04)...), nil},
		"data":                     {frame(tcp, 0, 40404, port, segment(flagACK)...), nil},
		"question to a Service":    {frame(udp, 0, 40404, dns, message(0x01)...), dnsWith(false)},
		"question to a replica":    {frame(udp, 0, 40404, privateDNS, message(0x01)...), dnsWith(false)},
		"answer of a replica":      {frame(udp, 0, privateDNS, 40404, message(flagQR|0x05)...), dnsWith(true)},
		"answer of a Service":      {frame(udp, 0, dns, 40404, message(flagQR|0x05)...), dnsWith(true)},
		"UDP to another port":      {frame(udp, 0, 40404, 123, message(0)...), nil},
		"DNS over TCP":             {frame(tcp, 0, 40404, dns, segment(flagSYN)...), nil},
		"later fragment":           {altered(frame(udp, 0, 40404, dns, message(0)...), ethIPv4+7, 0xb9), nil},
		"IPv6":                     {altered(frame(udp, 0, 40404, dns, message(0)...), 12, 0x86), nil},
		"IP header without length": {altered(frame(udp, 0, 40404, dns, message(0)...), ethIPv4, 4<<4), nil},
	} {
		p, ok := parsePacket(c.frame)
		if require.Equal(t, c.want != nil, ok, name); ok {
			require.Equal(t, *c.want, p, name)
		}
	}
}

// A frame may end anywhere: nothing behind its end is read.
func TestParseCut(t *testing.T) {
	for _, whole := range [][]byte{frame(tcp, 40, 40404, port, segment(flagSYN)...), frame(udp, 40, 40404, dns, message(0)...)} {
		for n := range len(whole) {
			parsePacket(append([]byte(nil), whole[:n]...))
		}
	}
}
