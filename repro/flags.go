package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

const intro = `repro times when the pods of an Indexed Job with a headless Service can
resolve and reach each other, and says where the time goes.

  repro [flags]        run a plan on the cluster that kubectl would use
  repro kind           the same on a cluster that kind makes; kind --help
  repro --resume DIR   complete an interrupted plan, with its own seed
  repro report DIR     make report.md again from a results folder
  repro clean          delete what killed runs left behind; clean --help

A trial creates (optionally) an extra object, a headless Service and an Indexed
Job whose pods are probes, waits for the probes, and deletes everything again.
A block holds every combination of the factors (arm) once, in random order. From
%d blocks on a plan states what it tests, and prints what it can show.

Plans (--plan), or a file such as records/providers.yaml:
%s
Factors (comma-separated lists, all combined; each plan has its own defaults):
  --dns       cluster           what pods of the cluster get
              kubeadm-1.31      a private CoreDNS that caches, as kubeadm up to 1.31
              kubeadm-1.32      one that does not, as kubeadm since 1.32
              no-denial-cache   as kubeadm-1.31, denials not cached
              no-success-cache  as kubeadm-1.31, addresses not cached
              nodelocal-1.31    NodeLocal DNSCache before kubeadm-1.31
              nodelocal-1.32    the same before kubeadm-1.32
              kube-dns          dnsmasq as kube-dns runs it: denials not cached
              forwarding        caches what the cluster's own DNS answers
                                (all but the first and the last need a
                                ClusterRole to read Services, removed at the end;
                                without that right forwarding stands in)
  --names     fresh             names never asked for before
              reused            names of a run that ended just before
  --extra     none, service, service-pod, pod, member-pod, oneshot-pod, or all
  --observer  solo              each worker resolves and joins index 0 as ZeroMQ does
              peers             every pod asks for every pod, or for --peers others
              peers+server      the same, and asks the DNS servers past their caches
  --publish-not-ready  false, true             the Service's publishNotReadyAddresses
  --order     service-first, job-first         what is created first
  --connect   name, address                    solo: address is handed over, without DNS
  --first-query-after  0s,1s,5s,35s            decides what gets cached
  --gap       0s,2s,10s,35s,no-wait            reused: last pod gone to first question
  --again                                      the control arm twice a block (A/A)
`

const outro = `
The probe gets into the pods by --deliver:
  auto       preloaded where every node says that it has the image, else image
             where --image is given, else configmap
  preloaded  the image is on the nodes: kind load, the lab, make image
  image      the nodes pull --image
  configmap  without any image of ours: this program has Go build the probe for
             the nodes' architectures and puts it into ConfigMaps; each pod
             unpacks it on --base-image and asks some tenths of a second later

Exit codes: 0 plan done; 1 failed, finished trials kept; 2 bad input, nothing
created; 3 plan done but a trial was invalid; 130 interrupted, report of what
there is (--resume completes it).
`

const (
	// helpWidth fits most terminals and still leaves the flags' texts room.
	helpWidth = 100
	// boolHint is what pflag says of flags that need no value; it only widens
	// the first column.
	boolHint = "[=true|false]"
)

// options is what the user asked for.
type options struct {
	plan      plan.Plan
	asked     []plan.DNS      // by flag or plan file: not to be replaced
	resume    string          // results folder; empty: a new plan
	folder    *results.Folder // nil: not made yet
	done      results.Tally
	before    *environment.Environment // of a resumed run; nil: none was written
	suffix    string                   // to the names of a resumed run's trials
	loader    clientcmd.ClientConfig
	namespace string // empty: make one

	nodes    time.Duration // that the cluster may take to add nodes
	named    bool          // the run's id was given, and is not random
	delivery deliver.Request
	dnsImage string
	dnsmasq  string // image
	domain   string // of the cluster; empty: what is found out
	results  string
	dryRun   bool
	program  string // that completes the plan; empty: repro
	passing  bool   // the cluster is deleted at the end, and the plan cannot be completed
}

// planFlags are the flags that make the plan, as they were given.
type planFlags struct {
	plan, dns, names, extra, observer, publish, order, first, gap, connect, timeouts string

	again, noWait bool
	blocks        int
	seed          uint64
	margin        time.Duration
	runID         string
	settings      plan.Settings // without what has a list above
	interval      time.Duration

	set *pflag.FlagSet // to tell what was given
}

