package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// Nothing that a server sends crashes the probe, is taken for an answer, or
// holds it up longer than the limit.
func TestHostileServers(t *testing.T) {
	p := testProbe(t)
	// What is not taken for an answer must have come by then.
	const limit = 2 * time.Second
	header := func(query []byte, questions, answers uint16) []byte {
		b := make([]byte, 12)
		copy(b, query[:2])
		b[2] = 0x80
		binary.BigEndian.PutUint16(b[4:], questions)
		binary.BigEndian.PutUint16(b[6:], answers)
		return b
	}
	one := func(make func(query []byte) []byte) func([]byte) [][]byte {
		return func(q []byte) [][]byte { return [][]byte{make(q)} }
	}
	for _, c := range []struct {
		name  string
		reply func(query []byte) [][]byte
		class record.Class
		err   string
	}{
		{"wrong id", one(func(q []byte) []byte { b := answered(q); b[0]++; return b }), record.Error, "wrong id"},
		{"its own question back", one(func(q []byte) []byte { return q }), record.Error, "not an answer"},
		{"three bytes", one(func(q []byte) []byte { return q[:3] }), record.Error, "shorter than a DNS header"},
		{"nothing in it", one(func(q []byte) []byte { return nil }), record.Error, "shorter than a DNS header"},
		{"no question", one(func(q []byte) []byte { return header(q, 0, 0) }), record.Error, "answer to another question"},
		{"could not read the question", one(func(q []byte) []byte { b := header(q, 0, 0); b[3] = dns.RcodeFormatError; return b }), record.OtherRcode, ""},
		{"another name", one(func(q []byte) []byte { b := answered(q); b[13] ^= 1; return b }), record.Error, "answer to another question"},
		{"a name that points at itself", one(func(q []byte) []byte { return append(header(q, 1, 0), 0xc0, 12, 0, 1, 0, 1) }), record.Error, "malformed"},
		{"names that point at each other", one(func(q []byte) []byte { return append(header(q, 1, 0), 0xc0, 14, 0xc0, 12, 0, 1, 0, 1) }), record.Error, "malformed"},
		{"65,535 questions", one(func(q []byte) []byte { return header(q, 65535, 65535) }), record.Error, "answer to another question"},
		{"cut in the middle", one(func(q []byte) []byte {
			b := answered(q, addressRecord(fqdn(0), "10.0.0.1", 1))
			return b[:len(b)-3]
		}), record.Error, "malformed"},
		{"rubbish first, the answer after it", func(q []byte) [][]byte {
			wrong := answered(q)
			wrong[0]++
			return [][]byte{[]byte("rubbish"), wrong, answered(q, addressRecord(fqdn(0), "10.0.0.1", 1))}
		}, record.Address, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := rawServer(t, c.reply)
			wait := limit
			if c.err == "" {
				wait = patient
			}
			began := time.Now()
			a, _, ok := p.ask(context.Background(), server, askA, wait)
			require.True(t, ok)
			require.Equal(t, c.class, a.Class)
			require.Equal(t, c.err, a.Err)
			require.Less(t, time.Since(began), patient/2)
		})
	}
}

// An answer from another address than the one that was asked never arrives.
func TestAnswerFromElsewhere(t *testing.T) {
	p := testProbe(t)
	elsewhere, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer elsewhere.Close()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	go func() {
		buf := make([]byte, 512)
		n, from, _ := pc.ReadFrom(buf)
		elsewhere.WriteTo(answered(buf[:n], addressRecord(fqdn(0), "10.0.0.1", 1)), from)
	}()
	a, _, ok := p.ask(context.Background(), netip.MustParseAddrPort(pc.LocalAddr().String()), askA, 300*time.Millisecond)
	require.True(t, ok)
	require.Equal(t, record.Timeout, a.Class)
}

// A server that floods the probe with packets cannot hold it up.
func TestFlood(t *testing.T) {
	p := testProbe(t)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	go func() {
		buf := make([]byte, 512)
		_, from, _ := pc.ReadFrom(buf)
		for {
			if _, err := pc.WriteTo(buf[:60], from); err != nil && strings.Contains(err.Error(), "closed") {
				return
			}
			runtime.Gosched()
		}
	}()
	began := time.Now()
	a, _, ok := p.ask(context.Background(), netip.MustParseAddrPort(pc.LocalAddr().String()), askA, 2*time.Second)
	require.True(t, ok)
	require.Equal(t, record.Error, a.Class)
	require.Less(t, time.Since(began), patient/2)
}

