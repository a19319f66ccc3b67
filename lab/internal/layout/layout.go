// Package layout says where everything of the lab is: names, addresses and
// paths. All names carry the lab's own, so that what is left on a machine can
// be told from what was there before.
package layout

import (
	"fmt"
	"net/netip"
	"path/filepath"
)

const (
	// Name is the lab's name on the machine: its cgroup, the mark on its links.
	Name = "headless-job-lab"

	// DefaultState is on disk and not in /run: etcd and the images of two
	// nodes would take a gigabyte of memory there.
	DefaultState = "/var/lib/" + Name

	// LinkPrefix begins the name of every network namespace and host link. A
	// link's name has at most 15 characters.
	LinkPrefix = "hjlab-"

	// HostLink is the only link in the host's namespace.
	HostLink = LinkPrefix + "host"

	// ControlNetns holds the control plane and the bridge between all nodes. A
	// namespace of its own means that no port of the host can be taken, and
	// that nothing of the lab listens on an address of the host.
	ControlNetns = LinkPrefix + "cp"

	// RouteProtocol marks the lab's routes on the host (rtnetlink's protocol
	// number, free for such use above 4): a route has no other place for a name.
	RouteProtocol = "96"

	// DaemonMark is the environment variable that every daemon of the lab is
	// started with, its name as value. Containers do not inherit it.
	DaemonMark = "HEADLESS_JOB_LAB_DAEMON"

	// MaxNodes is bound by what one machine's memory makes of a node.
	MaxNodes = 16
)

// The addresses. The pods' and the services' are kubeadm's and flannel's
// customary ones; the nodes' are from the range set aside for benchmarks
// (RFC 2544), which no one's own network should be using.
var (
	NodeCIDR    = netip.MustParsePrefix("198.18.96.0/24")
	PodCIDR     = netip.MustParsePrefix("10.244.0.0/16")
	ServiceCIDR = netip.MustParsePrefix("10.96.0.0/12")

	ControlAddr = netip.MustParseAddr("198.18.96.1")
	HostAddr    = netip.MustParseAddr("198.18.96.254")

	// KubernetesIP is the first of ServiceCIDR: the apiserver gives it to the
	// Service kubernetes. DNSIP is the tenth, as kubeadm has it.
	KubernetesIP = netip.MustParseAddr("10.96.0.1")
	DNSIP        = netip.MustParseAddr("10.96.0.10")
)

const (
	// ClusterDomain is the default of every tool.
	ClusterDomain = "cluster.local"

	// APIPort is the apiserver's default.
	APIPort = 6443
)

// APIServer is the address that clients are given.
func APIServer() string { return fmt.Sprintf("https://%s:%d", ControlAddr, APIPort) }

// State is the one folder that everything is written to.
type State string

func (s State) path(elem ...string) string {
	return filepath.Join(append([]string{string(s)}, elem...)...)
}

// File records what the lab is, and marks the folder as the lab's.
func (s State) File() string { return s.path("lab.json") }

// Kubeconfig is the administrator's.
func (s State) Kubeconfig() string { return s.path("kubeconfig") }

// Logs holds one file per daemon.
func (s State) Logs() string { return s.path("logs") }

// Audit is the apiserver's account, where it was asked for.
func (s State) Audit() string { return s.path("logs", "audit.log") }

// PKI holds the control plane's keys and certificates.
func (s State) PKI() string { return s.path("pki") }

// Control holds the control plane's configuration and etcd's data.
func (s State) Control() string { return s.path("control") }

// DnsmasqTar is the image that is made of Debian's dnsmasq.
func (s State) DnsmasqTar() string { return s.path("dnsmasq.tar") }

// BusyboxTar is the image that is made of Debian's busybox.
func (s State) BusyboxTar() string { return s.path("busybox.tar") }

// Node is one node of the lab.
type Node struct {
	Index int // from 1
	Name  string
	Addr  netip.Addr
	Pods  netip.Prefix
	Dir   string // its folder in the state folder
}

// Netns is the name of the node's network namespace.
func (n Node) Netns() string { return LinkPrefix + n.Name }

// Group is the cgroup that the node's pods are in.
func (n Node) Group() string { return "/" + Name + "/" + n.Name }

// The folders that the node sees as /run, /var/lib and /var/log.
func (n Node) Run() string { return filepath.Join(n.Dir, "run") }
func (n Node) Lib() string { return filepath.Join(n.Dir, "lib") }
func (n Node) Log() string { return filepath.Join(n.Dir, "log") }

// Nodes lists count nodes.
func (s State) Nodes(count int) []Node {
	var nodes []Node
	for i := 1; i <= count; i++ {
		name := fmt.Sprintf("node%d", i)
		nodes = append(nodes, Node{
			Index: i,
			Name:  name,
			// From .11: low enough to leave the host's .254 alone.
			Addr: netip.AddrFrom4([4]byte{198, 18, 96, byte(10 + i)}),
			// A /24 each: the default limit of 110 pods, and room for the
			// addresses that host-local does not hand out again at once.
			Pods: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24),
			Dir:  s.path(name),
		})
	}
	return nodes
}

// NetnsPath is where iproute2 pins a named network namespace.
func NetnsPath(name string) string { return filepath.Join(NetnsDir, name) }

// NetnsDir is iproute2's; it is not to be configured.
const NetnsDir = "/run/netns"

// The daemons of the control plane, in the order in which they are started.
const (
	Etcd              = "etcd"
	APIServerDaemon   = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	UpstreamDNS       = "upstream-dns"
)

// The daemons of a node; the node's name follows.
const (
	Containerd = "containerd-"
	Kubelet    = "kubelet-"
	Proxy      = "kube-proxy-"
)

// Daemons lists every daemon of a lab of these nodes.
func Daemons(nodes []Node) []string {
	names := []string{Etcd, APIServerDaemon, ControllerManager, Scheduler, UpstreamDNS}
	for _, n := range nodes {
		names = append(names, Containerd+n.Name, Kubelet+n.Name, Proxy+n.Name)
	}
	return names
}
