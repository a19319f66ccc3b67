package recordwriter

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// tick is how often the model is advanced: much more often than it pauses.
const tick = 10 * time.Millisecond

// server is the records and their DNS.
type server struct {
	domain    string     // of the cluster, with a trailing dot
	namespace string     // whose Services are watched
	apiServer netip.Addr // what kubernetes.default.svc leads to
	ttl       uint

	mu    sync.Mutex
	model *model
	log   *json.Encoder
}

// Run is the whole program but for the process around it. It answers until ctx
// ends; its log goes to stdout, an Entry a line.
func Run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var k knobs
	s := &server{log: json.NewEncoder(stdout)}
	fs := flag.NewFlagSet("record-writer", flag.ContinueOnError)
	onEmpty := fs.String("on-empty", "skip", "skip or publish a set of endpoints that has become empty")
	// Pause and write are fitted to what Cloud DNS did with 899 Jobs. There a record
	// lasted longer than 75 s, and none longer than 3.2 h was seen.
	fs.DurationVar(&k.pause, "pause", 500*time.Millisecond, "from an event to when the endpoints are read")
	fs.DurationVar(&k.spread, "spread", 100*time.Millisecond, "by how much a pause may be longer or shorter")
	fs.DurationVar(&k.write, "write", 100*time.Millisecond, "from then to when a change is answered")
	fs.DurationVar(&k.orphans, "orphans", 10*time.Minute, "for how long the records of a deleted Service are kept")
	fs.UintVar(&s.ttl, "ttl", 30, "of records and denials, in seconds")
	fs.StringVar(&s.domain, "domain", "cluster.local", "cluster domain")
	fs.StringVar(&s.namespace, "namespace", "default", "namespace whose Services and EndpointSlices are watched")
	selector := fs.String("selector", "", "label selector for them (default: all)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *onEmpty != "skip" && *onEmpty != "publish" {
		return fmt.Errorf("--on-empty %s is not known; accepted: skip, publish", *onEmpty)
	}
	k.publishEmpty = *onEmpty == "publish"
	s.domain, s.model = dns.CanonicalName(s.domain), newModel(k, rand.Float64)
	var err error
	if s.apiServer, err = netip.ParseAddr(getenv("KUBERNETES_SERVICE_HOST")); err != nil {
		return fmt.Errorf("KUBERNETES_SERVICE_HOST: %w", err)
	}
	a := &api{selector: *selector, token: tokenFile, pause: retryPause,
		base: "https://" + net.JoinHostPort(s.apiServer.String(), getenv("KUBERNETES_SERVICE_PORT"))}
	failed := make(chan error, 2)
	go s.follow(ctx, a, func() { // from now on it answers, and its pod is ready
		for _, network := range []string{"udp", "tcp"} {
			go func() { failed <- dns.ListenAndServe(":1053", network, s) }()
		}
	})
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// follow tells the model the time and what happens in the namespace, until ctx
// ends. It calls ready once Services and EndpointSlices have been listed.
func (s *server) follow(ctx context.Context, a *api, ready func()) {
	var first sync.WaitGroup
	first.Add(2)
	kind := func(path string, see func(now time.Time, o object, gone bool) []Entry) {
		go a.follow(ctx, path, func(o object, gone bool) {
			s.do(func(now time.Time) []Entry { return see(now, o, gone) })
		}, sync.OnceFunc(first.Done), func(err error) {
			s.do(func(time.Time) []Entry { return []Entry{{What: "problem", Err: err.Error()}} })
		})
	}
	kind("/api/v1/namespaces/"+s.namespace+"/services", s.model.service)
	kind("/apis/discovery.k8s.io/v1/namespaces/"+s.namespace+"/endpointslices", s.model.slice)
	first.Wait()
	ready()
	for ; ctx.Err() == nil; time.Sleep(tick) {
		s.do(s.model.advance)
	}
}

// do has something done to the model and logs what came of it.
func (s *server) do(what func(now time.Time) []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, e := range what(now) {
		e.At = now.UnixNano()
		s.log.Encode(e) // a log that cannot be written is no reason to end
	}
}

// ServeDNS answers a question from the records. What has not one question gets no
// further than the library.
func (s *server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	var r *dns.Msg
	s.do(func(time.Time) []Entry {
		e := Entry{What: "question", Name: m.Question[0].Name, Type: dns.Type(m.Question[0].Qtype).String(),
			Client: w.RemoteAddr().String()}
		r, e.Answer = s.answer(m)
		for _, rr := range r.Answer {
			e.Answer += " " + dns.Field(rr, 1)
		}
		return []Entry{e}
	})
	w.WriteMsg(r)
}

// answer returns the answer to a question, and in a word what it says.
func (s *server) answer(m *dns.Msg) (r *dns.Msg, word string) {
	q, name := m.Question[0], dns.CanonicalName(m.Question[0].Name)
	r = new(dns.Msg).SetReply(m)
	r.Authoritative = true
	if !dns.IsSubDomain(s.domain, name) {
		return r.SetRcode(m, dns.RcodeRefused), "REFUSED"
	}
	addrs, exists := s.lookup(name)
	h := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: uint32(s.ttl)}
	for _, a := range addrs {
		switch {
		case a.Is4() && q.Qtype == dns.TypeA:
			r.Answer = append(r.Answer, &dns.A{Hdr: h, A: a.AsSlice()})
		case a.Is6() && q.Qtype == dns.TypeAAAA:
			r.Answer = append(r.Answer, &dns.AAAA{Hdr: h, AAAA: a.AsSlice()})
		}
	}
	switch {
	case len(r.Answer) > 0:
		return r, "NOERROR"
	case exists:
		word = "NODATA"
	default:
		r.Rcode, word = dns.RcodeNameError, "NXDOMAIN"
	}
	h.Name, h.Rrtype = s.domain, dns.TypeSOA
	r.Ns = []dns.RR{&dns.SOA{Hdr: h, Ns: "ns.dns." + s.domain, Mbox: "hostmaster." + s.domain,
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: h.Ttl}}
	return r, word
}

// lookup returns the addresses of a name of the cluster domain, and whether it
// exists: it or a name below it has addresses. kubernetes.default.svc has the one
// that this pod was told, so that this DNS can be examined as any other.
func (s *server) lookup(name string) (addrs []netip.Addr, exists bool) {
	apiServer, ours := "kubernetes.default.svc."+s.domain, s.namespace+".svc."+s.domain
	if name == apiServer {
		return []netip.Addr{s.apiServer}, true
	}
	below := strings.TrimSuffix(name, "."+ours)
	for n := range s.model.records {
		exists = exists || n == below || strings.HasSuffix(n, "."+below)
	}
	return s.model.records[below].addrs, exists || name == ours || dns.IsSubDomain(name, apiServer)
}