// define adds the flags. Defaults shown are the default plan's; named plans
// have their own.
func (f *planFlags) define(fs *pflag.FlagSet) {
	def := plan.Defaults()
	f.set = pflag.NewFlagSet("", pflag.ContinueOnError)
	f.set.SortFlags = false
	p := f.set
	p.StringVar(&f.plan, "plan", "default", "named plan or file; see above")
	p.StringVar(&f.dns, "dns", "", "DNS configurations; see above")
	p.StringVar(&f.names, "names", "", "fresh, reused")
	p.StringVar(&f.extra, "extra", "", "objects created before the headless Service")
	p.StringVar(&f.observer, "observer", "", "what the probes ask")
	p.StringVar(&f.publish, "publish-not-ready", "", "false, true")
	p.StringVar(&f.order, "order", "", "service-first, job-first")
	p.StringVar(&f.connect, "connect", "", "name, address")
	p.StringVar(&f.first, "first-query-after", "", "delays of each probe's first question (default 0s)")
	p.StringVar(&f.gap, "gap", "", "gaps between lives of the same names (default 2s)")
	p.BoolVar(&f.noWait, "no-wait", false, "the same as --gap no-wait")
	p.BoolVar(&f.again, "again", false, "run the control arm twice in each block")
	p.IntVar(&f.blocks, "blocks", 1, "how often every combination is run (timeouts, standard: 10)")
	p.Uint64Var(&f.seed, "seed", 0, "seed of the order of trials; 0 draws one and prints it")
	p.DurationVar(&f.margin, "margin", time.Duration(plan.DefaultMargin), "up to what a difference does not matter")
	p.IntVar(&f.settings.Pods, "pods", def.Pods, "pods of each Job, index 0 being the leader")
	p.IntVar(&f.settings.Peers, "peers", def.Peers, "peers and peers+server: others that each pod asks for, a balanced sample drawn from the seed; 0: all")
	p.StringVar(&f.timeouts, "connect-timeouts", plan.FormatTimeouts(def.ConnectTimeouts), "solo: connect timeouts, dealt out over the workers")
	p.DurationVar((*time.Duration)(&f.settings.Deadline), "deadline", time.Duration(def.Deadline), "what has not happened so long after a probe's start is censored; later with more than 20 pods, which start apart")
	p.DurationVar((*time.Duration)(&f.settings.Follow), "follow", time.Duration(def.Follow), "deadline of the one trial that follows the worker without a connect timeout to its end")
	p.IntVar(&f.settings.QPS, "qps", def.QPS, "questions a second over all pods, at most; sets the resolution")
	p.DurationVar(&f.interval, "interval", 0, "time between questions of one kind (default: from --qps)")
	p.StringVar(&f.runID, "run-id", "", "id in names and labels of what is created (default: random)")
	fs.AddFlagSet(p)
}