// What comes over TCP is bounded as what comes in a packet is.
func TestHostileOverTCP(t *testing.T) {
	t.Parallel()
	p := testProbe(t)
	truncated := func(w dns.ResponseWriter, r *dns.Msg) bool {
		if w.LocalAddr().Network() != "udp" {
			return false
		}
		m := new(dns.Msg).SetReply(r)
		m.Truncated = true
		w.WriteMsg(m)
		return true
	}
	for _, c := range []struct {
		name  string
		tcp   func(w dns.ResponseWriter, r *dns.Msg)
		class record.Class
		err   string
	}{
		{"aliases in a circle", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Compress = true
			for i := range 2000 {
				rr, _ := dns.NewRR(fmt.Sprintf("a%d.x. 1 IN CNAME a%d.x.", i, (i+1)%2000))
				m.Answer = append(m.Answer, rr)
			}
			w.WriteMsg(m)
		}, record.NoData, ""},
		{"4,000 addresses", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Compress = true
			for i := range 4000 {
				m.Answer = append(m.Answer, addressRecord(fqdn(0), fmt.Sprintf("10.1.%d.%d", i/250, i%250), 1))
			}
			w.WriteMsg(m)
		}, record.Address, ""},
		{"hangs up", func(w dns.ResponseWriter, r *dns.Msg) { w.Close() }, record.Error, "tcp: EOF"},
		{"silence", func(w dns.ResponseWriter, r *dns.Msg) {}, record.Error, "tcp: time-out"},
		{"half an answer", func(w dns.ResponseWriter, r *dns.Msg) { w.(io.Writer).Write([]byte("x")); w.Close() }, record.Error, "tcp: dns: short read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
				if !truncated(w, r) {
					c.tcp(w, r)
				}
			})
			limit := patient
			if c.name == "silence" {
				limit = 2 * time.Second // the packet comes within it
			}
			a, _, ok := p.ask(context.Background(), netip.MustParseAddrPort(s.addr), askA, limit)
			require.True(t, ok)
			require.Equal(t, c.class, a.Class, a.Err)
			require.Equal(t, c.err, a.Err)
			require.LessOrEqual(t, len(a.Addrs), maxAddrs)
		})
	}
}

// However many names have huge answers, few are in memory at once.
func TestHugeAnswersTogether(t *testing.T) {
	p := testProbe(t)
	var now, most atomic.Int32
	s := serveDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if m.Truncated = w.LocalAddr().Network() == "udp"; !m.Truncated {
			for n := now.Add(1); ; {
				if was := most.Load(); n <= was || most.CompareAndSwap(was, n) {
					break
				}
			}
			time.Sleep(5 * time.Millisecond) // for others to come
			now.Add(-1)
			m.Answer = []dns.RR{addressRecord(fqdn(0), "10.0.0.1", 1)}
		}
		w.WriteMsg(m)
	})
	var asking sync.WaitGroup
	for range 10 * maxTCP {
		asking.Go(func() {
			a, _, _ := p.ask(context.Background(), netip.MustParseAddrPort(s.addr), askA, patient)
			assert.Equal(t, record.Address, a.Class, a.Err)
		})
	}
	asking.Wait()
	require.LessOrEqual(t, most.Load(), int32(maxTCP))
	require.Greater(t, most.Load(), int32(1))
}

// Whatever the server does and whatever is asked, a probe ends by its deadline
// with a log that is whole and no longer than a log may be.
func TestHostileServersAndWholeRuns(t *testing.T) {
	var made atomic.Uint32
	elsewhere := func() dns.RR { // refused at once: nobody listens on the rest of loopback
		n := made.Add(1)
		return addressRecord(fqdn(0), fmt.Sprintf("127.%d.%d.%d", 1+n>>16%250, n>>8%256, n%256), n)
	}
	servers := map[string]string{"drops over TCP": drips(t)}
	for name, handle := range map[string]dns.HandlerFunc{
		"silence": func(dns.ResponseWriter, *dns.Msg) {},
		"a new address each time": func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			for range 20 {
				m.Answer = append(m.Answer, elsewhere())
			}
			w.WriteMsg(m)
		},
		"another code each time": func(w dns.ResponseWriter, r *dns.Msg) {
			w.WriteMsg(new(dns.Msg).SetRcode(r, int(made.Add(1)%16)))
		},
		"aliases without end": func(w dns.ResponseWriter, r *dns.Msg) {
			m, name := new(dns.Msg).SetReply(r), r.Question[0].Name
			for range 20 {
				next := fmt.Sprintf("a%d.x.", made.Add(1))
				m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 1}, Target: next})
				name = next
			}
			w.WriteMsg(m)
		},
		"compression in circles": func(w dns.ResponseWriter, r *dns.Msg) {
			b := append(make([]byte, 12), 0xc0, 12, 0, 1, 0, 1)
			binary.BigEndian.PutUint16(b, r.Id)
			b[2], b[5] = 0x80, 1
			w.Write(b)
		},
		"a flood": func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Question[0].Name = "other."
			for range 2000 {
				w.WriteMsg(m)
			}
		},
	} {
		servers[name] = serveDNS(t, handle).addr
	}
	for name, server := range servers {
		for _, observer := range []string{"solo", "peers", "peers+server", "prime", "caching"} {
			t.Run(name+"/"+observer, func(t *testing.T) {
				t.Parallel()
				const deadline = time.Second
				began := time.Now()
				pod := start(t, append(args(t, 1, 4, freePort(t), server), "--observer="+observer, "--dns-replicas="+server, "--deadline="+deadline.String())...)
				log := pod.log()
				done, at := log.Done()
				require.Contains(t, []string{"deadline", "complete"}, done.Reason) // caching is complete with what it saw
				require.Less(t, time.Duration(at), deadline+patient/4, "after its start")
				require.Less(t, time.Since(began), patient/2)
				require.Less(t, len(pod.out.text()), 1<<20)
				pod.release()
			})
		}
	}
}

// drips is a server that says in packets that its answers are too long for
// them, and over TCP sends the longest a byte at a time.
func drips(t *testing.T) string {
	pc, l := bothPorts(t)
	t.Cleanup(func() { pc.Close(); l.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			b := answered(buf[:n])
			b[2] |= 2 // truncated
			pc.WriteTo(b, from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for b := []byte{0xff}; ; b[0] = 0 {
					if _, err := c.Write(b); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
		}
	}()
	return pc.LocalAddr().String()
}
