// Package network builds the network namespaces of the lab and their links:
//
//	host ── hjlab-host ── bridge in hjlab-cp (control plane) ── hjlab-node1, hjlab-node2
//
// A pod hangs on its node by a link of its own (CNI's ptp) and is reached by
// routes, as with kind and in the clouds: what is sent to a pod that is gone
// is lost without a word. No namespace has a default route and the host
// forwards nothing, so that nothing can leave the machine.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/process"
)

// sysctls are set in every namespace of the lab.
var sysctls = strings.Join([]string{
	// Only IPv4 is planned for; without this, links would announce themselves.
	"echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6",
	"echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
	// Debian's default may be strict. It is inherited from the host.
	"echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter",
	"echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter",
}, "\n")

// forwarding is for the nodes alone; the control plane passes on what the
// bridge carries, which is not routing.
const forwarding = "echo 1 >/proc/sys/net/ipv4/ip_forward"

// Up builds everything. The state folder's name is left as alias on the links:
// it tells whose they are, also to one who looks without the folder.
func Up(ctx context.Context, state layout.State, nodes []layout.Node) error {
	if err := addNetns(ctx, state, layout.ControlNetns, sysctls); err != nil {
		return err
	}
	if err := ip(ctx, "", hostPlan(state, nodes)); err != nil {
		return fmt.Errorf("set up the host's link: %w", err)
	}
	for _, n := range nodes {
		if err := addNetns(ctx, state, n.Netns(), sysctls+"\n"+forwarding); err != nil {
			return err
		}
	}
	if err := ip(ctx, layout.ControlNetns, controlPlan(nodes)); err != nil {
		return fmt.Errorf("set up the control plane's network: %w", err)
	}
	for _, n := range nodes {
		if err := ip(ctx, n.Netns(), nodePlan(n, nodes)); err != nil {
			return fmt.Errorf("set up the network of %s: %w", n.Name, err)
		}
	}
	return nil
}

// alias marks a link as the lab's. A namespace is marked on its lo.
func alias(state layout.State) string { return layout.Name + " " + string(state) }

// hostPlan is for the host's namespace. The blackholes catch what is sent to
// addresses of the lab that are not there: they would follow the default route.
func hostPlan(state layout.State, nodes []layout.Node) []string {
	route := "route add proto " + layout.RouteProtocol + " "
	plan := []string{
		fmt.Sprintf("link add %s type veth peer name host netns %s", layout.HostLink, layout.ControlNetns),
		fmt.Sprintf("link set %s alias %q", layout.HostLink, alias(state)),
		// No IPv6 here either: no router solicitations to nobody.
		fmt.Sprintf("link set %s addrgenmode none", layout.HostLink),
		fmt.Sprintf("addr add %s/%d dev %s", layout.HostAddr, layout.NodeCIDR.Bits(), layout.HostLink),
		fmt.Sprintf("link set %s up", layout.HostLink),
		route + "blackhole " + layout.PodCIDR.String(),
		route + "blackhole " + layout.ServiceCIDR.String(),
	}
	for _, n := range nodes {
		plan = append(plan, fmt.Sprintf("%s%s via %s dev %s", route, n.Pods, n.Addr, layout.HostLink))
	}
	return plan
}

// controlPlan is for the control plane's namespace: the apiserver reaches pods
// (proxy, port-forward) and is reached by them.
func controlPlan(nodes []layout.Node) []string {
	plan := []string{
		"link add br0 type bridge",
		fmt.Sprintf("addr add %s/%d dev br0", layout.ControlAddr, layout.NodeCIDR.Bits()),
		"link set host master br0 up",
	}
	for _, n := range nodes {
		plan = append(plan,
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", n.Name, n.Netns()),
			fmt.Sprintf("link set %s master br0 up", n.Name))
	}
	plan = append(plan, "link set br0 up",
		"route add blackhole "+layout.PodCIDR.String(),
		"route add blackhole "+layout.ServiceCIDR.String())
	for _, n := range nodes {
		plan = append(plan, fmt.Sprintf("route add %s via %s", n.Pods, n.Addr))
	}
	return plan
}

