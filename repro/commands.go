package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

const (
	runIntro = `repro shows whether the pods of an Indexed Job with a headless Service reach each
other late on a cluster, how late, and which stage the time is lost in.

A trial creates (optionally) an extra object, a headless Service and an Indexed
Job whose pods are probes, waits for the probes, and deletes everything again.`

	runExamples = `  repro --dry-run             look at the cluster that kubectl would use; create nothing
  repro                       run the default plan there and print the report
  repro --plan quick -n demo  a shorter one, in a namespace that exists
  repro --max-lag 2s          for CI: exit code 4 where the cluster's own DNS is later
  repro --resume results/latest
  repro kind                  the same on a cluster that kind makes and deletes`

	exitCodes = `
Exit codes:
  0    the plan is done
  1    it could not be carried out; finished trials are kept
  2    bad input; nothing was created
  3    the plan is done, but a trial was invalid
  4    a trial on the cluster's own DNS took longer than --max-lag
  130  interrupted; the report has what there is, and --resume completes the plan
`
	// helpWidth fits most terminals and still leaves the flags' texts room.
	helpWidth = 100
	// boolHint is what pflag says of flags that need no value; it only widens
	// the first column.
	boolHint = "[=true|false]"
)

// newRootCommand is the command line: repro runs a plan, its subcommands do the
// rest.
func newRootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := newRunCommand(stdout, stderr)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { printHelp(stdout, c) })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return plan.Inputf("%w; `%s --help` lists the flags", err, c.CommandPath())
	})
	root.AddCommand(newKindCommand(stdout, stderr), newReportCommand(stdout), newCleanCommand(stdout, stderr))
	root.AddCommand(&cobra.Command{Use: "factors", Short: "what the levels of the experiment's factors are",
		Long: factorsTopic()})
	root.AddCommand(&cobra.Command{Use: "delivery", Short: "how the probe gets into the pods", Long: deliveryTopic})
	root.AddCommand(&cobra.Command{Use: "pod-patch", Short: "a patch over every pod, for what a cluster demands of pods",
		Long: podPatchTopic + "  " + strings.Join(manifests.Patchable(), "\n  ")})
	root.AddCommand(&cobra.Command{Use: "flags", Short: "the rarer flags, kubectl's among them",
		Long: "Flags of `repro` and `repro kind` beside those of --help:\n\n" +
			strings.TrimRight(flagHelp(inGroup(root, rareFlags)), "\n")})
	return root
}

// newRunCommand runs a plan on the cluster that kubectl would use.
func newRunCommand(stdout, stderr io.Writer) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use: "repro", Short: "run a plan on the cluster that kubectl would use", Long: runIntro, Example: runExamples,
		Args: noArguments,
	}
	f.declare(c)
	c.RunE = func(*cobra.Command, []string) error {
		o, err := f.options(c.Flags())
		if err != nil {
			return err
		}
		return o.run(c.Context(), stdout, stderr)
	}
	return c
}

// noArguments refuses what may be meant as a command.
func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasParent():
		return plan.Inputf("%s takes no argument %q; accepted: flags only, as %s --help lists them", c.Name(), args[0],
			c.CommandPath())
	}
	return plan.Inputf("%q is not a command; accepted: flags only, or first of all kind, report DIR or clean", args[0])
}

// A group is a heading of --help under which a flag stands.
type group string

const (
	plainFlags   group = "" // of a command without others: Flags
	factorFlags  group = "The experiment's factors (lists, all combined; each plan has its own; `repro help factors`)"
	rareFlags    group = "rare" // in `repro help flags`
	kindOwnFlags group = "kind"
)

const groupAnnotation = "group"

// addFlags adds flags to a command under a heading of its help.
func addFlags(c *cobra.Command, g group, fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupAnnotation] = []string{string(g)}
	})
	c.Flags().SortFlags = false
	c.Flags().AddFlagSet(fs)
}

func inGroup(c *cobra.Command, g group) *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if of := f.Annotations[groupAnnotation]; len(of) == 0 && g == plainFlags || len(of) > 0 && of[0] == string(g) {
			fs.AddFlag(f)
		}
	})
	return fs
}

