package environment

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/cluster"
)

const (
	// patience is for everything that is read. Describing the cluster is a
	// courtesy to the report's reader; the experiment does not wait for it.
	patience = 20 * time.Second
	// maxNodes is how many nodes are listed one by one; the homogeneous
	// hundreds beyond it tell nothing new and would fill the report.
	maxNodes = 100
)

const (
	kubeSystem = "kube-system"
	none       = "none" // nothing there, which differs from Unknown
)

// collector reads one cluster into an Environment.
type collector struct {
	ctx  context.Context
	kube kubernetes.Interface
	env  *Environment
	sets []appsv1.DaemonSet // those that may be read
}

// Collect reads what describes the cluster, of which the version is known. It
// never fails: what could not be read is among the warnings. Which DNS pods ask
// is a guess until AskedDNS.
func Collect(ctx context.Context, kube kubernetes.Interface, v *version.Info) Environment {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	env := Environment{V: Version, Collected: time.Now().UTC(), Cloud: Unknown, Distribution: Unknown, KubeProxy: Unknown}
	env.DNS.Provider = Unknown
	c := &collector{ctx: ctx, kube: kube, env: &env}
	env.Server = Server{GitVersion: v.GitVersion, GitCommit: v.GitCommit, BuildDate: v.BuildDate, GoVersion: v.GoVersion,
		Platform: v.Platform}
	env.KubectlVersion = "Client Version: client-go " + clientVersion() + "\nServer Version: " + v.GitVersion + "\n"
	c.id()
	c.nodes()
	c.daemonSets()
	c.cni()
	c.kubeProxy()
	c.distribution()
	c.dns(netip.Addr{})
	return env
}

// failed tells whether a read failed, and notes it as a warning. The texts
// leave out who asked and where the API server is: reports are published.
func (c *collector) failed(what string, err error) bool {
	if err != nil {
		c.env.warn(what + ": " + reason(err))
	}
	return err != nil
}

// reason says in a few words why a read failed.
func reason(err error) string {
	switch {
	case apierrors.IsForbidden(err):
		return "no right to read it"
	case apierrors.IsNotFound(err):
		return "not there"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return cluster.Anonymous(err.Error())
}

// clientVersion is the version of client-go that was built in.
func clientVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "k8s.io/client-go" {
				return m.Version
			}
		}
	}
	return Unknown
}

// id tells this cluster from others: nothing that lives as long as a cluster is
// easier to read, and it says nothing else.
func (c *collector) id() {
	ns, err := c.kube.CoreV1().Namespaces().Get(c.ctx, kubeSystem, metav1.GetOptions{})
	if !c.failed("cluster id: namespace "+kubeSystem, err) {
		c.env.ClusterID = string(ns.UID)
	}
}

