package recordwriter

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) entries(t *testing.T) (list []Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := json.NewDecoder(bytes.NewReader(l.text.Bytes())); d.More(); {
		var e Entry
		require.NoError(t, d.Decode(&e))
		list = append(list, e)
	}
	return list
}

func newTestServer() (*server, *lines) {
	log := &lines{}
	return &server{domain: "cluster.local.", namespace: "demo", apiServer: netip.MustParseAddr("10.96.0.1"), ttl: 30,
		model: newModel(knobs{orphans: time.Hour}, func() float64 { return 0.5 }), log: json.NewEncoder(log)}, log
}

// TestAnswers: what is asked over the network, and what is logged of it.
func TestAnswers(t *testing.T) {
	s, log := newTestServer()
	both := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	s.model.records["w-0.svc"] = record{addrs: both}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	at := udp.LocalAddr().String()
	tcp, err := net.Listen("tcp", at)
	require.NoError(t, err)
	defer tcp.Close()
	go dns.ActivateAndServe(nil, udp, s)
	go dns.ActivateAndServe(tcp, nil, s)
	for _, tc := range []struct{ name, typ, rcode, want, logged string }{
		{"w-0.svc.demo.svc.cluster.local.", "A", "NOERROR", "10.0.0.1", "NOERROR 10.0.0.1"},
		{"W-0.Svc.demo.SVC.cluster.local.", "A", "NOERROR", "10.0.0.1", "NOERROR 10.0.0.1"},
		{"w-0.svc.demo.svc.cluster.local.", "AAAA", "NOERROR", "fd00::1", "NOERROR fd00::1"},
		{"w-0.svc.demo.svc.cluster.local.", "TXT", "NOERROR", "", "NODATA"},
		{"w-0.svc.demo.svc.cluster.local.", "TYPE65280", "NOERROR", "", "NODATA"},
		{"svc.demo.svc.cluster.local.", "A", "NOERROR", "", "NODATA"},
		{"demo.svc.cluster.local.", "A", "NOERROR", "", "NODATA"},
		{"cluster.local.", "A", "NOERROR", "", "NODATA"},
		{"kubernetes.default.svc.cluster.local.", "A", "NOERROR", "10.96.0.1", "NOERROR 10.96.0.1"},
		{"kubernetes.default.svc.cluster.local.", "TYPE65280", "NOERROR", "", "NODATA"},
		{"w-1.svc.demo.svc.cluster.local.", "A", "NXDOMAIN", "", "NXDOMAIN"},
		{"w-1.svc.demo.svc.cluster.local.", "TYPE65280", "NXDOMAIN", "", "NXDOMAIN"},
		{"w-0.svc.other.svc.cluster.local.", "A", "NXDOMAIN", "", "NXDOMAIN"},
		{"w-0.svc.demo.svc.cluster.local.svc.cluster.local.", "A", "NXDOMAIN", "", "NXDOMAIN"},
		{"w-0.svc.demo.svc.cluster.local.demo.svc.cluster.local.", "A", "NXDOMAIN", "", "NXDOMAIN"},
		{"example.com.", "A", "REFUSED", "", "REFUSED"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := new(dns.Msg).SetQuestion(tc.name, dns.StringToType[tc.typ])
			if tc.typ == "TYPE65280" {
				m.Question[0].Qtype = 65280
			}
			r, _, err := (&dns.Client{Net: network}).Exchange(m, at)
			require.NoError(t, err, tc.name)
			require.Equal(t, tc.rcode, dns.RcodeToString[r.Rcode], "%s %s", tc.name, tc.typ)
			var addrs []string
			for _, rr := range r.Answer {
				require.EqualValues(t, 30, rr.Header().Ttl)
				switch rr := rr.(type) {
				case *dns.A:
					addrs = append(addrs, rr.A.String())
				case *dns.AAAA:
					addrs = append(addrs, rr.AAAA.String())
				}
			}
			require.Equal(t, tc.want, strings.Join(addrs, " "), "%s %s", tc.name, tc.typ)
			if tc.want == "" && tc.rcode != "REFUSED" {
				require.Len(t, r.Ns, 1, "%s %s", tc.name, tc.typ)
				soa := r.Ns[0].(*dns.SOA)
				require.EqualValues(t, 30, min(soa.Hdr.Ttl, soa.Minttl))
			}
			all := log.entries(t)
			last := all[len(all)-1]
			require.Equal(t, "question", last.What)
			require.Equal(t, []string{tc.name, tc.typ, tc.logged}, []string{last.Name, last.Type, last.Answer})
			_, err = netip.ParseAddrPort(last.Client)
			require.NoError(t, err)
		}
	}
}

