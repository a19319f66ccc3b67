package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

const (
	// directLimit is how long a question to one replica waits. Such questions
	// are instruments, not imitations of a client: a lost packet should blind
	// them for a second, not for libc's five.
	directLimit = time.Second
	// maxUDP is what a socket takes of one answer; without EDNS0 a server
	// stays below 512 bytes, with it below ednsSize.
	maxUDP   = 4 << 10
	ednsSize = 1232
	// maxAddrs bounds what is kept of an answer.
	maxAddrs = 16
	// maxTCP is how many answers are read over TCP at once. Each may be of
	// 64 KiB, and of ten times that when it is taken apart; a pod has 64 MiB.
	// The names that are asked for have answers that fit into a packet.
	maxTCP = 16
)

// question is one question to one server.
type question struct {
	peer   int
	view   record.View
	name   string // with a trailing dot
	typ    uint16
	as     string // the type under which the answer is recorded
	suffix string
	do, cd bool // DNSSEC flags; the uncached view varies them
}

// addressOf is the question for a pod's address, as clients ask it.
func (p *probe) addressOf(index int, typ uint16) question {
	return question{peer: index, view: record.Client, name: p.peerName(index) + ".", typ: typ, as: dns.TypeToString[typ]}
}

var buffers = sync.Pool{New: func() any { return new([maxUDP]byte) }}

// ask sends one question from a new socket, hence a new source port, and waits
// for its answer until the limit. The socket is connected, so the kernel drops
// what comes from elsewhere; what is not an answer to the question is ignored
// as a libc would. ok is false when ctx ended before the answer came.
func (p *probe) ask(ctx context.Context, server netip.AddrPort, q question,
	limit time.Duration) (a record.Answer, t int64, ok bool) {
	a = record.Answer{Peer: q.peer, View: q.view, Type: q.as, Suffix: q.suffix, Server: server.String()}
	if over(ctx) {
		return a, p.now(), false
	}
	fail := func(class record.Class, reason string) (record.Answer, int64, bool) {
		a.Class, a.Err = class, reason
		return a, p.now(), !over(ctx)
	}
	m := new(dns.Msg).SetQuestion(q.name, q.typ)
	m.CheckingDisabled = q.cd
	if q.do {
		m.SetEdns0(ednsSize, true)
	}
	a.Asked = p.now()
	wire, err := m.Pack()
	if err != nil {
		return fail(record.Error, cause(err))
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return fail(record.Error, cause(err))
	}
	defer conn.Close()
	until := time.Now().Add(limit)
	conn.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	p.asked(q.view)
	a.Asked = p.now()
	if _, err := conn.Write(wire); err != nil {
		return fail(record.Error, cause(err))
	}
	buf := buffers.Get().(*[maxUDP]byte)
	defer buffers.Put(buf)
	wrong := "" // why the packets that came were no answer
	for {
		n, err := conn.Read(buf[:])
		t = p.now()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && wrong == "":
			return fail(record.Timeout, "")
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fail(record.Error, wrong)
		case err != nil: // connection refused: the server's host said that nobody listens
			return fail(record.Error, cause(err))
		}
		r, reason := parse(buf[:n], wire, m)
		if r == nil {
			wrong = reason
			continue
		}
		if r.Truncated {
			if r, err = p.askTCP(ctx, server, m, wire, until); err != nil {
				return fail(record.Error, "tcp: "+cause(err))
			}
			t = p.now()
		}
		classify(&a, r, q.typ)
		return a, t, true
	}
}

// askTCP repeats a question whose answer did not fit into a packet.
func (p *probe) askTCP(ctx context.Context, server netip.AddrPort, m *dns.Msg, wire []byte,
	until time.Time) (*dns.Msg, error) {
	ctx, stop := context.WithDeadline(ctx, until)
	defer stop()
	select {
	case p.tcp <- struct{}{}:
		defer func() { <-p.tcp }()
	case <-ctx.Done():
		return nil, os.ErrDeadlineExceeded
	}
	dialer := net.Dialer{KeepAlive: -1}
	c, err := dialer.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	conn := dns.Conn{Conn: c}
	if _, err := conn.Write(wire); err != nil {
		return nil, err
	}
	answer, err := conn.ReadMsgHeader(nil)
	if err != nil {
		return nil, err
	}
	r, reason := parse(answer, wire, m)
	if r == nil {
		return nil, errors.New(reason)
	}
	return r, nil
}

