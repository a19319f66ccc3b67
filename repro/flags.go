package main

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// options are what the user asked for.
type options struct {
	plan   plan.Plan
	asked  []plan.DNS      // by flag or plan file: not to be replaced
	named  bool            // the run's id was given, and is not random
	dryRun bool            // create nothing
	maxLag time.Duration   // on the cluster's own DNS; 0: any
	resume string          // results folder; empty: a new plan
	folder *results.Folder // nil: not made yet
	done   results.Tally

	patch  *manifests.PodPatch      // of the plan; nil: none
	before *environment.Environment // of a resumed run; nil: none was written
	suffix string                   // to the names of a resumed run's trials

	loader    clientcmd.ClientConfig
	namespace string // empty: make one
	delivery  deliver.Request
	nodes     time.Duration // that the cluster may take to add nodes
	dnsImage  string
	dnsmasq   string // image
	domain    string // of the cluster; empty: what is found out
	results   string

	program   string // that completes the plan; empty: repro
	ephemeral bool   // the cluster is deleted at the end, and the plan cannot be completed
}

// runFlags are the flags of a command that runs a plan.
type runFlags struct {
	o    options
	plan planFlags
	over *clientcmd.ConfigOverrides
}

// declare adds the flags to a command, each under its heading.
func (f *runFlags) declare(c *cobra.Command) {
	f.plan.declare(c)
	o, fs := &f.o, newFlagSet()
	fs.BoolVar(&o.dryRun, "dry-run", false, "look at the cluster, print the plan and how long it takes; create nothing")
	fs.DurationVar(&o.maxLag, "max-lag", 0, "end with exit code 4 where a trial on the cluster's own DNS took "+
		"longer, e.g. 2s")
	fs.StringVar(&o.resume, "resume", "", "results folder of an interrupted plan to complete, with its own seed")
	fs.StringVar(&o.results, "results", "results", "where <UTC time>/ and <UTC time>.tgz are made")
	fs.StringVar((*string)(&o.delivery.Way), "deliver", string(deliver.Auto), "how the probe gets into the pods: auto, "+
		"preloaded, image, configmap")
	fs.StringVar(&o.delivery.Image, "image", "", "probe image (default: the one in manifests/job.yaml)")
	addFlags(c, plainFlags, fs)

	rare := newFlagSet()
	rare.StringVar(&o.delivery.Base, "base-image", "", "image with a shell, for --deliver configmap (default: the one "+
		"in manifests/delivered-pod.yaml)")
	rare.StringVar(&o.dnsImage, "dns-image", "", "image of a private CoreDNS (default: the cluster's own CoreDNS image)")
	rare.StringVar(&o.dnsmasq, "dnsmasq-image", "", "image of kube-dns' dnsmasq, at /usr/sbin/dnsmasq (default: the "+
		"cluster's own, or the one in manifests/)")
	rare.DurationVar(&o.nodes, "wait-for-nodes", 0, "let the pods wait so long for nodes that the cluster adds, e.g. 5m")
	rare.StringVar(&o.domain, "cluster-domain", "", "cluster domain (default: found out from what pods search)")
	addFlags(c, rareFlags, rare)
	o.loader, f.over = addConnectionFlags(c, "existing namespace to use as it is (default: one is made and deleted)")
}

// options makes the plan, or takes up the one to resume.
func (f *runFlags) options(fs *pflag.FlagSet) (*options, error) {
	o := &f.o
	if err := o.delivery.Check(); err != nil {
		return nil, err
	}
	if o.nodes < 0 {
		return nil, plan.Inputf("--wait-for-nodes %s is less than nothing; accepted: 0s or more, e.g. 5m", o.nodes)
	}
	if fs.Changed("max-lag") && o.maxLag <= 0 {
		return nil, plan.Inputf("--max-lag %s is not positive; accepted: a duration such as 2s", o.maxLag)
	}
	o.namespace, o.domain = f.over.Context.Namespace, strings.Trim(o.domain, ".")
	given := f.plan.given(fs)
	if fs.Changed("resume") {
		return o, o.takeUp(given)
	}
	if err := f.plan.build(o, given); err != nil {
		return nil, err
	}
	var err error
	if o.patch, err = manifests.ParsePodPatch(o.plan.PodPatch); err != nil {
		return nil, plan.Inputf("--pod-patch: %w", err)
	}
	return o, nil
}

func newFlagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	return fs
}

// addConnectionFlags adds kubectl's connection flags to those of a command. The
// loader and the overrides hold what they say once the flags are parsed.
func addConnectionFlags(c *cobra.Command, namespaceUsage string) (clientcmd.ClientConfig, *clientcmd.ConfigOverrides) {
	loading := clientcmd.NewDefaultClientConfigLoadingRules()
	over := &clientcmd.ConfigOverrides{}
	bound, plain, rare := newFlagSet(), newFlagSet(), newFlagSet()
	bound.StringVar(&loading.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "path to the kubeconfig file, as "+
		"kubectl's")
	clientcmd.BindOverrideFlags(over, bound, clientcmd.RecommendedConfigOverrideFlags(""))
	bound.Lookup(clientcmd.FlagNamespace).Usage = namespaceUsage
	bound.VisitAll(func(f *pflag.Flag) {
		switch f.Name {
		case clientcmd.RecommendedConfigPathFlag, clientcmd.FlagContext, clientcmd.FlagNamespace:
			plain.AddFlag(f)
		default:
			rare.AddFlag(f)
		}
	})
	addFlags(c, plainFlags, plain)
	addFlags(c, rareFlags, rare)
	return cluster.Load(loading, over), over
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

// newSeed draws a seed short enough to type again, never 0.
func newSeed() uint64 {
	var b [4]byte
	rand.Read(b[:])
	return uint64(max(1, binary.BigEndian.Uint32(b[:])))
}