// given returns the plan flags that were given.
func (f *planFlags) given(fs *pflag.FlagSet) []string {
	var names []string
	f.set.VisitAll(func(flag *pflag.Flag) {
		if fs.Changed(flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// command is one that runs a plan and has flags besides a plan's; the zero
// value is the one that has none.
type command struct {
	intro string
	flags func(*pflag.FlagSet)
	check func(*pflag.FlagSet) error // of what was given
}

// parse reads the flags and makes the plan. It returns nil and no error after
// --help.
func parse(args []string, stdout io.Writer) (*options, error) {
	return parseFor(args, stdout, command{})
}

// parseFor does so for a command with flags of its own.
func parseFor(args []string, stdout io.Writer, cmd command) (*options, error) {
	o := &options{}
	fs := pflag.NewFlagSet("repro", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	var f planFlags
	f.define(fs)
	budget := fs.Duration("time-budget", 0, "refuse a plan that takes longer (default: none)")
	fs.StringVar(&o.resume, "resume", "", "results folder of an interrupted plan to complete")
	fs.StringVar((*string)(&o.delivery.Way), "deliver", string(deliver.Auto), "how the probe gets into the pods; see below")
	fs.StringVar(&o.delivery.Image, "image", "", "probe image (default: the one in manifests/job.yaml)")
	fs.StringVar(&o.delivery.Base, "base-image", "", "image with a shell, for --deliver configmap (default: the one in manifests/delivered-pod.yaml)")
	fs.StringVar(&o.dnsImage, "dns-image", "", "image of a private CoreDNS (default: the cluster's own CoreDNS image)")
	fs.StringVar(&o.dnsmasq, "dnsmasq-image", "", "image of kube-dns' dnsmasq, at /usr/sbin/dnsmasq (default: the cluster's own, or the one in manifests/)")
	fs.DurationVar(&o.nodes, "wait-for-nodes", 0, "let the pods wait so long for nodes that the cluster adds, e.g. 5m (default: a plan whose pods do not fit now is refused)")
	domain := fs.String("cluster-domain", "", "cluster domain (default: from the cluster's Corefile or a pod's resolv.conf)")
	fs.StringVar(&o.results, "results", "results", "where results/<UTC time>/ is made")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print the plan and stop")
	help := fs.BoolP("help", "h", false, "print this")

	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	if cmd.flags != nil {
		cmd.flags(own)
		fs.AddFlagSet(own)
	}
	loader, over := connection(fs, "existing namespace to use as it is (default: one is made and deleted)")

	if err := fs.Parse(args); err != nil {
		return nil, plan.Inputf("%w; `repro --help` lists the flags", err)
	}
	if *help && cmd.flags != nil {
		fmt.Fprint(stdout, cmd.intro, flagHelp(own))
		return nil, nil
	}
	if *help {
		fmt.Fprintf(stdout, intro, plan.LeastBlocks, planHelp())
		fmt.Fprint(stdout, "\nFlags:\n", flagHelp(fs), outro)
		return nil, nil
	}
	if fs.NArg() > 0 {
		return nil, plan.Inputf("%q is not a command; accepted: flags only, or first of all kind, report DIR or clean", fs.Arg(0))
	}
	if cmd.check != nil {
		if err := cmd.check(fs); err != nil {
			return nil, err
		}
	}
	if err := o.delivery.Check(); err != nil {
		return nil, err
	}
	if o.nodes < 0 {
		return nil, plan.Inputf("--wait-for-nodes %s is less than nothing; accepted: 0s or more, e.g. 5m", o.nodes)
	}
	o.loader, o.namespace, o.domain = loader, over.Context.Namespace, strings.Trim(*domain, ".")
	given := f.given(fs)
	if fs.Changed("resume") {
		if err := o.load(given); err != nil {
			return nil, err
		}
		return o, nil
	}
	if err := f.build(o, given); err != nil {
		return nil, err
	}
	if fs.Changed("time-budget") {
		if err := o.plan.Within(*budget); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// build makes the plan that the flags ask for.
func (f *planFlags) build(o *options, given []string) error {
	was := func(name string) bool { return slices.Contains(given, name) }
	e, err := f.experiment(was)
	if err != nil {
		return err
	}
	e.Run, e.Seed, o.named = f.runID, f.seed, f.runID != ""
	if e.Run == "" {
		e.Run = newID()
	}
	if err := plan.CheckRun(e.Run); err != nil {
		return err
	}
	for e.Seed == 0 {
		e.Seed = uint64(newSeed())
	}
	if was("blocks") || e.Blocks == 0 {
		e.Blocks = f.blocks
	}
	if o.plan, err = plan.Build(e); err != nil {
		return err
	}
	o.asked = e.DNS
	if len(e.Arms) > 0 {
		o.asked = o.plan.PrivateDNS()
	}
	return nil
}

// besideFile are the plan flags that a plan file leaves open.
var besideFile = []string{"plan", "blocks", "seed", "run-id"}

// experiment returns what is asked for, without what names a single run.
func (f *planFlags) experiment(was func(string) bool) (plan.Options, error) {
	if isFile(f.plan) {
		var other string
		f.set.VisitAll(func(flag *pflag.Flag) {
			if was(flag.Name) && !slices.Contains(besideFile, flag.Name) {
				other = flag.Name
			}
		})
		if other != "" {
			return plan.Options{}, plan.Inputf("--%s is for the plan file to say; accepted beside it: --%s", other, strings.Join(besideFile[1:], ", --"))
		}
		return readPlan(f.plan)
	}
	e := plan.Options{Name: f.plan, Again: f.again, Margin: plan.Duration(f.margin)}
	e.Settings, e.Blocks = plan.Preset(f.plan)
	s := &e.Settings
	for _, set := range []struct {
		flag string
		take func()
	}{
		{"pods", func() { s.Pods = f.settings.Pods }},
		{"peers", func() { s.Peers = f.settings.Peers }},
		{"deadline", func() { s.Deadline = f.settings.Deadline }},
		{"follow", func() { s.Follow = f.settings.Follow }},
		{"qps", func() { s.QPS = f.settings.QPS }},
	} {
		if was(set.flag) {
			set.take()
		}
	}
	if !was("deadline") {
		s.Deadline = s.Enough(s.Pods)
	}
	if s.Interval = plan.Duration(f.interval); was("interval") && f.interval == 0 {
		return e, plan.Inputf("--interval 0s is too short; accepted: 1ms or more, e.g. 50ms")
	}
	if was("margin") && f.margin <= 0 {
		return e, plan.Inputf("--margin %s is not positive; accepted: a duration such as 250ms", f.margin)
	}
	var errs [10]error
	e.DNS, errs[0] = plan.ParseDNS(f.dns)
	e.Names, errs[1] = plan.ParseNames(f.names)
	e.Extras, errs[2] = plan.ParseExtras(f.extra)
	e.Observers, errs[3] = plan.ParseObservers(f.observer)
	e.Publish, errs[4] = plan.ParsePublish(f.publish)
	e.Orders, errs[5] = plan.ParseOrders(f.order)
	e.First, errs[6] = plan.ParseFirst(f.first)
	e.Gaps, errs[7] = plan.ParseGaps(f.gap)
	e.Connects, errs[8] = plan.ParseConnects(f.connect)
	if was("connect-timeouts") {
		s.ConnectTimeouts, errs[9] = plan.ParseTimeouts(f.timeouts)
	}
	for _, err := range errs {
		if err != nil {
			return e, err
		}
	}
	switch {
	case !f.noWait || slices.Contains(e.Gaps, plan.NoWait):
	case len(e.Gaps) < 2:
		// Nothing is waited for; a gap beside it has nothing to say.
		e.Gaps = []plan.Gap{plan.NoWait}
	default:
		e.Gaps = append(e.Gaps, plan.NoWait)
	}
	return e, nil
}

// isFile tells a plan file from a plan's name.
func isFile(p string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(p))
}

// maxPlanFile bounds what is read of a plan file: a thousand contrasts.
const maxPlanFile = 1 << 20

// readPlan reads a plan file.
func readPlan(path string) (plan.Options, error) {
	var e plan.Options
	file, err := os.Open(path)
	if err != nil {
		return e, plan.Inputf("--plan: %w; accepted: a readable file, e.g. records/providers.yaml", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPlanFile+1))
	if err != nil {
		return e, plan.Inputf("--plan: %w; accepted: a readable file, e.g. records/providers.yaml", err)
	}
	if len(text) > maxPlanFile {
		return e, plan.Inputf("%s: is longer than a plan; accepted: up to %d bytes", path, maxPlanFile)
	}
	return plan.ParseFile(path, text)
}

// connection adds kubectl's connection flags to those of a command. The loader
// and the overrides hold what they say once the flags are parsed.
func connection(fs *pflag.FlagSet, namespaceUsage string) (clientcmd.ClientConfig, *clientcmd.ConfigOverrides) {
	loading := clientcmd.NewDefaultClientConfigLoadingRules()
	fs.StringVar(&loading.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "path to the kubeconfig file, as kubectl's")
	over := &clientcmd.ConfigOverrides{}
	bound := pflag.NewFlagSet("", pflag.ContinueOnError)
	bound.SortFlags = false
	clientcmd.BindOverrideFlags(over, bound, clientcmd.RecommendedConfigOverrideFlags(""))
	// All of them work, the rare ones without filling the screen.
	shown := map[string]bool{clientcmd.FlagContext: true, clientcmd.FlagNamespace: true}
	bound.VisitAll(func(f *pflag.Flag) { f.Hidden = !shown[f.Name] })
	bound.Lookup(clientcmd.FlagNamespace).Usage = namespaceUsage
	fs.AddFlagSet(bound)
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(loading, over), over
}

// flagHelp is the part of --help that lists the flags.
func flagHelp(fs *pflag.FlagSet) string {
	return strings.ReplaceAll(fs.FlagUsagesWrapped(helpWidth), boolHint, strings.Repeat(" ", len(boolHint)))
}

func planHelp() string {
	var b strings.Builder
	for _, s := range plan.Summaries {
		fmt.Fprintf(&b, "  %-9s %s\n", s.Name, s.Text)
	}
	return b.String()
}

// newID draws an id of 6 lower-case letters and digits: short enough to stay
// readable in names, 2 billion of them.
func newID() string {
	const alphabet = "bcdfghjklmnpqrstvwxz0123456789" // no vowels, no words
	b := make([]byte, 6)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// newSeed draws a seed short enough to type again.
func newSeed() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
