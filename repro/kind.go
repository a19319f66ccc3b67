package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/kind"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

const kindIntro = `repro kind makes a cluster with kind, on docker, podman or nerdctl as kind finds
it (or as KIND_EXPERIMENTAL_PROVIDER says), loads the probe, runs a plan as repro
does, and deletes the cluster again, also after Ctrl-C. After a kill -9 the cluster
is left: ` + "`kind delete cluster --name`" + ` with the name that it had printed (in a
checkout ` + "`go run sigs.k8s.io/kind`" + ` is kind). It never touches your kubeconfig.

  repro kind [flags]

Flags, besides those of ` + "`repro --help`" + ` (of kubectl's only -n):
`

// kindFlags are those of `repro kind` alone.
type kindFlags struct {
	name, nodeImage, config, archive string

	keep   bool
	forNew []string // flags that were given and say nothing of a cluster that exists
}

// forNew are the flags about a cluster that is made.
var forNew = []string{"node-image", "kind-config", "keep"}

func (k *kindFlags) define(fs *pflag.FlagSet) {
	fs.StringVar(&k.name, "name", "", "name of the cluster; one that exists is used and not deleted (default: a random one)")
	fs.StringVar(&k.nodeImage, "node-image", "", "image of the nodes (default: that of kind's release)")
	fs.StringVar(&k.config, "kind-config", "", "kind's configuration (default: 1 control plane, 2 workers)")
	fs.StringVar(&k.archive, "probe-archive", "", "image archive of the probe, as make image writes it (default: built, in a checkout)")
	fs.BoolVar(&k.keep, "keep", false, "do not delete the cluster")
}

// check refuses what would be ignored: kubectl's flags that say which cluster,
// and as whom.
func (k *kindFlags) check(fs *pflag.FlagSet) error {
	kubectl := pflag.NewFlagSet("", pflag.ContinueOnError)
	connection(kubectl, "")
	var refused error
	kubectl.VisitAll(func(f *pflag.Flag) {
		if f.Name != clientcmd.FlagNamespace && fs.Changed(f.Name) && refused == nil {
			refused = plan.Inputf("--%s does not go with kind, which brings its own cluster and its admin; accepted: --name of a kind cluster, or `repro --%[1]s` without kind", f.Name)
		}
	})
	if refused != nil {
		return refused
	}
	for _, name := range forNew {
		if fs.Changed(name) {
			k.forNew = append(k.forNew, "--"+name)
		}
	}
	if fs.Changed("resume") && k.name == "" {
		return plan.Inputf("--resume needs the cluster on which the plan began; accepted: with --name of one that was kept")
	}
	return nil
}

// kindCommand runs a plan on a cluster that kind makes.
func kindCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	k := &kindFlags{}
	o, err := parseFor(args, stdout, command{intro: kindIntro, flags: k.define, check: k.check})
	if err != nil || o == nil {
		return err
	}
	if o.dryRun {
		return o.experiment(ctx, stdout, stderr)
	}
	err = k.run(ctx, o, stderr, kind.Detect, func() error { return o.experiment(ctx, stdout, stderr) })
	// The experiment closes it; what fails before that does not.
	if e := o.folder.Close(); e != nil {
		err = errors.Join(err, e)
	}
	return err
}