// printHelp is --help, and `repro help` of a command or topic.
func printHelp(w io.Writer, c *cobra.Command) {
	fmt.Fprintln(w, c.Long)
	if !c.Runnable() {
		return
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasSubCommands() {
		fmt.Fprint(w, "\nCommands, each with --help:\n")
		for _, sub := range c.Commands() {
			if sub.Runnable() && sub.Name() != "help" && !sub.Hidden {
				fmt.Fprintf(w, "  %-27s %s\n", c.Name()+" "+sub.Use, sub.Short)
			}
		}
		fmt.Fprint(w, "\nPlans (--plan), or a file such as records/providers.yaml or results/latest/plan.json:\n", planHelp())
	}
	shown := inGroup(c, plainFlags)
	if own := inGroup(c, kindOwnFlags); own.HasFlags() {
		shown = own
	}
	fmt.Fprint(w, "\nFlags:\n", flagHelp(shown))
	if c.HasSubCommands() {
		fmt.Fprintf(w, "\n%s:\n%s", factorFlags, flagHelp(inGroup(c, factorFlags)))
		fmt.Fprint(w, "\nMore help:\n")
		for _, sub := range c.Commands() {
			if sub.IsAdditionalHelpTopicCommand() {
				fmt.Fprintf(w, "  %-27s %s\n", c.Name()+" help "+sub.Name(), sub.Short)
			}
		}
		fmt.Fprint(w, exitCodes)
	}
}

// flagHelp is the part of --help that lists the flags.
func flagHelp(fs *pflag.FlagSet) string {
	return strings.ReplaceAll(fs.FlagUsagesWrapped(helpWidth), boolHint, strings.Repeat(" ", len(boolHint)))
}

func planHelp() string {
	var b strings.Builder
	for _, s := range plan.Summaries {
		fmt.Fprintf(&b, "  %-13s %s\n", s.Name, s.Text)
	}
	return b.String()
}

func factorsTopic() string {
	var dns, extras strings.Builder
	for _, d := range plan.AllDNS[1:] {
		mark := ""
		if d.Facts().ClusterRole {
			mark = " *"
		}
		fmt.Fprintf(&dns, "              %-21s %s%s\n", d, d.Facts().Title, mark)
	}
	for _, e := range plan.Extras {
		fmt.Fprintf(&extras, "              %-21s %s\n", e, e.Facts().Title)
	}
	return `Factors are lists, separated by commas; a plan holds every combination (an arm).
A block holds every arm once, in random order.

  --dns       cluster               what pods of the cluster get
` + dns.String() + `              * needs a ClusterRole that reads Services, removed at the end
  --names     fresh             names never asked for before
              reused            names of a Job that ended just before
  --previous  primed            reused: its pods were idle, each name looked up once
              ran               it did what the measured one does and ended by itself
  --extra     what is created before the headless Service, or all
` + extras.String() + `  --observer  solo              each worker resolves and joins index 0 as ZeroMQ does
              peers             every pod asks for every pod, or for --peers others
              peers+server      the same, and asks the DNS servers past their caches
              empty-service     another pod asks for one that goes; plan empty-service
  --publish-not-ready  false, true             the Service's publishNotReadyAddresses
  --order     service-first, job-first         what is created first
  --first-query-after  0s,1s,5s,35s            decides what gets cached
  --gap       0s,2s,10s,35s,no-wait            reused: last pod gone to first question`
}

const deliveryTopic = `The probe gets into the pods by --deliver:

  auto       preloaded where every node says that it has the image, else image
             where --image is given, else configmap
  preloaded  the image is on the nodes: kind load, the lab, make image
  image      the nodes pull --image
  configmap  without any image of ours: this program has Go build the probe for
             the nodes' architectures and puts it into ConfigMaps; each pod
             unpacks it on --base-image and asks some tenths of a second later`

const podPatchTopic = `--pod-patch FILE is a strategic merge patch, in YAML or JSON, over the template of
every pod that is created: probes, extras, private DNS. For example

  metadata: { labels: { team: a } }
  spec:
    tolerations: [{ key: ci, operator: Exists }]  # in place of those in manifests/
    imagePullSecrets: [{ name: pull }]
    containers:  # one, without a name: it is applied to each container
      - resources: { limits: { cpu: "1" } }  # throttles the probe's clock

It is kept in plan.json: --plan DIR/plan.json repeats it. It may have

`
