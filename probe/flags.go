package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"headless-job-dns/internal/record"
)

// Defaults. The Job's manifest gives what differs from them.
const (
	// Flux's own port. The listener has the workload's port, so that a
	// network policy that let the workload through lets the probe through.
	defaultPort = 8050
	// Long enough for a connect without a time-out to a dead address: Linux
	// gives up after 127 to 134 s.
	defaultDeadline = 180 * time.Second
	// All pods together ask a replica no more than this many questions a
	// second, should every name stay unknown. It answers some ten thousand.
	defaultQPS = 1000
	// A Service holds at most 100 endpoints a slice; ten slices are beyond
	// anything that was reported.
	maxPods = 1000
)

// config is what a probe was told.
type config struct {
	run, trial              string
	job, service, namespace string
	pod, uid, node          string
	pods, index             int
	sample                  record.Sample // for whom to ask; not for solo, prime and caching
	domain                  string        // as given; empty: from resolv.conf
	observer                record.Observer
	interval                time.Duration
	deadline                time.Duration
	firstQueryAfter         time.Duration
	connectTimeouts         []time.Duration // 0 = the kernel decides
	replicas                []netip.AddrPort
	prime                   string // all or leader
	address                 string
	port                    uint16
	resolvConf              string

	runLength time.Duration // 0: the pod stays until it is told to end
	outlive   time.Duration

	idle      bool
	exitAfter time.Duration
}

