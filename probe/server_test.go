package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// patient bounds waits for things that must happen; the machine may be busy.
const patient = 30 * time.Second

// asked is a question as a test's DNS server saw it.
type asked struct {
	name string
	typ  uint16
	do   bool
	cd   bool
	from string
	at   time.Time
}

func (a asked) String() string { return a.name + " " + dns.Type(a.typ).String() }

// dnsServer is a DNS server on loopback that answers as its handler says.
type dnsServer struct {
	addr string
	mu   sync.Mutex
	seen []asked
}

// serveDNS starts a server, UDP and TCP on the same port.
func serveDNS(t testing.TB, handle dns.HandlerFunc) *dnsServer {
	t.Helper()
	s := &dnsServer{}
	pc, l := bothPorts(t)
	s.addr = pc.LocalAddr().String()
	h := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		q := r.Question[0]
		a := asked{name: q.Name, typ: q.Qtype, cd: r.CheckingDisabled, from: w.RemoteAddr().String(), at: time.Now()}
		if o := r.IsEdns0(); o != nil {
			a.do = o.Do()
		}
		s.mu.Lock()
		s.seen = append(s.seen, a)
		s.mu.Unlock()
		handle(w, r)
	})
	for _, server := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

// bothPorts listens on one port for packets and connections. One that is free
// for packets may be taken for connections, then it tries another.
func bothPorts(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		l, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, l
		}
		pc.Close()
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	}
	require.Fail(t, "no port is free for both")
	return nil, nil
}

func (s *dnsServer) questions() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.seen...)
}

// zone is a DNS server's data as CoreDNS' kubernetes plugin serves it: other
// types of a name that exists are NODATA, other names NXDOMAIN.
type zone struct {
	mu    sync.Mutex
	ttl   uint32
	names map[string][]string
}

func newZone() *zone {
	z := &zone{ttl: 30, names: map[string][]string{}}
	z.set("kubernetes.default.svc.cluster.local.", "127.0.0.99")
	return z
}

func (z *zone) set(name string, addrs ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names[name] = addrs
}

func (z *zone) handle(w dns.ResponseWriter, r *dns.Msg) {
	z.mu.Lock()
	addrs, exists := z.names[r.Question[0].Name]
	ttl := z.ttl
	z.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = true
	for _, a := range addrs {
		if rr := addressRecord(r.Question[0].Name, a, ttl); rr.Header().Rrtype == r.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{soa(ttl)}
	}
	w.WriteMsg(m)
}

// after makes a change before the question that follows the first n.
func after(n int32, change func(), handle dns.HandlerFunc) dns.HandlerFunc {
	var questions atomic.Int32
	return func(w dns.ResponseWriter, r *dns.Msg) {
		if questions.Add(1) == n+1 {
			change()
		}
		handle(w, r)
	}
}

func addressRecord(name, addr string, ttl uint32) dns.RR {
	typ := "A"
	if netip.MustParseAddr(addr).Is6() {
		typ = "AAAA"
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, ttl, typ, addr))
	if err != nil {
		panic(err)
	}
	return rr
}

func soa(ttl uint32) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf("cluster.local. %d IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 %d", ttl, ttl))
	if err != nil {
		panic(err)
	}
	return rr
}

// fqdn is the name of a test's pod, as it is asked for.
func fqdn(index int) string { return fmt.Sprintf("flux-%d.flux.lab.svc.cluster.local.", index) }

// podAddr is the loopback address of a test's pod.
func podAddr(index int) string { return fmt.Sprintf("127.0.9.%d", index+1) }

// resolvConf writes a pod's resolv.conf.
func resolvConf(t testing.TB, servers ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("search lab.svc.cluster.local svc.cluster.local cluster.local\n")
	for _, s := range servers {
		a := netip.MustParseAddrPort(s)
		fmt.Fprintf(&b, "nameserver [%s]:%d\n", a.Addr(), a.Port())
	}
	b.WriteString("options ndots:5 timeout:1\n")
	return writeFile(t, b.String())
}

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// freePort returns a port that nothing listens on, on any loopback address.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := int(lastPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			l.Close()
			return port
		}
	}
}

// lastPort is the one that was given to a test last. They come from below those
// that the kernel gives to others meanwhile.
var lastPort atomic.Int32

func init() { lastPort.Store(10_000 + rand.Int32N(10_000)) }

