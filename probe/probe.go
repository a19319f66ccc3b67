package main

import (
	"context"
	"io"
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

// maxResolvConf is more than any resolv.conf needs.
const maxResolvConf = 64 << 10

// probe is one run of the program.
type probe struct {
	cfg     *config
	zero    time.Time
	domain  string
	resolv  record.Resolv
	servers []netip.AddrPort // resolv.Servers
	addrs   []string         // this pod's own
	hasIPv6 bool             // among them one that is not only of the link
	hasIPv4 bool             // likewise; or it is not known which it has
	oneType uint16           // of address record, where one is asked for
	ring    *record.Ring     // who asks for whom
	log     *journal
	broken  chan error // the log could not be written
	wakeups wakeups
	tcp     chan struct{} // a place for each answer that is read over TCP
	members *members      // who has joined; nil: nobody is kept

	mu        sync.Mutex
	questions map[string]int
}

func newProbe(zero time.Time, cfg *config, stdout io.Writer) (*probe, error) {
	p := &probe{cfg: cfg, zero: zero, broken: make(chan error, 1), tcp: make(chan struct{}, maxTCP),
		questions: map[string]int{}}
	p.log = newJournal(stdout, p.now, func(err error) {
		select {
		case p.broken <- err:
		default:
		}
	})
	text, err := readHead(cfg.resolvConf, maxResolvConf)
	if err != nil {
		return nil, usagef("invalid value %q for flag -resolv-conf: want a file that can be read: %v", cfg.resolvConf, err)
	}
	p.resolv = parseResolv(text)
	for _, s := range p.resolv.Servers {
		p.servers = append(p.servers, netip.MustParseAddrPort(s)) // written by parseResolv
	}
	if p.domain = cfg.domain; p.domain == "" {
		p.domain = clusterDomain(p.resolv, cfg.namespace)
	}
	p.ring = cfg.sample.Ring(cfg.pods)
	p.addrs = ownAddresses()
	p.hasIPv6 = slices.ContainsFunc(p.addrs, isIPv6)
	p.hasIPv4 = !p.hasIPv6 || slices.ContainsFunc(p.addrs, func(a string) bool { return !isIPv6(a) })
	p.oneType = oneType(p.addrs, p.servers)
	if cfg.runLength > 0 && cfg.index == 0 {
		p.members = newMembers(cfg.pods - 1)
	}
	return p, nil
}

// run listens, observes until it is done or the deadline, and then waits to be
// released.
func (p *probe) run(ctx context.Context) error {
	observing, stop := context.WithDeadline(ctx, p.zero.Add(p.cfg.deadline))
	defer stop()

	l, err := listen(ctx, p.cfg)
	if err != nil {
		return p.fail(err)
	}
	defer l.Close()
	var keep func(netip.Addr, net.Conn)
	if p.members != nil {
		keep = p.members.add
	}
	go serve(l, p.who(), p.wakeups.connected, keep)

	ended := make(chan bool, 1)
	go func() { ended <- p.observe(observing) }()
	p.log.begin(p.start()) // slow: it reads /proc

	select {
	case err := <-p.broken:
		return err
	case complete := <-ended:
		d := &record.Done{Reason: "complete", Questions: p.questions, RSS: peakRSS()}
		switch {
		case complete:
		case ctx.Err() != nil:
			d.Reason = "released"
		default:
			d.Reason = "deadline"
		}
		p.log.done(d)
	}
	select {
	case err := <-p.broken: // the last line did not get out
		return err
	default:
	}
	if p.cfg.runLength > 0 {
		return nil // the Job is over
	}
	<-ctx.Done()
	return nil
}

// fail writes a log that says why nothing was observed.
func (p *probe) fail(err error) error {
	p.log.begin(p.start())
	p.log.done(&record.Done{Reason: "error", Err: err.Error()})
	return err
}

// observe asks what the observer asks and reports whether it saw it all:
//
//	solo          what one worker of the original workload asked (solo.go)
//	peers         every peer's name through the pod's resolver (peers.go)
//	peers+server  the same, beside an uncached look at each DNS server (uncached.go)
//	prime         each DNS server for the pod's own name, to fill its cache (prime.go)
//	caching       how each DNS server caches (caching.go)
//	empty-service pod 0 of a Job whose pod goes (emptyservice.go)
//
// Meanwhile the pod tells whoever connects who it is (listen.go), because an
// address may have had another owner a moment ago.
func (p *probe) observe(ctx context.Context) bool {
	if !pause(ctx, p.cfg.firstQueryAfter-time.Since(p.zero)) {
		return false
	}
	switch p.cfg.observer {
	case record.Solo:
		return p.solo(ctx)
	case record.PeersServer:
		return p.withUncached(ctx)
	case record.Prime:
		return p.prime(ctx)
	case record.CachingCheck:
		return p.caching(ctx)
	case record.EmptyService:
		return p.emptyService(ctx)
	default:
		return p.peers(ctx)
	}
}

// now is the monotonic time since the first instruction of main.
func (p *probe) now() int64 { return int64(time.Since(p.zero)) }

// asked counts a question.
func (p *probe) asked(view record.View) {
	p.mu.Lock()
	p.questions[string(view)]++
	p.mu.Unlock()
}

func (p *probe) who() record.Who {
	return record.Who{Run: p.cfg.run, Trial: p.cfg.trial, Job: p.cfg.job, Pod: p.cfg.pod, UID: p.cfg.uid,
		Index: p.cfg.index}
}

// ownAddresses returns this pod's addresses, those that lead nowhere else left
// out.
func ownAddresses() []string {
	all, _ := net.InterfaceAddrs()
	addrs := []string{}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			addrs = append(addrs, n.IP.String())
		}
	}
	return addrs
}

// types are the types of address record that peers ask for: those of the
// families that this pod could connect by.
func (p *probe) types() []uint16 {
	switch {
	case !p.hasIPv6:
		return []uint16{dns.TypeA}
	case !p.hasIPv4:
		return []uint16{dns.TypeAAAA}
	}
	return []uint16{dns.TypeA, dns.TypeAAAA}
}

// interval is the time between two questions of one stream. Who asks for both
// families has two streams for a name, each half as often: what was promised is
// so many questions.
func (p *probe) interval() time.Duration { return p.cfg.interval * time.Duration(len(p.types())) }

func isIPv6(addr string) bool { return strings.Contains(addr, ":") }

// oneType is the type of address record that a client of one family asks for.
// That is A, as libzmq asks unless told to, except where an application would
// have had to be told: in a pod without IPv4, and where IPv6 is the cluster's
// first family, for then a headless Service that does not choose has no A
// records. The address of the DNS Service is of the first family too.
func oneType(addrs []string, servers []netip.AddrPort) uint16 {
	if !slices.ContainsFunc(addrs, isIPv6) {
		return dns.TypeA
	}
	first := len(servers) > 0 && servers[0].Addr().Unmap().Is6() && !servers[0].Addr().IsLinkLocalUnicast()
	if first || !slices.ContainsFunc(addrs, func(a string) bool { return !isIPv6(a) }) {
		return dns.TypeAAAA
	}
	return dns.TypeA
}

// readHead reads a file, at most limit bytes of it.
func readHead(name string, limit int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return string(b), err
}