// usageError is a value that the caller has to correct.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// wantLabel is what Kubernetes demands of names that become part of a DNS name.
const wantLabel = "want lower-case letters, digits and '-', at most 63"

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// flags declares the flags; cfg's fields receive their values.
func (cfg *config) flags(getenv func(string) string) *flag.FlagSet {
	fs := flag.NewFlagSet("probe", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are returned, on one line
	fs.StringVar(&cfg.run, "run", "", "`id` of the experiment")
	fs.StringVar(&cfg.trial, "trial", "", "`id` of the trial; pods of another trial are not taken for peers")
	fs.StringVar(&cfg.job, "job", "", "`name` of the Job; its pods are called name-0, name-1, ...")
	fs.StringVar(&cfg.service, "service", "", "`name` of the headless Service")
	fs.StringVar(&cfg.namespace, "namespace", getenv("NAMESPACE"), "`name` of the namespace (default $NAMESPACE)")
	fs.Func("pods", "`number` of the Job's pods", intInto(&cfg.pods, 1, maxPods))
	fs.Func("index", "this pod's `number`, from 0 (default $JOB_COMPLETION_INDEX)", intInto(&cfg.index, 0, maxPods-1))
	fs.Func("peers", "`number` of others that each pod asks for, drawn from --seed, with observer peers and "+
		"peers+server (default 0: all)", intInto(&cfg.sample.Peers, 0, maxPods-1))
	fs.Uint64Var(&cfg.sample.Seed, "seed", 0, "`number` that --peers draws from, the same in all pods (default 0)")
	fs.StringVar(&cfg.domain, "domain", "", "cluster `domain` (default: from resolv.conf, else cluster.local)")
	fs.Func("observer", "`what` to ask: solo, peers, peers+server, prime, caching or empty-service (default peers)",
		cfg.setObserver)
	fs.Func("interval", "`time` between questions of one stream (default: 20ms, or so that a DNS server gets 1000 a "+
		"second from all pods together)", durationInto(&cfg.interval))
	fs.Func("deadline", "`time` after the start when everything ends (default 3m)", durationInto(&cfg.deadline))
	fs.Func("first-query-after", "`time` after the start of the first question (default 0s)", cfg.setFirstQueryAfter)
	fs.Func("connect-timeouts", "`list` dealt out to solo's workers 1, 2, ...: none or a duration (default none)",
		cfg.setConnectTimeouts)
	fs.Func("dns-replicas", "`list` of each DNS server's own IP:port (default: prime and caching ask only what "+
		"resolv.conf names, peers+server does without the uncached view)", cfg.setReplicas)
	fs.StringVar(&cfg.prime, "prime", "all", "`which` pods ask with observer prime, each for its own name: all or leader")
	fs.StringVar(&cfg.address, "address", "", "`address` to listen on and to connect from (default: any)")
	fs.Func("port", "`port` to listen on, the same in all pods (default 8050)", cfg.setPort)
	fs.StringVar(&cfg.resolvConf, "resolv-conf", "/etc/resolv.conf", "`file` that names the resolvers")
	fs.Func("run-length", "with observer solo: `time` from the last worker's join to the end of the Job, whose pods "+
		"then exit with 0 (default: they stay)", durationInto(&cfg.runLength))
	fs.Func("workers-outlive", "with --run-length: `time` that workers go on after pod 0 ended",
		durationInto(&cfg.outlive))
	fs.BoolVar(&cfg.idle, "idle", false, "only stay until SIGTERM: ask nothing, listen on nothing")
	fs.Func("exit-after", "only wait for this `time` and exit with 0", durationInto(&cfg.exitAfter))
	return fs
}

func usage() string {
	var b strings.Builder
	b.WriteString("probe: find out when the names of a Job's pods lead to them.\n\n" +
		"It runs in every pod of an Indexed Job behind a headless Service and writes\n" +
		"what it sees to standard output as JSON lines. See manifests/job.yaml.\n\n")
	fs := (&config{}).flags(func(string) string { return "" })
	fs.SetOutput(&b)
	fs.PrintDefaults()
	return b.String()
}

// parseFlags reads the flags; what they leave out comes from the environment
// that the manifest's downward API sets.
func parseFlags(args []string, getenv func(string) string) (*config, error) {
	cfg := &config{
		pod: getenv("POD_NAME"), uid: getenv("POD_UID"), node: getenv("NODE_NAME"),
		index: -1, observer: record.Peers, deadline: defaultDeadline,
		connectTimeouts: []time.Duration{0}, port: defaultPort,
	}
	fs := cfg.flags(getenv)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if msg := err.Error(); strings.Contains(msg, "want ") {
			return nil, &usageError{msg}
		}
		return nil, usagef("%v; want what --help lists", err)
	}
	if fs.NArg() > 0 {
		return nil, usagef("unexpected argument %q; want flags only, see --help", fs.Arg(0))
	}
	if cfg.idle || cfg.exitAfter > 0 {
		return cfg, nil
	}
	if env := getenv("JOB_COMPLETION_INDEX"); cfg.index < 0 && env != "" {
		if err := intInto(&cfg.index, 0, maxPods-1)(env); err != nil {
			return nil, usagef("invalid value %q for JOB_COMPLETION_INDEX: %v", env, err)
		}
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// complete checks what concerns several flags and fills in what follows from
// others.
func (cfg *config) complete() error {
	if cfg.observer == record.CachingCheck {
		// It asks for no pod's name, so it need not be told any.
		cfg.pods, cfg.index = max(cfg.pods, 1), max(cfg.index, 0)
		if cfg.namespace == "" {
			cfg.namespace = "default"
		}
	} else {
		for _, f := range []struct{ name, value string }{{"job", cfg.job}, {"service", cfg.service},
			{"namespace", cfg.namespace}} {
			if !label.MatchString(f.value) {
				return usagef("invalid value %q for flag -%s: %s", f.value, f.name, wantLabel)
			}
		}
		if cfg.pods == 0 {
			return usagef("invalid value \"0\" for flag -pods: want a whole number from 1 to %d", maxPods)
		}
	}
	if last := fmt.Sprintf("%s-%d", cfg.job, cfg.pods-1); len(last) > 63 {
		return usagef("invalid value %q for flag -job: want a name of which %q fits into 63 characters", cfg.job, last)
	}
	if cfg.index < 0 || cfg.index >= cfg.pods {
		return usagef("invalid value \"%d\" for flag -index: want 0 to %d, the number of pods less one", cfg.index,
			cfg.pods-1)
	}
	if cfg.sample.Peers >= max(cfg.pods, 1) {
		return usagef("invalid value \"%d\" for flag -peers: want 0 to %d, the number of other pods", cfg.sample.Peers,
			cfg.pods-1)
	}
	if cfg.firstQueryAfter >= cfg.deadline {
		return usagef("invalid value %q for flag -first-query-after: want less than the deadline, %s", cfg.firstQueryAfter,
			cfg.deadline)
	}
	if cfg.runLength > 0 && (cfg.observer != record.Solo || cfg.pods < 2) {
		return usagef("invalid value %q for flag -run-length: want observer solo and 2 pods or more", cfg.runLength)
	}
	if cfg.outlive > 0 && cfg.runLength == 0 {
		return usagef("invalid value %q for flag -workers-outlive: want -run-length", cfg.outlive)
	}
	if cfg.prime != "all" && cfg.prime != "leader" {
		return usagef("invalid value %q for flag -prime: want all or leader", cfg.prime)
	}
	cfg.domain = strings.Trim(cfg.domain, ".")
	if _, ok := dns.IsDomainName(cfg.domain); !ok && cfg.domain != "" {
		return usagef("invalid value %q for flag -domain: want a domain name", cfg.domain)
	}
	if cfg.address != "" {
		if _, err := netip.ParseAddr(cfg.address); err != nil {
			return usagef("invalid value %q for flag -address: want an IP address", cfg.address)
		}
	}
	if cfg.interval == 0 {
		cfg.interval = record.Interval(cfg.pods, cfg.sample.Peers, defaultQPS)
	}
	return nil
}

// connectTimeout is this pod's own: the list is dealt out to the workers, of
// which index 1 is the first, so that one trial sweeps it.
func (cfg *config) connectTimeout() time.Duration {
	if cfg.index == 0 {
		return 0
	}
	return cfg.connectTimeouts[(cfg.index-1)%len(cfg.connectTimeouts)]
}

func (cfg *config) setObserver(s string) error {
	switch o := record.Observer(s); o {
	case record.Solo, record.Peers, record.PeersServer, record.Prime, record.CachingCheck, record.EmptyService:
		cfg.observer = o
		return nil
	}
	return errors.New("want solo, peers, peers+server, prime, caching or empty-service")
}

func (cfg *config) setFirstQueryAfter(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("want 0s or a duration, such as 5s")
	}
	cfg.firstQueryAfter = d
	return nil
}

func (cfg *config) setConnectTimeouts(s string) error {
	cfg.connectTimeouts = nil
	for part := range strings.SplitSeq(s, ",") {
		d, err := time.ParseDuration(part)
		if part != "none" && (err != nil || d <= 0) {
			return errors.New("want a comma-separated list of none and positive durations, such as none,30s,5s")
		}
		cfg.connectTimeouts = append(cfg.connectTimeouts, d)
	}
	return nil
}

func (cfg *config) setReplicas(s string) error {
	cfg.replicas = nil
	if s == "" {
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		a, err := netip.ParseAddrPort(part)
		if err != nil || a.Port() == 0 {
			return errors.New("want a comma-separated list of IP:port, such as 10.244.0.2:53,[fd00::2]:53")
		}
		if !slices.Contains(cfg.replicas, a) {
			cfg.replicas = append(cfg.replicas, a)
		}
	}
	return nil
}

func (cfg *config) setPort(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return errors.New("want a port from 1 to 65535")
	}
	cfg.port = uint16(n)
	return nil
}

func intInto(to *int, low, high int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		*to = n
		return nil
	}
}

func durationInto(to *time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return errors.New("want a positive duration, such as 50ms or 3m")
		}
		*to = d
		return nil
	}
}
