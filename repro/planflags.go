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
	plan, podPatch string
	settings       *pflag.FlagSet // of a plan that nobody runs: parsed anew over the one that --plan names
	set            *pflag.FlagSet // all of them, to tell what was given
}

// levelFlags are the factors whose levels can be listed.
var levelFlags = []struct{ name, usage string }{
	{"dns", "DNS configurations; see above"},
	{"names", "fresh, reused"},
	{"extra", "objects created before the headless Service"},
	{"observer", "what the probes ask"},
	{"publish-not-ready", "false, true"},
	{"order", "service-first, job-first"},
	{"first-query-after", "delays of each probe's first question (default 0s)"},
	{"gap", "gaps between lives of the same names (default 2s)"},
	{"previous", "reused names: primed, ran; see above"},
	{"workers-outlive", "ran: times that its workers go on after pod 0 (default 0s)"},
}

// settingFlags are the flags that set a field of a plan.
func settingFlags(p *plan.Plan) *pflag.FlagSet {
	fs, s := newFlagSet(), &p.Settings
	duration := func(d *plan.Duration, name, usage string) {
		fs.DurationVar((*time.Duration)(d), name, time.Duration(*d), usage)
	}
	duration(&s.RunLength, "run-length", "ran: from its last join to its end (default 6s)")
	duration(&s.DeleteAfter, "delete-after", "ran: from its end to its Service's deletion (default 1.4s)")
	fs.IntVar(&p.Blocks, "blocks", p.Blocks, "how often every combination is run (timeouts, standard: 10)")
	fs.Uint64Var(&p.Seed, "seed", p.Seed, "seed of the order of trials; 0 draws one and prints it")
	duration(&p.Margin, "margin", "up to what a difference does not matter (default 250ms)")
	fs.IntVar(&s.Pods, "pods", s.Pods, "pods of each Job, index 0 being the leader")
	fs.IntVar(&s.Peers, "peers", s.Peers,
		"peers and peers+server: others that each pod asks for, a balanced sample drawn from the seed; 0: all")
	fs.Var(&s.ConnectTimeouts, "connect-timeouts", "solo: connect timeouts, dealt out over the workers")
	duration(&s.Deadline, "deadline",
		"what has not happened so long after a probe's start is censored; later with more than 20 pods, which start apart")
	duration(&s.Follow, "follow", "deadline of the one trial that follows the worker without a connect timeout to its end")
	fs.IntVar(&s.QPS, "qps", s.QPS, "questions a second over all pods, at most; sets the resolution")
	duration(&s.Interval, "interval", "time between questions of one kind (default: from --qps)")
	fs.StringVar(&p.Run, "run-id", p.Run, "id in names and labels of what is created (default: random)")
	return fs
}

// declare adds the flags. Defaults shown are the default plan's; named plans
// have their own.
func (f *planFlags) declare(c *cobra.Command) {
	plain, factors := newFlagSet(), newFlagSet()
	plain.StringVar(&f.plan, "plan", plan.DefaultPlan, "named plan or file; see above")
	plain.StringVar(&f.podPatch, "pod-patch", "",
		"`file` that patches every pod, e.g. with tolerations; see repro help pod-patch")
	for _, l := range levelFlags {
		factors.String(l.name, "", l.usage)
	}
	f.settings = settingFlags(&plan.Plan{Blocks: 1, Settings: plan.Defaults()})
	factors.AddFlagSet(f.settings)
	f.set = newFlagSet()
	f.set.AddFlagSet(plain)
	f.set.AddFlagSet(factors)
	addFlags(c, plainFlags, plain)
	addFlags(c, factorFlags, factors)
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

// build makes the plan that the flags ask for. A flag overrides a field of the plan.
func (f *planFlags) build(o *options, given []string) error {
	was := func(name string) bool { return slices.Contains(given, name) }
	p, err := f.base()
	if err != nil {
		return err
	}
	over := settingFlags(&p)
	for _, name := range given {
		if flag := f.settings.Lookup(name); flag != nil {
			if err := over.Set(name, flag.Value.String()); err != nil {
				return err
			}
		}
	}
	if was("margin") && p.Margin <= 0 {
		return plan.Inputf("--margin %s is not positive; accepted: a duration such as 250ms", time.Duration(p.Margin))
	}
	if was("pods") && !was("deadline") {
		p.Settings.Deadline = p.Settings.Enough(p.Settings.Pods)
	}
	if !was("interval") && (was("pods") || was("peers") || was("qps")) {
		p.Settings.Interval = 0
	}
	if o.named = p.Run != ""; !o.named {
		p.Run = newID()
	}
	if err := plan.CheckRun(p.Run); err != nil {
		return err
	}
	if p.Seed == 0 {
		p.Seed = newSeed()
	}
	if was("pod-patch") {
		text, err := readInput("--pod-patch", f.podPatch)
		if err != nil {
			return err
		}
		if p.PodPatch, err = yaml.YAMLToJSONStrict(text); err != nil {
			return plan.Inputf("--pod-patch %s: %s", f.podPatch, cluster.OneLine(err.Error()))
		}
	}
	levels := plan.Levels{}
	for _, l := range levelFlags {
		levels[l.name] = f.set.Lookup(l.name).Value.String()
	}
	if o.plan, err = plan.Build(p, levels); err != nil {
		return err
	}
	if was("dns") || isFile(f.plan) {
		o.asked = o.plan.PrivateDNS()
	}
	return nil
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