// nodePlan is for a node. The services' range goes to the control plane, which
// has a blackhole for it, and has none here: with one, a process of the node
// itself could not connect to a Service, because the kernel asks for the route
// before kube-proxy's rules are applied.
func nodePlan(n layout.Node, nodes []layout.Node) []string {
	plan := []string{
		fmt.Sprintf("addr add %s/%d dev eth0", n.Addr, layout.NodeCIDR.Bits()),
		"link set eth0 up",
		"route add blackhole " + layout.PodCIDR.String(),
		fmt.Sprintf("route add %s via %s", layout.ServiceCIDR, layout.ControlAddr),
	}
	for _, other := range nodes {
		if other.Index != n.Index {
			plan = append(plan, fmt.Sprintf("route add %s via %s", other.Pods, other.Addr))
		}
	}
	return plan
}

// Enter is the command line that runs the rest in a namespace. It is nsenter
// and not `ip netns exec`: that mounts /sys anew, and a kubelet then finds no
// cgroups.
func Enter(netns string) []string {
	return []string{"nsenter", "--net=" + layout.NetnsPath(netns)}
}

func addNetns(ctx context.Context, state layout.State, name, script string) error {
	if err := command(ctx, nil, "ip", "netns", "add", name); err != nil {
		return fmt.Errorf("make network namespace %s: %w", name, err)
	}
	mark := []string{fmt.Sprintf("link set lo alias %q up", alias(state))}
	if err := ip(ctx, name, mark); err != nil {
		return fmt.Errorf("mark network namespace %s: %w", name, err)
	}
	argv := append(Enter(name), "sh", "-ec", script)
	if err := command(ctx, nil, argv...); err != nil {
		return fmt.Errorf("set up network namespace %s: %w", name, err)
	}
	return nil
}

// ip runs a batch of ip(8) commands in a namespace ("" is the host's).
func ip(ctx context.Context, netns string, batch []string) error {
	argv := []string{"ip"}
	if netns != "" {
		argv = append(argv, "-netns", netns)
	}
	return command(ctx, []byte(strings.Join(batch, "\n")+"\n"), append(argv, "-batch", "-")...)
}

func command(ctx context.Context, stdin []byte, argv ...string) error {
	cmd := process.Command(ctx, argv...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// Down takes away what Look found. It must run after the processes have ended:
// they hold the namespaces.
func Down(ctx context.Context, found Found) error {
	var errs []error
	for _, r := range found.Routes {
		if r.Device != layout.HostLink { // those go with the link
			errs = append(errs, command(ctx, nil, "ip", "route", "del", "proto", layout.RouteProtocol, r.Kind, r.Dst))
		}
	}
	for _, l := range found.Links {
		errs = append(errs, command(ctx, nil, "ip", "link", "del", l.Name))
	}
	for _, name := range found.Netns {
		errs = append(errs, removeNetns(name))
	}
	return errors.Join(errs...)
}

// removeNetns does what `ip netns del` does, and also takes away the empty
// file that a killed `ip netns add` leaves.
func removeNetns(name string) error {
	file := layout.NetnsPath(name)
	err := unix.Unmount(file, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %s: %w", name, err)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", name, err)
	}
	return nil
}

// NetnsDirExists says whether iproute2's folder is there. The first `ip netns
// add` on a machine makes it, and a mount of it.
func NetnsDirExists() bool {
	_, err := os.Stat(layout.NetnsDir)
	return err == nil
}

// RemoveNetnsDir undoes that, when no namespace is left in it.
func RemoveNetnsDir() error {
	entries, err := os.ReadDir(layout.NetnsDir)
	if err != nil || len(entries) > 0 {
		return nil
	}
	// EINVAL when it is no longer a mount.
	for unix.Unmount(layout.NetnsDir, unix.MNT_DETACH) == nil {
	}
	if err := os.Remove(layout.NetnsDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", layout.NetnsDir, err)
	}
	return nil
}
