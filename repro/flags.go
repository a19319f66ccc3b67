package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/experiment"
)

const intro = `repro times when the pods of an Indexed Job with a headless Service can
resolve and reach each other, and says where the time goes.

  repro [flags]        run a plan on the cluster that kubectl would use
  repro report DIR     make report.md again from a results folder
  repro clean          delete what killed runs left behind; clean --help
  repro analyze        compare the times published with the original report

A trial creates (optionally) an extra object, a headless Service and an Indexed
Job whose pods are probes, waits for the probes, and deletes everything again.
A block holds every combination of the factors once, in random order.

Plans (--plan):
%s
Factors (comma-separated lists; each plan has its own defaults):
  --dns       cluster        what pods of the cluster get
              kubeadm-1.31   a private CoreDNS that caches, as kubeadm up to 1.31
              kubeadm-1.32   one that does not, as kubeadm since 1.32
                             (private ones need a ClusterRole to read Services,
                             removed at the end; --dns cluster needs none)
  --names     fresh          names never asked for before
              reused         names of a run that ended just before
  --extra     none, service, service-pod, pod, member-pod, oneshot-pod, or all
  --observer  solo           each worker resolves and joins index 0 as ZeroMQ does
              peers          every pod asks for every pod
              peers+server   the same, and asks the DNS servers past their caches
`

const outro = `
The probe's image must be on the nodes already or be pullable (--image).

Exit codes: 0 plan done; 1 failed, finished trials kept; 2 bad input, nothing
created; 3 plan done but a trial was invalid; 130 interrupted, report of what
there is.
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
	plan      experiment.Plan
	loader    clientcmd.ClientConfig
	namespace string // empty: make one
	image     string
	dnsImage  string
	domain    string
	results   string
	dryRun    bool
}

// parse reads the flags and makes the plan. It returns nil and no error after
// --help.
func parse(args []string, stdout io.Writer) (*options, error) {
	fs := pflag.NewFlagSet("repro", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	def := experiment.Defaults()
	s := def

	plan := fs.String("plan", "default", "named plan; see above")
	dns := fs.String("dns", "", "DNS configurations; see above")
	names := fs.String("names", "", "fresh, reused")
	extra := fs.String("extra", "", "objects created before the headless Service")
	observer := fs.String("observer", "", "what the probes ask")
	blocks := fs.Int("blocks", 1, "how often every combination is run")
	seed := fs.Uint64("seed", 0, "seed of the order of trials; 0 draws one and prints it")
	fs.IntVar(&s.Pods, "pods", def.Pods, "pods of each Job, index 0 being the leader")
	timeouts := fs.String("connect-timeouts", experiment.FormatTimeouts(def.ConnectTimeouts), "solo: connect timeouts, dealt out over the workers")
	fs.DurationVar((*time.Duration)(&s.Deadline), "deadline", time.Duration(def.Deadline), "what has not happened so long after a probe's start is censored")
	fs.DurationVar((*time.Duration)(&s.Follow), "follow", time.Duration(def.Follow), "deadline of the one trial that follows the worker without a connect timeout to its end")
	fs.DurationVar((*time.Duration)(&s.Gap), "gap", time.Duration(def.Gap), "reused names: from the last pod gone to the first new question")
	fs.BoolVar(&s.NoWait, "no-wait", false, "reused names: create anew without waiting for deletion")
	fs.DurationVar((*time.Duration)(&s.FirstQueryAfter), "first-query-after", 0, "delay of each probe's first question; it decides what gets cached")
	fs.IntVar(&s.QPS, "qps", def.QPS, "questions a second over all pods, at most; sets the resolution")
	interval := fs.Duration("interval", 0, "time between questions of one kind (default: from --qps)")
	image := fs.String("image", "", "probe image (default: the one in manifests/job.yaml)")
	dnsImage := fs.String("dns-image", "", "image of a private CoreDNS (default: the cluster's own CoreDNS image)")
	domain := fs.String("cluster-domain", "", "cluster domain (default: from the cluster's Corefile, or cluster.local)")
	results := fs.String("results", "results", "where results/<UTC time>/ is made")
	runID := fs.String("run-id", "", "id in names and labels of what is created (default: random)")
	dryRun := fs.Bool("dry-run", false, "print the plan and stop")
	help := fs.BoolP("help", "h", false, "print this")

	loader, over := connection(fs, "existing namespace to use as it is (default: one is made and deleted)")

	if err := fs.Parse(args); err != nil {
		return nil, experiment.Inputf("%w; `repro --help` lists the flags", err)
	}
	if *help {
		fmt.Fprintf(stdout, intro, planHelp())
		fmt.Fprint(stdout, "\nFlags:\n", flagHelp(fs), outro)
		return nil, nil
	}
	if fs.NArg() > 0 {
		return nil, experiment.Inputf("%q is not a command; accepted: report DIR, or flags only, or clean with flags of its own", fs.Arg(0))
	}
	o := experiment.Options{Name: *plan, Run: *runID, Seed: *seed, Blocks: *blocks, Settings: s}
	o.Settings.Interval = experiment.Duration(*interval)
	if fs.Changed("interval") && *interval == 0 {
		return nil, experiment.Inputf("--interval 0s is too short; accepted: 1ms or more, e.g. 50ms")
	}
	var errs [5]error
	o.DNS, errs[0] = experiment.ParseDNS(*dns)
	o.Names, errs[1] = experiment.ParseNames(*names)
	o.Extras, errs[2] = experiment.ParseExtras(*extra)
	o.Observers, errs[3] = experiment.ParseObservers(*observer)
	o.Settings.ConnectTimeouts, errs[4] = experiment.ParseTimeouts(*timeouts)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if o.Run == "" {
		o.Run = newID()
	}
	if err := checkID(o.Run); err != nil {
		return nil, err
	}
	for o.Seed == 0 {
		o.Seed = uint64(newSeed())
	}
	p, err := experiment.Build(o)
	if err != nil {
		return nil, err
	}
	return &options{
		plan: p, loader: loader,
		namespace: over.Context.Namespace, image: *image, dnsImage: *dnsImage, domain: strings.Trim(*domain, "."),
		results: *results, dryRun: *dryRun,
	}, nil
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
	for _, s := range experiment.Summaries {
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

// checkID keeps the names that hold the id within what Kubernetes and DNS
// allow: the longest is "lag-<id>-check-kubeadm-1-31-0".
func checkID(id string) error {
	const longest = 20
	legal := strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if len(id) > longest || !legal || strings.HasPrefix(id, "-") || strings.HasSuffix(id, "-") {
		return experiment.Inputf("--run-id %q cannot be part of a name; accepted: up to %d lower-case letters, digits and inner dashes", id, longest)
	}
	return nil
}
