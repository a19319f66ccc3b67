// Package node runs a node of the lab: a containerd, a kubelet and a
// kube-proxy in a network namespace and a mount namespace of their own.
package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/certs"
	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/process"
)

// Runner starts the parts of one node.
type Runner struct {
	layout.Node
	State   layout.State
	Tools   build.Tools
	Tree    *cgroup.Tree
	Machine Machine

	containerd *process.Running
}

// Prepare writes the node's folders, keys and configuration.
func (r *Runner) Prepare(ca *certs.Authority) error {
	config := filepath.Join(r.Run(), "lab", "config")
	cni := filepath.Join(r.Run(), "lab", "cni")
	for _, dir := range []string{config, cni, filepath.Join(r.Run(), "lab", "tools"), r.Lib(), r.Log()} {
		// 0755 below the state folder's 0700: inside, it is a node's root,
		// through which processes of other users find their way.
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make folder of %s: %w", r.Name, err)
		}
	}
	pair, err := ca.Issue(certs.Subject{
		CommonName: "system:node:" + r.Name, Organization: "system:nodes",
		Addrs: []netip.Addr{r.Addr}, Names: []string{r.Name},
	})
	if err != nil {
		return err
	}
	if err := pair.Write(config, "kubelet"); err != nil {
		return err
	}
	for user, s := range map[string]certs.Subject{
		"kubelet":    {CommonName: "system:node:" + r.Name, Organization: "system:nodes"},
		"kube-proxy": {CommonName: "system:kube-proxy"},
	} {
		if err := ca.WriteKubeconfig(filepath.Join(config, user+".kubeconfig"), "lab", layout.APIServer(), s); err != nil {
			return err
		}
	}
	files := map[string][]byte{
		filepath.Join(config, "ca.crt"): ca.PEM,
		// What pods with dnsPolicy Default get, CoreDNS first of all: a server
		// of the lab's own that knows no name. Without any, CoreDNS' forward
		// plugin does not start; with one that refuses, every name from
		// outside costs a SERVFAIL and a retry instead of an answer.
		filepath.Join(config, "resolv.conf"): []byte("nameserver " + layout.ControlAddr.String() + "\n"),
	}
	for file, t := range map[string]*template.Template{
		filepath.Join(config, "containerd.toml"): containerdConfig,
		filepath.Join(config, "kubelet.yaml"):    kubeletConfig,
		filepath.Join(config, "kube-proxy.yaml"): proxyConfig,
		filepath.Join(cni, "10-lab.conflist"):    cniConfig,
	} {
		if files[file], err = render(t, r.Node, r.Machine); err != nil {
			return err
		}
	}
	for file, data := range files {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return fmt.Errorf("write configuration of %s: %w", r.Name, err)
		}
	}
	return nil
}

// view makes the node's own /run, /var/lib and /var/log in its mount
// namespace, and becomes the rest of its arguments. All that the components
// and the containers mount is in this namespace, and is gone when the last of
// them is. It starts in the node's folder and stays there by relative names,
// since the state folder may be below one of those that it covers.
//
// Without -n, mount(8) would make a folder for its notes in the host's /run.
const view = `cd "$0"
mount -n --bind "$1" run/lab/tools
mount -n --rbind run /run
mount -n --rbind lib /var/lib
mount -n --rbind log /var/log
shift
cd /
exec "$@"`

// StartContainerd starts the node's first daemon, which makes its namespaces.
func (r *Runner) StartContainerd(ctx context.Context) (context.Context, error) {
	argv := append(network.Enter(r.Netns()),
		"unshare", "--mount", "--propagation", "private",
		"sh", "-ec", view, r.Dir, r.Tools.Dir,
		"containerd", "--config", configDir+"/containerd.toml")
	started, err := r.start(layout.Containerd, argv)
	if err != nil {
		return ctx, err
	}
	r.containerd = started
	ctx = started.Watch(ctx)
	// ctr waits ten seconds when it comes before the socket.
	sock := filepath.Join(r.Run(), "lab", filepath.Base(socket))
	return ctx, api.Poll(ctx, func() error {
		if _, err := os.Stat(sock); err != nil {
			return fmt.Errorf("containerd of %s: %w", r.Name, err)
		}
		out, err := process.Command(ctx, ctr(r.containerd.PID, "version")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("containerd of %s: %w: %s", r.Name, err, out)
		}
		return nil
	})
}

func (r *Runner) start(daemon string, argv []string) (*process.Running, error) {
	name := daemon + r.Name
	return process.Start(process.Daemon{
		Name:   name,
		Groups: r.Tree.DaemonGroups(name),
		Log:    filepath.Join(r.State.Logs(), name+".log"),
		Argv:   argv,
	})
}

// inside is the command line that runs the rest in the node.
func (r *Runner) inside(argv ...string) []string {
	return append(append(network.Enter(r.Netns()), fmt.Sprintf("--mount=/proc/%d/ns/mnt", r.containerd.PID)), argv...)
}

// StartKubelet starts the node's kubelet.
func (r *Runner) StartKubelet(ctx context.Context) (context.Context, error) {
	started, err := r.start(layout.Kubelet, r.inside(
		toolsDir+"/kubelet",
		"--config="+configDir+"/kubelet.yaml",
		"--kubeconfig="+configDir+"/kubelet.kubeconfig",
		"--hostname-override="+r.Name,
		"--node-ip="+r.Addr.String()))
	if err != nil {
		return ctx, err
	}
	return started.Watch(ctx), nil
}

// StartProxy starts the node's kube-proxy once the node is known to the API:
// kube-proxy looks its own address up there, and waits a second when it is
// not found.
func (r *Runner) StartProxy(ctx context.Context, client *api.Client) (context.Context, error) {
	if err := api.Poll(ctx, func() error {
		_, err := client.NodeReady(ctx, r.Name)
		return err
	}); err != nil {
		return ctx, fmt.Errorf("wait for %s to register: %w", r.Name, err)
	}
	started, err := r.start(layout.Proxy, r.inside(
		toolsDir+"/kube-proxy",
		"--config="+configDir+"/kube-proxy.yaml",
		"--hostname-override="+r.Name))
	if err != nil {
		return ctx, err
	}
	return started.Watch(ctx), nil
}

// ErrNoContainerd is Load's when the node's containerd is not there.
var ErrNoContainerd = errors.New("no containerd is running")

// Load imports image archives. The node's containerd may have been started by
// an earlier command.
func Load(ctx context.Context, n layout.Node, tree *cgroup.Tree, tars ...string) error {
	pid := containerdPID(tree.Running()[layout.Containerd+n.Name])
	if pid == 0 {
		return fmt.Errorf("load images on %s: %w", n.Name, ErrNoContainerd)
	}
	for _, tar := range tars {
		f, err := os.Open(tar)
		if err != nil {
			return fmt.Errorf("load image: %w", err)
		}
		cmd := process.Command(ctx, ctr(pid, "--namespace", "k8s.io", "images", "import", "-")...)
		cmd.Stdin = f
		out, err := cmd.CombinedOutput()
		f.Close()
		if err != nil {
			return fmt.Errorf("load image %s on %s: %w: %s", tar, n.Name, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// containerdPID finds the daemon among the members of its cgroup, which its
// shims and their short-lived helpers are too.
func containerdPID(pids []int) int {
	for _, pid := range pids {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "containerd\n" {
			return pid
		}
	}
	return 0
}

// ctr reaches containerd by its short path inside the node: a socket's path
// may have no more than 107 bytes, which a state folder can use up.
func ctr(pid int, args ...string) []string {
	return append([]string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", pid), "ctr", "--address", socket}, args...)
}
