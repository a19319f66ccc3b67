// Command baddns is a DNS server on a bad day. It stands in the place of a
// private DNS and does one thing wrong to every question: it answers SERVFAIL,
// answers cut short over UDP, sends what is no DNS message, answers with the
// wrong id, or passes the question on and answers late.
package main

import (
	"log"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"
)

// late is longer than a client's patience with one of several servers may be,
// and shorter than libc's 5 s with the only one.
const late = 3 * time.Second

func main() {
	listen, mode, upstream := os.Args[1], os.Args[2], os.Args[3]
	answer, known := modes(upstream)[mode]
	if !known {
		log.Fatalf("mode %q is not known", mode)
	}
	udp, err := net.ListenPacket("udp", listen)
	if err != nil {
		log.Fatal(err)
	}
	tcp, err := net.Listen("tcp", listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	go func() { log.Fatal(dns.ActivateAndServe(tcp, nil, answer)) }()
	log.Fatal(dns.ActivateAndServe(nil, udp, answer))
}

func modes(upstream string) map[string]dns.HandlerFunc {
	return map[string]dns.HandlerFunc{
		"servfail": func(w dns.ResponseWriter, q *dns.Msg) {
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		},
		// Also over TCP, where it means nothing: a client must not ask for ever.
		"truncated": func(w dns.ResponseWriter, q *dns.Msg) {
			r := new(dns.Msg).SetReply(q)
			r.Truncated = true
			w.WriteMsg(r)
		},
		"garbage": func(w dns.ResponseWriter, q *dns.Msg) {
			w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0xc0, 0x0c, 0xc0})
		},
		"wrong-id": func(w dns.ResponseWriter, q *dns.Msg) {
			r := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
			r.Id++
			w.WriteMsg(r)
		},
		"late": func(w dns.ResponseWriter, q *dns.Msg) {
			time.Sleep(late)
			if r, err := dns.Exchange(q, upstream); err == nil {
				w.WriteMsg(r)
			}
		},
	}
}