// parse returns the answer to m, or why the packet is none.
func parse(packet, wire []byte, m *dns.Msg) (*dns.Msg, string) {
	const qr = 0x80 // of the header's third byte: this is an answer
	switch {
	case len(packet) < 12:
		return nil, "shorter than a DNS header"
	case !bytes.Equal(packet[:2], wire[:2]):
		return nil, "wrong id"
	case packet[2]&qr == 0:
		return nil, "not an answer"
	}
	r := new(dns.Msg)
	if binary.BigEndian.Uint16(packet[4:]) == 0 && packet[3]&0xf != dns.RcodeSuccess {
		// A server that could not read the question need not repeat it.
		r.Rcode = int(packet[3] & 0xf)
		return r, ""
	}
	if err := r.Unpack(packet); err != nil {
		return nil, "malformed"
	}
	if len(r.Question) != 1 || r.Question[0].Qtype != m.Question[0].Qtype ||
		r.Question[0].Qclass != dns.ClassINET || !strings.EqualFold(r.Question[0].Name, m.Question[0].Name) {
		return nil, "answer to another question"
	}
	return r, ""
}

// classify sorts the answer and keeps what tells it from others. Addresses
// count whoever owns them: a CNAME's target stands in the same section.
func classify(a *record.Answer, r *dns.Msg, typ uint16) {
	a.Rcode = dns.RcodeToString[r.Rcode]
	switch r.Rcode {
	case dns.RcodeSuccess:
		a.Class = record.NoData
		takeAddresses(a, r, typ)
	case dns.RcodeNameError:
		a.Class = record.NXDomain
	case dns.RcodeServerFailure:
		a.Class = record.ServFail
	case dns.RcodeRefused:
		a.Class = record.Refused
	default:
		a.Class = record.OtherRcode
	}
	if a.Class == record.NoData || a.Class == record.NXDomain {
		for _, rr := range r.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				a.SOATTL = &soa.Hdr.Ttl
				break
			}
		}
	}
}

func takeAddresses(a *record.Answer, r *dns.Msg, typ uint16) {
	var ttl *uint32
	var addrs []netip.Addr
	for _, rr := range r.Answer {
		h := rr.Header()
		if ttl == nil || h.Ttl < *ttl {
			ttl = &h.Ttl
		}
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok && h.Rrtype == typ {
			addrs = append(addrs, addr.Unmap())
		}
	}
	if len(addrs) == 0 {
		return
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	for _, addr := range addrs[:min(len(addrs), maxAddrs)] {
		a.Addrs = append(a.Addrs, addr.String())
	}
	a.Class, a.TTL = record.Address, ttl
}

// askAndLog asks and records the answer. prev is when the stream asked before,
// -1 where it did not, and is kept up to date.
func (p *probe) askAndLog(ctx context.Context, server netip.AddrPort, q question, limit time.Duration,
	prev *int64) (a record.Answer, ok bool) {
	a, t, ok := p.ask(ctx, server, q, limit)
	if ok {
		a.Prev, *prev = *prev, a.Asked
		p.log.answer(t, a)
	}
	return a, ok
}

// lookup asks resolv.conf's servers as glibc does: in order, attempts times,
// on to the next one after a time-out, an error, SERVFAIL, REFUSED or NOTIMP.
// Every answer is recorded; the last one is returned.
func (p *probe) lookup(ctx context.Context, q question, prev *int64) (a record.Answer, ok bool) {
	for range p.resolv.Attempts {
		for i, server := range p.servers {
			if a, ok = p.askAndLog(ctx, server, q, p.serverLimit(i), prev); !ok {
				return a, false
			}
			switch a.Class {
			case record.Address, record.NoData, record.NXDomain:
				return a, true
			case record.OtherRcode:
				if a.Rcode != dns.RcodeToString[dns.RcodeNotImplemented] {
					return a, true
				}
			}
		}
	}
	return a, ok
}

// serverLimit is how long glibc waits for the i-th server: the time-out, from
// the second server on doubled per server and shared among all of them
// (resolv/res_send.c, send_dg).
func (p *probe) serverLimit(i int) time.Duration {
	seconds := p.resolv.Timeout
	if i > 0 {
		seconds = max(1, seconds<<i/len(p.servers))
	}
	return time.Duration(seconds) * time.Second
}