// output collects a probe's log.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	done chan struct{} // closed when a Done line was written
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bytes.Contains(b, []byte(`"done":`)) {
		close(o.done)
	}
	return o.b.Write(b)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// pod is a probe that runs inside the test.
type pod struct {
	t     testing.TB
	p     *probe
	out   *output
	stop  context.CancelFunc
	ended chan error
}

// args are the flags of pod index of n, without those that say what it asks.
func args(t testing.TB, index, n, port int, servers ...string) []string {
	return []string{
		"--run=r", "--trial=t1", "--job=flux", "--service=flux", "--namespace=lab",
		fmt.Sprint("--pods=", n), fmt.Sprint("--index=", index),
		"--address=" + podAddr(index), fmt.Sprint("--port=", port),
		"--interval=20ms", "--deadline=25s", "--resolv-conf=" + resolvConf(t, servers...),
	}
}

// start runs a probe until the test ends.
func start(t testing.TB, args ...string) *pod {
	t.Helper()
	return startWith(t, func(*probe) {}, args...)
}

// startWith is start after a last change. The machine's own addresses do not
// matter: tests ask for A only unless they say otherwise.
func startWith(t testing.TB, change func(*probe), args ...string) *pod {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	pod := &pod{t: t, out: &output{done: make(chan struct{})}, stop: stop, ended: make(chan error, 1)}
	pod.p = newTestProbe(t, pod.out, args...)
	change(pod.p)
	go func() { pod.ended <- pod.p.run(ctx) }()
	t.Cleanup(stop)
	return pod
}

func newTestProbe(t testing.TB, out io.Writer, args ...string) *probe {
	t.Helper()
	zero := time.Now()
	cfg, err := parseFlags(args, noEnv)
	require.NoError(t, err)
	p, err := newProbe(zero, cfg, out)
	require.NoError(t, err)
	p.hasIPv6, p.hasIPv4, p.oneType = false, true, dns.TypeA
	return p
}

func noEnv(string) string { return "" }

// log waits until the probe is done and returns what it wrote.
func (p *pod) log() recorded {
	p.t.Helper()
	select {
	case <-p.out.done:
	case err := <-p.ended:
		require.NoError(p.t, err, "probe ended early")
	case <-time.After(patient):
		require.Fail(p.t, "probe was not done in time", "%s", p.out.text())
	}
	log := readLog(p.t, p.out.text())
	require.NotNil(p.t, log.Start(), "the first line is Start")
	require.NotNil(p.t, log.Lines[len(log.Lines)-1].Done, "the last line is Done")
	return log
}

// recorded is a probe's log.
type recorded struct{ Lines []record.Line }

// readLog reads a log that holds records and nothing else.
func readLog(t testing.TB, text string) (log recorded) {
	t.Helper()
	rest, err := record.Read(strings.NewReader(text), func(l record.Line) { log.Lines = append(log.Lines, l) })
	require.NoError(t, err)
	require.Zero(t, rest)
	require.NotEmpty(t, log.Lines)
	return log
}

// Start is what the first line holds.
func (log recorded) Start() *record.Start { return log.Lines[0].Start }

// Done is what the last line holds, and when it was written.
func (log recorded) Done() (*record.Done, int64) {
	last := log.Lines[len(log.Lines)-1]
	return last.Done, last.T
}

// says waits until the probe has written what is given.
func (p *pod) says(what string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.out.text(), what) }, patient, time.Millisecond, what)
}

// release ends the probe as SIGTERM does.
func (p *pod) release() {
	p.t.Helper()
	p.stop()
	select {
	case err := <-p.ended:
		require.NoError(p.t, err)
	case <-time.After(patient):
		require.Fail(p.t, "probe did not end")
	}
}

func answers(log recorded) (list []record.Line) {
	for _, l := range log.Lines {
		if l.Answer != nil {
			list = append(list, l)
		}
	}
	return list
}

func dials(log recorded) (list []record.Line) {
	for _, l := range log.Lines {
		if l.Dial != nil {
			list = append(list, l)
		}
	}
	return list
}

// checks tells of each server that was checked whether it was found good.
func checks(log recorded) map[string]bool {
	ok := map[string]bool{}
	for _, l := range log.Lines {
		if l.Check != nil {
			ok[l.Check.Server] = l.Check.OK
		}
	}
	return ok
}

func closed(log recorded, id int) record.Closed {
	for _, l := range log.Lines {
		if l.Closed != nil && l.Closed.ID == id {
			return *l.Closed
		}
	}
	return record.Closed{}
}