// nodes describes the nodes and tells the cloud from their provider ids.
func (c *collector) nodes() {
	list, err := c.kube.CoreV1().Nodes().List(c.ctx, metav1.ListOptions{})
	if c.failed("nodes", err) {
		return
	}
	var clouds []string
	for _, n := range list.Items {
		scheme, _, found := strings.Cut(n.Spec.ProviderID, "://")
		if found && !slices.Contains(clouds, scheme) {
			clouds = append(clouds, scheme)
		}
		info := n.Status.NodeInfo
		c.env.Nodes = append(c.env.Nodes, Node{
			Name: n.Name, Roles: roles(n.Labels), Ready: cluster.Ready(&n), Kernel: info.KernelVersion,
			OS: info.OSImage, Arch: info.Architecture, Runtime: info.ContainerRuntimeVersion, Kubelet: info.KubeletVersion,
		})
	}
	slices.Sort(clouds)
	c.env.Cloud = cmp.Or(strings.Join(clouds, ", "), none)
	slices.SortFunc(c.env.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	c.env.NodeCount = len(c.env.Nodes)
	c.env.Nodes = c.env.Nodes[:min(len(c.env.Nodes), maxNodes)]
}

// roles reads a node's roles from its labels, as kubectl does.
func roles(labels map[string]string) []string {
	var r []string
	for k := range labels {
		if role, ok := strings.CutPrefix(k, "node-role.kubernetes.io/"); ok && role != "" {
			r = append(r, role)
		}
	}
	slices.Sort(r)
	return r
}

// daemonSets lists the cluster's DaemonSets, or kube-system's where the rights
// do not reach further. They tell the CNI, kube-proxy and a node-local DNS.
func (c *collector) daemonSets() {
	list, err := c.kube.AppsV1().DaemonSets(metav1.NamespaceAll).List(c.ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		list, err = c.kube.AppsV1().DaemonSets(kubeSystem).List(c.ctx, metav1.ListOptions{})
	}
	if !c.failed("DaemonSets", err) {
		c.sets = list.Items
	}
}

// cniNames maps names of DaemonSets to the network that they install.
var cniNames = map[string]string{
	"kindnet": "kindnet", "calico-node": "Calico", "canal": "Canal", "cilium": "Cilium",
	"anetd":        "GKE Dataplane V2 (Cilium)",
	"kube-flannel": "flannel", "kube-flannel-ds": "flannel", "weave-net": "Weave Net", "aws-node": "Amazon VPC CNI",
	"azure-cns": "Azure CNI", "antrea-agent": "Antrea", "kube-router": "kube-router", "ovnkube-node": "OVN-Kubernetes",
	"netd": "GKE netd", "kube-ovn-cni": "Kube-OVN", "multus": "Multus", "kube-multus-ds": "Multus",
}

// cni guesses the network from the DaemonSets that installed it.
func (c *collector) cni() {
	for _, ds := range c.sets {
		if name, known := cniNames[ds.Name]; known {
			c.env.CNI = append(c.env.CNI, name+" (DaemonSet "+ds.Namespace+"/"+ds.Name+")")
		}
	}
	slices.Sort(c.env.CNI)
}

// proxyConfigs are the places of kube-proxy's configuration: kubeadm's and
// everybody's, and that of EKS.
var proxyConfigs = []struct{ configMap, key string }{
	{"kube-proxy", "config.conf"},
	{"kube-proxy-config", "config"},
}

var proxyModeFlag = regexp.MustCompile(`--proxy-mode[= ](\w+)`)

// kubeProxy finds out kube-proxy's mode: from its configuration, else from its
// command line. Nothing else of the ConfigMap is kept.
func (c *collector) kubeProxy() {
	var why error
	for _, p := range proxyConfigs {
		cm, err := c.kube.CoreV1().ConfigMaps(kubeSystem).Get(c.ctx, p.configMap, metav1.GetOptions{})
		if err != nil {
			if why == nil {
				why = err // of the usual place
			}
			continue
		}
		var config struct {
			Mode string `json:"mode"`
		}
		if err := yaml.Unmarshal([]byte(cm.Data[p.key]), &config); err != nil {
			c.env.warn("kube-proxy mode: ConfigMap " + kubeSystem + "/" + p.configMap + " is not understood")
			return
		}
		c.env.KubeProxy = config.Mode
		if config.Mode == "" {
			c.env.KubeProxy = "iptables (the default)"
		}
		return
	}
	for _, ds := range c.sets {
		if ds.Name != "kube-proxy" {
			continue
		}
		for _, container := range ds.Spec.Template.Spec.Containers {
			if m := proxyModeFlag.FindStringSubmatch(strings.Join(append(container.Command, container.Args...), " ")); m != nil {
				c.env.KubeProxy = m[1]
				return
			}
		}
	}
	c.failed("kube-proxy mode: ConfigMap "+kubeSystem+"/kube-proxy", why)
}

// distributions are recognised by what they add to versions and provider ids.
var distributions = []struct{ mark, name string }{
	{"+k3s", "k3s"}, {"+rke2", "RKE2"}, {"-gke.", "GKE"}, {"-eks-", "EKS"}, {"-aliyun", "ACK"},
	{"+vmware", "vSphere with Tanzu"}, {"+k0s", "k0s"}, {"-tke.", "TKE"},
}

// distribution guesses what installed the cluster.
func (c *collector) distribution() {
	for _, d := range distributions {
		if strings.Contains(c.env.Server.GitVersion, d.mark) {
			c.env.Distribution = d.name
			return
		}
	}
	if c.env.Cloud == "kind" || c.env.Cloud == "k3s" {
		c.env.Distribution = c.env.Cloud
		return
	}
	_, err := c.kube.CoreV1().ConfigMaps(kubeSystem).Get(c.ctx, "kubeadm-config", metav1.GetOptions{})
	switch {
	case err == nil:
		c.env.Distribution = "kubeadm"
	case !apierrors.IsNotFound(err):
		c.failed("distribution: ConfigMap "+kubeSystem+"/kubeadm-config", err)
	}
}
