package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
)

// planFlags are the flags that make the plan, as they were given.
type planFlags struct {
	plan, podPatch, dns, names, extra, observer, publish, order, first, gap, timeouts, previous, outlive string

	noWait   bool
	blocks   int
	seed     uint64
	margin   time.Duration
	runID    string
	settings plan.Settings // without what has a list above
	interval time.Duration

	set *pflag.FlagSet // to tell what was given
}

// declare adds the flags. Defaults shown are the default plan's; named plans
// have their own.
func (f *planFlags) declare(c *cobra.Command) {
	def := plan.Defaults()
	plain, p := newFlagSet(), newFlagSet()
	plain.StringVar(&f.plan, "plan", plan.DefaultPlan, "named plan or file; see above")
	plain.StringVar(&f.podPatch, "pod-patch", "", "file that patches every pod, e.g. with tolerations; `repro help pod-patch`")
	f.set = newFlagSet()
	p.StringVar(&f.dns, "dns", "", "DNS configurations; see above")
	p.StringVar(&f.names, "names", "", "fresh, reused")
	p.StringVar(&f.extra, "extra", "", "objects created before the headless Service")
	p.StringVar(&f.observer, "observer", "", "what the probes ask")
	p.StringVar(&f.publish, "publish-not-ready", "", "false, true")
	p.StringVar(&f.order, "order", "", "service-first, job-first")
	p.StringVar(&f.first, "first-query-after", "", "delays of each probe's first question (default 0s)")
	p.StringVar(&f.gap, "gap", "", "gaps between lives of the same names (default 2s)")
	p.StringVar(&f.previous, "previous", "", "reused names: primed, ran; see above")
	p.StringVar(&f.outlive, "workers-outlive", "", "ran: times that its workers go on after pod 0 (default 0s)")
	p.DurationVar((*time.Duration)(&f.settings.RunLength), "run-length", plan.DefaultRunLength, "ran: from its last join to its end")
	p.DurationVar((*time.Duration)(&f.settings.DeleteAfter), "delete-after", plan.DefaultDeleteAfter, "ran: from its end to its Service's deletion")
	p.BoolVar(&f.noWait, "no-wait", false, "the same as --gap no-wait")
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
	f.set.AddFlagSet(plain)
	f.set.AddFlagSet(p)
	addFlags(c, plainFlags, plain)
	addFlags(c, factorFlags, p)
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

// build makes the plan that the flags ask for.
func (f *planFlags) build(o *options, given []string) error {
	was := func(name string) bool { return slices.Contains(given, name) }
	e, err := f.planOptions(was)
	if err != nil {
		return err
	}
	e.Run, o.named = f.runID, f.runID != ""
	if e.Run == "" {
		e.Run = newID()
	}
	if err := plan.CheckRun(e.Run); err != nil {
		return err
	}
	if was("seed") {
		e.Seed = f.seed
	}
	if e.Seed == 0 {
		e.Seed = newSeed()
	}
	if was("blocks") || e.Blocks == 0 {
		e.Blocks = f.blocks
	}
	if was("pod-patch") {
		text, err := readInput("--pod-patch", f.podPatch)
		if err != nil {
			return err
		}
		if e.PodPatch, err = yaml.YAMLToJSONStrict(text); err != nil {
			return plan.Inputf("--pod-patch %s: %s", f.podPatch, cluster.OneLine(err.Error()))
		}
	}
	if o.plan, err = plan.Build(e); err != nil {
		return err
	}
	o.asked = e.DNS
	if isFile(f.plan) {
		o.asked = o.plan.PrivateDNS()
	}
	return nil
}

// planOptions returns what is asked for, without what names a single run. A
// flag overrides a field of the plan.
func (f *planFlags) planOptions(was func(string) bool) (plan.Options, error) {
	base, err := f.base()
	if err != nil {
		return plan.Options{}, err
	}
	e := base.Options()
	if was("margin") {
		e.Margin = plan.Duration(f.margin)
	}
	s := &e.Settings
	for _, set := range []struct {
		flag string
		take func()
	}{
		{"pods", func() { s.Pods = f.settings.Pods }},
		{"peers", func() { s.Peers = f.settings.Peers }},
		{"deadline", func() { s.Deadline = f.settings.Deadline }},
		{"follow", func() { s.Follow = f.settings.Follow }},
		{"run-length", func() { s.RunLength = f.settings.RunLength }},
		{"delete-after", func() { s.DeleteAfter = f.settings.DeleteAfter }},
		{"qps", func() { s.QPS = f.settings.QPS }},
	} {
		if was(set.flag) {
			set.take()
		}
	}
	if was("pods") && !was("deadline") {
		s.Deadline = s.Enough(s.Pods)
	}
	if was("pods") || was("peers") || was("qps") || was("interval") {
		s.Interval = plan.Duration(f.interval)
	}
	if was("interval") && f.interval == 0 {
		return e, plan.Inputf("--interval 0s is too short; accepted: 1ms or more, e.g. 50ms")
	}
	if was("margin") && f.margin <= 0 {
		return e, plan.Inputf("--margin %s is not positive; accepted: a duration such as 250ms", f.margin)
	}
	var errs [11]error
	e.DNS, errs[0] = plan.ParseDNS(f.dns)
	e.Names, errs[1] = plan.ParseNames(f.names)
	e.Extras, errs[2] = plan.ParseExtras(f.extra)
	e.Observers, errs[3] = plan.ParseObservers(f.observer)
	e.Publish, errs[4] = plan.ParsePublish(f.publish)
	e.Orders, errs[5] = plan.ParseOrders(f.order)
	e.First, errs[6] = plan.ParseFirst(f.first)
	e.Gaps, errs[7] = plan.ParseGaps(f.gap)
	e.Previous, errs[9] = plan.ParsePrevious(f.previous)
	e.Outlive, errs[10] = plan.ParseOutlive(f.outlive)
	if was("connect-timeouts") {
		s.ConnectTimeouts, errs[8] = plan.ParseTimeouts(f.timeouts)
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
func isFile(plan string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(plan))
}

// maxInput bounds what is read of a file. A plan of 10,000 trials has 3 MB.
const maxInput = 8 << 20

// readInput reads the file that a flag names.
func readInput(flag, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, plan.Inputf("%s: %w; accepted: a readable file", flag, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxInput+1))
	switch {
	case err != nil:
		return nil, plan.Inputf("%s: %w; accepted: a readable file", flag, err)
	case len(text) > maxInput:
		return nil, plan.Inputf("%s %s: too long; accepted: up to %d bytes", flag, path, maxInput)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, plan.Inputf("%s %s: is empty; accepted: YAML or JSON, see --help", flag, path)
	}
	return text, nil
}

// base reads the plan that the flags override.
func (f *planFlags) base() (plan.Plan, error) {
	if !isFile(f.plan) {
		return plan.Named(f.plan)
	}
	text, err := readInput("--plan", f.plan)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Parse(f.plan, text)
}
