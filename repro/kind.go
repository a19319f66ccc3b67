package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
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

It takes the flags of ` + "`repro --help`" + `, of kubectl's only -n, and these.`

// kindFlags are those of `repro kind` alone.
type kindFlags struct {
	name, nodeImage, config, archive string

	keep    bool
	ignored []string // flags that were given and say nothing of a cluster that exists
}

// newKindCommand runs a plan on a cluster that kind makes.
func newKindCommand(stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "kind", Short: "run a plan on a cluster that kind makes and deletes", Long: kindIntro, Args: noArguments,
		Example: "  repro kind --plan quick\n  repro kind --keep --name lag\n  repro kind --node-image kindest/node:v1.31.0",
	}
	var k kindFlags
	k.declare(c)
	var f runFlags
	f.declare(c)
	c.RunE = func(*cobra.Command, []string) error {
		if err := k.check(c.Flags()); err != nil {
			return err
		}
		o, err := f.options(c.Flags())
		if err != nil {
			return err
		}
		if o.dryRun { // there is no cluster yet to look at
			_, err := fmt.Fprint(stderr, o.plan.Describe())
			return err
		}
		ctx := c.Context()
		err = k.run(ctx, o, stderr, kind.Detect, func() error { return o.run(ctx, stdout, stderr) })
		// The run closes it; what fails before that does not.
		if e := o.folder.Close(); e != nil {
			err = errors.Join(err, e)
		}
		return err
	}
	return c
}

func (k *kindFlags) declare(c *cobra.Command) {
	fs := newFlagSet()
	fs.StringVar(&k.name, "name", "", "name of the cluster; one that exists is used and not deleted (default: a "+
		"random one)")
	fs.StringVar(&k.nodeImage, "node-image", "", "image of the nodes (default: that of kind's release)")
	fs.StringVar(&k.config, "kind-config", "", "kind's configuration (default: 1 control plane, 2 workers)")
	fs.StringVar(&k.archive, "probe-archive", "", "image archive of the probe, as make image writes it (default: built, "+
		"in a checkout)")
	fs.BoolVar(&k.keep, "keep", false, "do not delete the cluster")
	addFlags(c, kindOwnFlags, fs)
}

// check refuses what would be ignored: kubectl's flags that say which cluster,
// and as whom.
func (k *kindFlags) check(fs *pflag.FlagSet) error {
	kubectl := &cobra.Command{}
	addConnectionFlags(kubectl, "")
	var refused error
	kubectl.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != clientcmd.FlagNamespace && fs.Changed(f.Name) && refused == nil {
			refused = plan.Inputf("--%s does not go with kind, which brings its own cluster and its admin; accepted: --name "+
				"of a kind cluster, or `repro --%[1]s` without kind", f.Name)
		}
	})
	if refused != nil {
		return refused
	}
	for _, name := range []string{"node-image", "kind-config", "keep"} {
		if fs.Changed(name) {
			k.ignored = append(k.ignored, "--"+name)
		}
	}
	if fs.Changed("resume") && k.name == "" {
		return plan.Inputf("--resume needs the cluster on which the plan began; accepted: with --name of one that was kept")
	}
	return nil
}

// inTurn lets one of several goroutines write at a time.
type inTurn struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *inTurn) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}

// run makes the cluster, runs the plan on it and deletes it.
func (k *kindFlags) run(ctx context.Context, o *options, stderr io.Writer,
	detect func(context.Context, *kind.Progress) (kind.Engine, error), runPlan func() error) (err error) {
	stderr = &inTurn{w: stderr}
	say := func(format string, a ...any) { fmt.Fprintf(stderr, format+"\n", a...) }
	request := kind.Request{Name: cmp.Or(k.name, "headless-job-dns-"+newID()), NodeImage: k.nodeImage}
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
	say("kind: cluster %s", request.Name)
	// A second signal ends the program at once; what it leaves is said before.
	said := make(chan struct{})
	withdraw := context.AfterFunc(ctx, func() {
		defer close(said)
		say("kind: interrupted; a second time, and cluster %s may be left: %s; so may be %s", request.Name,
			kind.Remains(request.Name), dir)
	})
	defer func() {
		if !withdraw() {
			<-said
		}
	}()
	c, err := kind.Start(ctx, engine, progress, request, filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return err
	}
	o.program, o.ephemeral = "repro kind --name "+c.Name, c.Made && !k.keep
	switch {
	case !c.Made:
		say("kind: the cluster was there before, and stays")
		if len(k.ignored) > 0 {
			say("kind: nothing is done about %s, which only a new cluster heeds", strings.Join(k.ignored, ", "))
		}
	case k.keep:
		defer say("kind: cluster %s stays: `%[3]s export kubeconfig --name %[1]s` for kubectl; %[2]s", c.Name,
			kind.Remains(c.Name), kind.Program())
	default:
		defer func() {
			say("kind: deleting cluster %s", c.Name)
			if e := c.Delete(); e != nil {
				err = errors.Join(err, e)
			}
		}()
	}
	o.loader = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig},
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
	return runPlan()
}

// probeArchive returns the image archive to load; nothing where the probe gets
// into the pods by another way.
func (k *kindFlags) probeArchive(ctx context.Context, o *options, dir string,
	say func(string, ...any)) (string, error) {
	switch {
	case k.archive != "":
		if _, err := os.Stat(k.archive); err != nil {
			return "", plan.Inputf("--probe-archive: %w; accepted: an image archive such as `make image` writes", err)
		}
		return k.archive, nil
	case o.delivery.Way != deliver.Auto && o.delivery.Way != deliver.Preloaded, o.delivery.Image != "":
		return "", nil
	case !kind.InCheckout():
		say("kind: this is no checkout of headless-job-dns, where an image of the probe could be made; it is delivered in " +
			"ConfigMaps, on an image that the nodes pull")
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
	pod, err := manifests.ProbePod(nil)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(dir, "probe.tar")
	args := []string{"-C", "lab", "run", "./image", "--name", pod.Containers[0].Image, "--entrypoint", "/probe", "-o",
		archive, "--layout", filepath.Join(dir, "probe.oci")}
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
		return "", fmt.Errorf("make the probe's image: go run ./image: %w: %s; --deliver configmap needs none", err,
			cmp.Or(strings.TrimSpace(string(out)), "it said nothing"))
	}
	return archive, nil
}
