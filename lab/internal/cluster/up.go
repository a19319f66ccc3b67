package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headless-job-dns/lab/internal/addons"
	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/controlplane"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/node"
	"headless-job-dns/lab/internal/preflight"
)

// Lab is the lab of this machine.
type Lab struct {
	State   layout.State
	Builder *build.Builder
	Out     io.Writer // what is being done
}

// Options are what can be chosen about a lab.
type Options struct {
	Nodes      int
	ClusterDNS string
	Audit      bool // the apiserver keeps an audit log
}

// Build returns the cluster's programs and kubectl, and makes what is not there.
func (l *Lab) Build(ctx context.Context) (build.Tools, error) {
	release, err := lock(layout.Name)
	if err != nil {
		return build.Tools{}, err
	}
	defer release()
	tools, err := l.Builder.Build(ctx)
	if err != nil {
		return tools, err
	}
	return tools, l.Builder.Kubectl(ctx, tools)
}

// upTimeout is for everything after the build. 15 s are usual; a machine that
// is busy with something else may take several times that.
const upTimeout = 3 * time.Minute

// Up puts the lab up, unless it is. It returns whether it did.
func (l *Lab) Up(ctx context.Context, o Options) (bool, error) {
	facts, err := preflight.Gather(l.writable()...)
	if err != nil {
		return false, err
	}
	release, err := lock(layout.Name)
	if err != nil {
		return false, err
	}
	defer release()

	if s := l.look(); s.Up() {
		if s.Record.Nodes != o.Nodes || s.Record.ClusterDNS != o.ClusterDNS {
			return false, fmt.Errorf("the lab is up with --nodes %d --cluster-dns %s: take it down first",
				s.Record.Nodes, s.Record.ClusterDNS)
		}
		if o.Audit && !s.Record.Audit {
			return false, errors.New("the lab is up without --audit: take it down first")
		}
		return false, nil
	}
	if err := preflight.Check(facts); err != nil {
		return false, err
	}
	if err := l.clear(ctx); err != nil {
		return false, err
	}
	var tools build.Tools
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return preflight.Install(gctx, facts.Missing, l.Out) })
	g.Go(func() (err error) {
		tools, err = l.Builder.Build(gctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return false, err
	}
	if len(facts.Missing) > 0 { // without ip(8), what is in the way was not seen
		if err := l.clear(ctx); err != nil {
			return false, err
		}
	}
	if err := l.start(ctx, o, tools); err != nil {
		// The logs stay for whoever wants to know why, and nothing else does.
		// Who interrupted it knows.
		keepLogs := ctx.Err() == nil
		if keepLogs {
			err = fmt.Errorf("%w\nthe logs are in %s until `down`", err, l.State.Logs())
		}
		return false, errors.Join(err, l.clean(context.WithoutCancel(ctx), keepLogs))
	}
	return true, nil
}

// writable lists the folders that will be written to.
func (l *Lab) writable() []string { return []string{string(l.State), l.Builder.Cache} }

// clear makes room: remains of an earlier lab are removed, what is somebody
// else's is not.
func (l *Lab) clear(ctx context.Context) error {
	found, err := network.Look(ctx, false)
	if err != nil {
		return err
	}
	if err := l.checkOwn(found); err != nil {
		return err
	}
	left, err := l.Leftovers(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		fmt.Fprintln(l.Out, "removing what an earlier lab left")
		if err := l.clean(ctx, false); err != nil {
			return err
		}
		if found, err = network.Look(ctx, false); err != nil {
			return err
		}
	}
	entries, err := stateEntries(l.State)
	if err != nil {
		return err
	}
	if err := preflight.CheckState(l.State, entries); err != nil {
		return err
	}
	return preflight.CheckNetwork(found.Foreign)
}

// start does the work of Up on a machine that has been found free.
func (l *Lab) start(ctx context.Context, o Options, tools build.Tools) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("the lab did not come up within %s", upTimeout))
	defer cancel()
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(l.Out, "%5.1fs %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}

	// The record comes first: from here on, what there is is the lab's.
	if err := os.MkdirAll(l.State.Logs(), 0o700); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	if err := os.Chmod(string(l.State), 0o700); err != nil {
		return fmt.Errorf("protect state folder: %w", err)
	}
	record := Record{
		Boot: bootID(), Phase: starting, Nodes: o.Nodes, ClusterDNS: o.ClusterDNS, Audit: o.Audit,
		Tools: tools.Dir, Sysctls: readSysctls(), NetnsDir: network.NetnsDirExists(),
	}
	if err := writeRecord(l.State, record); err != nil {
		return err
	}
	nodes := l.State.Nodes(o.Nodes)
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	if err := tree.Make(nodes, runtime.NumCPU()); err != nil {
		return err
	}
	if err := network.Up(ctx, l.State, nodes); err != nil {
		return err
	}
	machine, err := describeMachine(l.State)
	if err != nil {
		return err
	}
	control := &controlplane.Runner{State: l.State, Tools: tools, Tree: tree, Audit: o.Audit}
	ca, err := control.Prepare()
	if err != nil {
		return err
	}
	var runners []*node.Runner
	for _, n := range nodes {
		r := &node.Runner{Node: n, State: l.State, Tools: tools, Tree: tree, Machine: machine}
		if err := r.Prepare(ca); err != nil {
			return err
		}
		runners = append(runners, r)
	}
	say("keys, cgroups and network namespaces are ready")

	if err := pack(ctx, l.State); err != nil {
		return err
	}
	proxy, err := node.ProxyConfig(machine)
	if err != nil {
		return err
	}
	client, err := api.New(l.State)
	if err != nil {
		return err
	}
	defer client.Close()
	ready := make(chan struct{}) // the apiserver answers
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		ctx, err := control.StartStore(ctx)
		if err != nil {
			return err
		}
		if ctx, err = control.StartControllers(ctx, client); err != nil {
			return err
		}
		close(ready)
		say("the API answers at %s", layout.APIServer())
		if err := addons.Apply(ctx, client, addons.Config{
			ClusterDNS: o.ClusterDNS, Image: tools.CoreDNSImage(), Nodes: o.Nodes, Proxy: proxy,
		}); err != nil {
			return err
		}
		if err := addons.WaitReady(ctx, client); err != nil {
			return fmt.Errorf("wait for CoreDNS: %w", err)
		}
		return nil
	})
	for _, r := range runners {
		g.Go(func() error {
			if err := startNode(ctx, r, client, ready); err != nil {
				return err
			}
			say("%s is Ready", r.Name)
			return askDNS(ctx, r.Node)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	say("CoreDNS answers on every node")
	record.Phase = up
	return writeRecord(l.State, record)
}

func startNode(ctx context.Context, r *node.Runner, client *api.Client, ready <-chan struct{}) error {
	ctx, err := r.StartContainerd(ctx)
	if err != nil {
		return err
	}
	// While the apiserver comes up.
	tars := []string{r.Tools.PauseTar, r.Tools.CoreDNSTar, r.State.DnsmasqTar(), r.State.BusyboxTar()}
	if err := node.Load(ctx, r.Node, r.Tree, tars...); err != nil {
		return err
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx, err = r.StartKubelet(ctx); err != nil {
		return err
	}
	if ctx, err = r.StartProxy(ctx, client); err != nil {
		return err
	}
	return api.Poll(ctx, func() error {
		ok, err := client.NodeReady(ctx, r.Name)
		if err == nil && !ok {
			err = fmt.Errorf("%s is not Ready", r.Name)
		}
		return err
	})
}

// lookupTimeout is for one question: a lost one is to be asked again soon.
const lookupTimeout = time.Second

// askDNS asks through the Service's address, as a pod does: that takes both a
// CoreDNS that answers and a kube-proxy that has heard of it.
func askDNS(ctx context.Context, n layout.Node) error {
	return api.Poll(ctx, func() error {
		asking, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		name := "kubernetes.default.svc." + layout.ClusterDomain + "."
		addrs, err := network.Lookup(asking, n.Netns(), layout.DNSIP.String(), name)
		if err == nil && !slices.Contains(addrs, layout.KubernetesIP.String()) {
			err = fmt.Errorf("CoreDNS says that %s is at %v", name, addrs)
		}
		return err
	})
}

func describeMachine(state layout.State) (node.Machine, error) {
	facts, err := preflight.Gather()
	if err != nil {
		return node.Machine{}, err
	}
	m := node.Machine{OOMScore: facts.Capabilities&(1<<preflight.CapSysResource) != 0, Snapshotter: "native"}
	if preflight.Overlay(string(state)) {
		m.Snapshotter = "overlayfs"
	}
	return m, nil
}

// Load imports image archives on every node of the lab that is up.
func (l *Lab) Load(ctx context.Context, tars ...string) error {
	s := l.look()
	if !s.Up() {
		return errors.New("no lab is up: run `up` first")
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range l.State.Nodes(s.Record.Nodes) {
		g.Go(func() error { return node.Load(ctx, n, tree, tars...) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, tar := range tars {
		fmt.Fprintf(l.Out, "loaded %s on %d nodes\n", filepath.Base(tar), s.Record.Nodes)
	}
	return nil
}