// fakeAPI is an API server with one Service and its EndpointSlice, whose watches
// are scripted: each call of a watch gets the next of the answers, one that begins
// with a star when the gate is opened.
type fakeAPI struct {
	mu      sync.Mutex
	lists   map[string][]string // by resource; the last one is given again
	watches map[string][]string // lines of a watch; after the last a watch stays open
	gate    chan struct{}
	asked   []string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	f.mu.Lock()
	q := r.URL.Query()
	f.asked = append(f.asked, r.URL.Path+" "+q.Get("watch")+" "+q.Get("resourceVersion")+" "+
		q.Get("labelSelector")+" "+r.Header.Get("Authorization"))
	from, watch := f.lists, q.Get("watch") != ""
	if watch {
		from = f.watches
	}
	list := from[resource]
	next := ""
	if len(list) > 0 {
		next = list[0]
	}
	if watch || len(list) > 1 {
		from[resource] = list[min(1, len(list)):] // the last list is given again
	}
	f.mu.Unlock()
	if strings.HasPrefix(next, "*") {
		<-f.gate
		next = next[1:]
	}
	if code, ok := map[string]int{"410": http.StatusGone, "500": http.StatusInternalServerError}[next]; ok {
		w.WriteHeader(code)
		return
	}
	w.Write([]byte(next))
	if watch && next == "" {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// requests are what was asked of one path.
func (f *fakeAPI) requests(path string) (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if rest, is := strings.CutPrefix(a, path); is {
			list = append(list, rest)
		}
	}
	return list
}

// TestFollow: the objects are listed and watched from the list's version on. One
// that has expired, as an answer or within a watch, begins with a list, and what is
// not in that list is gone.
func TestFollow(t *testing.T) {
	service := func(version, uid string) string {
		return `{"metadata":{"name":"svc","uid":"` + uid + `","resourceVersion":"` + version + `"}}`
	}
	slice := func(version, service, endpoints string) string {
		return `{"metadata":{"name":"svc-x","uid":"s` + service + `","resourceVersion":"` + version + `",
			"ownerReferences":[{"kind":"Service","uid":"` + service + `"}]},"endpoints":[` + endpoints + `]}`
	}
	list := func(version string, items ...string) string {
		return `{"metadata":{"resourceVersion":"` + version + `"},"items":[` + strings.Join(items, ",") + `]}`
	}
	const one = `{"addresses":["10.0.0.1"],"hostname":"w-0","conditions":{"ready":true}},
		{"addresses":["10.0.0.2"],"hostname":"w-1","conditions":{"ready":false}},
		{"addresses":["10.0.0.3"],"conditions":{"ready":true}}`
	const two = `{"addresses":["10.0.0.1"],"hostname":"w-0","conditions":{}},
		{"addresses":["10.0.0.2"],"hostname":"w-1","conditions":{"ready":true}}`
	const other = `{"addresses":["10.0.1.1"],"hostname":"w-0"}`
	const expired = `{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}`
	f := &fakeAPI{gate: make(chan struct{}),
		lists: map[string][]string{
			"services": {"500", list("5", service("3", "A")), list("31", service("30", "B"))},
			"endpointslices": {list("6", slice("4", "A", one)), list("7", slice("7", "A", two)),
				list("40", slice("33", "B", other))},
		},
		watches: map[string][]string{
			"services":       {"*410"},
			"endpointslices": {`{"type":"MODIFIED","object":` + slice("7", "A", two) + "}\n", "*" + expired},
		},
	}
	server := httptest.NewServer(f)
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	s, log := newTestServer()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, followed := make(chan struct{}), make(chan struct{})
	go func() {
		a := &api{base: server.URL, token: token, selector: "run=r", pause: time.Millisecond}
		s.follow(ctx, a, func() { close(ready) })
		close(followed)
	}()
	records := func(want string) func() bool {
		return func() bool { s.mu.Lock(); defer s.mu.Unlock(); return zone(s.model) == want }
	}
	require.Eventually(t, records("w-0=10.0.0.1 w-1=10.0.0.2"), 10*time.Second, 10*time.Millisecond)
	<-ready
	// Both watches end in an expired version; then B is there in the place of A.
	close(f.gate)
	require.Eventually(t, records("w-0=10.0.1.1 w-1=10.0.0.2"), 10*time.Second, 10*time.Millisecond)
	stop()
	<-followed
	const end = " run=r Bearer secret"
	require.Equal(t, []string{" " + end, " " + end, "1 5" + end, " " + end, "1 31" + end},
		f.requests("/api/v1/namespaces/demo/services "))
	require.Equal(t, []string{" " + end, "1 6" + end, " " + end, "1 7" + end, " " + end, "1 40" + end},
		f.requests("/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices "))
	var said []string
	for _, e := range log.entries(t) {
		if e.What == "forgotten" || e.Err != "" {
			said = append(said, e.What+" "+e.Name+e.Service+e.Err)
		}
	}
	require.Contains(t, said, "forgotten svcA")
	require.Contains(t, said,
		"problem /api/v1/namespaces/demo/services: the API server answered 500 Internal Server Error")
}