// run makes the cluster, runs the plan on it and deletes it.
func (k *kindFlags) run(ctx context.Context, o *options, stderr io.Writer, detect func(context.Context, *kind.Progress) (kind.Engine, error), p func() error) (err error) {
	say := func(format string, a ...any) { fmt.Fprintf(stderr, format+"\n", a...) }
	request := kind.Request{Name: k.name, NodeImage: k.nodeImage}
	if request.Name == "" {
		request.Name = "headless-job-dns-" + newID()
	}
	if k.config != "" {
		if request.Config, err = os.ReadFile(k.config); err != nil {
			return plan.Inputf("--kind-config: %w; accepted: a readable file", err)
		}
	}
	progress := &kind.Progress{Say: say}
	engine, err := detect(ctx, progress)
	if err != nil {
		return err
	}
	// Before anything is built for it.
	if _, err := kind.Names(ctx, engine); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "repro-kind-*") // readable by its owner only
	if err != nil {
		return fmt.Errorf("make a folder for the kubeconfig: %w", err)
	}
	defer os.RemoveAll(dir)
	archive, err := k.probeArchive(ctx, o, dir, say)
	if err != nil {
		return err
	}
	// A second signal is not to leave a cluster behind silently.
	stop := onSecondSignal(ctx, func() {
		fmt.Fprintf(stderr, "\nrepro: interrupted again, kind cluster %s may be left: %s\n", request.Name, kind.Remains(request.Name))
		os.RemoveAll(dir)
		os.Exit(exitInterrupted)
	})
	defer stop()
	say("kind: cluster %s", request.Name)
	c, err := kind.Start(ctx, engine, progress, request, filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return err
	}
	o.program, o.passing = "repro kind --name "+c.Name, c.Made && !k.keep
	switch {
	case !c.Made:
		say("kind: the cluster was there before, and stays")
		if len(k.forNew) > 0 {
			say("kind: nothing is done about %s, which only a new cluster heeds", strings.Join(k.forNew, ", "))
		}
	case k.keep:
		defer say("kind: cluster %s stays: `%[3]s export kubeconfig --name %[1]s` for kubectl; %[2]s", c.Name, kind.Remains(c.Name), kind.Program())
	default:
		defer func() {
			say("kind: deleting cluster %s", c.Name)
			if e := c.Delete(); e != nil {
				err = errors.Join(err, e)
			}
		}()
	}
	o.loader = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig},
		&clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: o.namespace}})
	if archive != "" {
		say("kind: loading the probe's image on every node")
		if err := c.Load(ctx, archive); err != nil {
			return err
		}
		o.delivery.Way = deliver.Preloaded
	}
	api, _, err := cluster.Connect(ctx, o.loader)
	if err != nil {
		return err
	}
	if err := kind.WaitReady(ctx, api.Kube); err != nil {
		return err
	}
	return p()
}

// probeArchive returns the image archive to load; nothing where the probe gets
// into the pods by another way.
func (k *kindFlags) probeArchive(ctx context.Context, o *options, dir string, say func(string, ...any)) (string, error) {
	switch {
	case k.archive != "":
		if _, err := os.Stat(k.archive); err != nil {
			return "", plan.Inputf("--probe-archive: %w; accepted: an image archive such as `make image` writes", err)
		}
		return k.archive, nil
	case o.delivery.Way != deliver.Auto && o.delivery.Way != deliver.Preloaded, o.delivery.Image != "":
		return "", nil
	case !kind.InCheckout():
		say("kind: this is no checkout of headless-job-dns, where an image of the probe could be made; it is delivered in ConfigMaps, on an image that the nodes pull")
		o.delivery.Way = deliver.ConfigMap
		return "", nil
	}
	return buildArchive(ctx, dir, say)
}

// nodeArchs are what nodes in containers can be; the engine may be on another
// machine than this one.
var nodeArchs = []string{"amd64", "arm64"}

// buildArchive makes the probe's image, as `make image` does.
func buildArchive(ctx context.Context, dir string, say func(string, ...any)) (string, error) {
	name, err := manifests.ProbeImage()
	if err != nil {
		return "", err
	}
	archive := filepath.Join(dir, "probe.tar")
	args := []string{"-C", "lab", "run", "./image", "--name", name, "--entrypoint", "/probe", "-o", archive, "--layout", filepath.Join(dir, "probe.oci")}
	for _, arch := range nodeArchs {
		say("kind: building the probe for linux/%s", arch)
		program, err := deliver.Build(ctx, arch)
		if errors.Is(err, deliver.ErrNoGo) {
			return "", fmt.Errorf("%w, or an image archive with --probe-archive", err)
		}
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, arch)
		if err := os.WriteFile(file, program, 0o600); err != nil {
			return "", fmt.Errorf("make the probe's image: %w", err)
		}
		args = append(args, file)
	}
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("make the probe's image: go run ./image: %w: %s; --deliver configmap needs none", err, cmp.Or(strings.TrimSpace(string(out)), "it said nothing"))
	}
	return archive, nil
}

// onSecondSignal has leave called when a signal comes after the one that ended
// the context.
func onSecondSignal(ctx context.Context, leave func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	over := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-over:
			return
		}
		again := time.After(signalGrace)
		counts := false
		for {
			select {
			case <-over:
				return
			case <-again:
				counts = true
			case <-signals:
				if counts {
					leave()
					return
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(over)
	}
}
