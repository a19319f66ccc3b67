package environment

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/record"
)

// Providers of a cluster's DNS, as far as a cluster shows them.
const (
	CoreDNS  = "CoreDNS"
	KubeDNS  = "kube-dns"
	CloudDNS = "Cloud DNS for GKE"
	// Outside does not run in pods of the cluster: a cloud's, of which the API
	// shows no more.
	Outside = "a DNS outside the cluster"
)

// Metadata servers' addresses at which clouds resolve names. They are
// link-local, as a cache on the node is.
var (
	metadataServer = netip.MustParseAddr("169.254.169.254") // GKE's is Cloud DNS
	vpcResolver    = netip.MustParseAddr("169.254.169.253") // Amazon's
)

// AskedDNS describes the DNS that a pod asks: the Service that has the address
// of its nameserver, the pods behind that and the ConfigMaps that they mount.
// It takes the place of what Collect has guessed, and tells whether the
// replicas are others than those.
func (e *Environment) AskedDNS(ctx context.Context, kube kubernetes.Interface, resolv record.Resolv) (others bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	before := e.DNS
	e.DNS = DNS{Provider: Unknown, Domain: before.Domain}
	c := &collector{ctx: ctx, kube: kube, env: e}
	c.daemonSets()
	var server netip.Addr
	if len(resolv.Servers) > 0 {
		if at, err := netip.ParseAddrPort(resolv.Servers[0]); err == nil {
			server = at.Addr().Unmap()
		}
	}
	c.dns(server)
	return !slices.Equal(before.Replicas, e.DNS.Replicas)
}

// dns describes the DNS at an address, or, where that is the zero Addr because
// no pod was seen yet, the one that is labelled as the cluster's.
func (c *collector) dns(asked netip.Addr) {
	d := &c.env.DNS
	services, all := c.dnsServices()
	labelled := slices.IndexFunc(services, isClusterDNS)
	i := slices.IndexFunc(services, func(s corev1.Service) bool { return asked.IsValid() && hasAddress(s, asked) })
	switch {
	case !asked.IsValid():
		i = labelled
	case i >= 0:
		d.note(fmt.Sprintf("a pod's nameserver is %s, of Service %s/%s", asked, services[i].Namespace, services[i].Name))
	case asked == metadataServer && (c.env.Cloud == "gce" || c.env.Distribution == "GKE"):
		d.Provider = CloudDNS // kube-dns may run on, and nobody asks it
		d.note(fmt.Sprintf("a pod's nameserver is %s, %s", asked, CloudDNS))
	case asked == metadataServer, asked == vpcResolver:
		d.Provider = Outside
		d.note(fmt.Sprintf("a pod's nameserver is %s, the cloud's own", asked))
	case asked.IsLinkLocalUnicast():
		d.NodeLocal = true
		d.note(fmt.Sprintf("a pod's nameserver is %s, a cache on its node", asked))
		i = labelled
	default:
		text := fmt.Sprintf("a pod's nameserver is %s, which is the address of no Service that may be read", asked)
		if labelled >= 0 {
			s := services[labelled]
			text += fmt.Sprintf("; %s/%s, labelled as the cluster's DNS, has %s", s.Namespace, s.Name, s.Spec.ClusterIP)
		}
		c.env.warn("DNS: " + text)
		d.note(text)
		if all {
			d.Provider = Outside
		}
	}
	if i < 0 {
		c.nodeCaches(asked)
		return
	}
	svc := &services[i]
	d.Service = svc.Namespace + "/" + svc.Name
	d.ClusterIPs = svc.Spec.ClusterIPs
	if len(d.ClusterIPs) == 0 && svc.Spec.ClusterIP != "" {
		d.ClusterIPs = []string{svc.Spec.ClusterIP}
	}
	if !asked.IsValid() {
		if len(d.ClusterIPs) > 0 {
			asked, _ = netip.ParseAddr(d.ClusterIPs[0])
		}
		d.note("Service " + d.Service + " is labelled as the cluster's DNS")
	}
	c.nodeCaches(asked)
	c.dnsReplicas(svc)
	c.dnsPods(svc)
}

// dnsNamespaces is where installers put a cluster's DNS.
var dnsNamespaces = []string{kubeSystem, "openshift-dns"}

// dnsServices lists the Services that serve DNS, by name: in all namespaces or,
// where the rights do not reach so far, in those of installers.
func (c *collector) dnsServices() (list []corev1.Service, all bool) {
	found, err := c.kube.CoreV1().Services(metav1.NamespaceAll).List(c.ctx, metav1.ListOptions{})
	all = err == nil
	if apierrors.IsForbidden(err) {
		for _, ns := range dnsNamespaces {
			var some *corev1.ServiceList
			some, err = c.kube.CoreV1().Services(ns).List(c.ctx, metav1.ListOptions{})
			if err == nil {
				list = append(list, some.Items...)
			} else if ns == kubeSystem {
				c.failed("Services in "+ns, err)
			}
		}
	} else if !c.failed("Services", err) {
		list = found.Items
	}
	list = slices.DeleteFunc(list, func(s corev1.Service) bool {
		return !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 53 })
	})
	slices.SortFunc(list, func(a, b corev1.Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list, all
}

// isClusterDNS tells whether a Service bears the name or a label that installers
// give the cluster's DNS. It is good for a guess only.
func isClusterDNS(s corev1.Service) bool {
	return s.Namespace == kubeSystem && s.Name == "kube-dns" || s.Labels["k8s-app"] == "kube-dns" ||
		s.Labels["kubernetes.io/name"] != "" || s.Labels["dns.operator.openshift.io/owning-dns"] != ""
}

func hasAddress(s corev1.Service, ip netip.Addr) bool {
	return slices.ContainsFunc(append([]string{s.Spec.ClusterIP}, s.Spec.ClusterIPs...), func(text string) bool {
		addr, err := netip.ParseAddr(text)
		return err == nil && addr == ip
	})
}

// dnsReplicas lists the endpoints of the DNS Service, host:port.
func (c *collector) dnsReplicas(svc *corev1.Service) {
	list, err := c.kube.DiscoveryV1().EndpointSlices(svc.Namespace).List(c.ctx, metav1.ListOptions{
		LabelSelector: labels.Set{discoveryv1.LabelServiceName: svc.Name}.String(),
	})
	if c.failed("EndpointSlices of "+svc.Namespace+"/"+svc.Name, err) {
		return
	}
	d := &c.env.DNS
	for _, s := range list.Items {
		port := dnsPort(s.Ports)
		if port == 0 {
			continue
		}
		for _, ep := range s.Endpoints {
			for _, addr := range ep.Addresses {
				replica := net.JoinHostPort(addr, strconv.Itoa(port))
				if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
					d.Replicas = append(d.Replicas, replica)
				} else {
					d.NotReady = append(d.NotReady, replica)
				}
			}
		}
	}
	slices.Sort(d.Replicas)
	slices.Sort(d.NotReady)
}

// dnsPort returns the UDP port of an EndpointSlice, 0 for none. It is the
// pods' own and so need not be 53. A Service also has TCP and metrics.
func dnsPort(ports []discoveryv1.EndpointPort) int {
	for _, p := range ports {
		if p.Port != nil && p.Protocol != nil && *p.Protocol == corev1.ProtocolUDP {
			return int(*p.Port)
		}
	}
	return 0
}

// dnsPods tells the provider from what runs behind the Service, and quotes how
// it is configured.
func (c *collector) dnsPods(svc *corev1.Service) {
	d := &c.env.DNS
	if len(svc.Spec.Selector) == 0 {
		d.Provider = Outside
		d.note("Service " + d.Service + " has no selector: its DNS does not run in pods of this cluster")
		return
	}
	pods, err := c.kube.CoreV1().Pods(svc.Namespace).List(c.ctx, metav1.ListOptions{
		LabelSelector: labels.Set(svc.Spec.Selector).String(),
	})
	if c.failed("pods of "+d.Service, err) {
		return
	}
	if len(pods.Items) == 0 {
		d.note("no pod stands behind Service " + d.Service)
	}
	var maps []string
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			if !slices.Contains(d.Images, container.Image) {
				d.Images = append(d.Images, container.Image)
				d.runs(container)
			}
		}
		maps = append(maps, configMaps(&pod.Spec)...)
	}
	slices.Sort(d.Images)
	slices.Sort(maps)
	for _, name := range slices.Compact(maps) {
		c.quote(svc.Namespace, name, nil)
	}
}

// runs draws conclusions from one container behind the DNS Service.
func (d *DNS) runs(container corev1.Container) {
	name := imageName(container.Image)
	command := ""
	if len(container.Command) > 0 {
		command = path.Base(container.Command[0])
	}
	switch {
	case strings.Contains(name, "coredns"):
		d.Provider, d.CoreDNSImage = CoreDNS, container.Image
	case command == "coredns": // OpenShift's images have no name
		d.Provider = CoreDNS
	case strings.Contains(name, "kube-dns") && d.Provider == Unknown:
		d.Provider = KubeDNS
	case strings.Contains(name, "dnsmasq"):
		d.DnsmasqImage = container.Image
		return
	default:
		return
	}
	d.note("a pod behind " + d.Service + " runs " + container.Image)
}

// imageName is the last part of an image's path: without registry, tag and
// digest. "registry.k8s.io/coredns/coredns:v1.12.1" is "coredns".
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndex(image, "/")+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}

// nodeCaches looks for a DaemonSet whose Corefile names the address that pods
// ask: NodeLocal DNSCache listens at that of the DNS Service too, where
// kube-proxy uses iptables.
func (c *collector) nodeCaches(asked netip.Addr) {
	if !asked.IsValid() {
		return
	}
	binds := func(corefile string) bool {
		return slices.Contains(strings.Fields(corefile), asked.String())
	}
	for _, ds := range c.sets {
		if !slices.Contains(dnsNamespaces, ds.Namespace) || ds.Name == "kube-proxy" {
			continue
		}
		for _, name := range append(configMaps(&ds.Spec.Template.Spec), sameName(ds)...) {
			if c.quote(ds.Namespace, name, binds) {
				c.env.DNS.NodeLocal = true
				c.env.DNS.note(fmt.Sprintf("DaemonSet %s/%s has a Corefile that names %s: pods ask a cache on their node",
					ds.Namespace, ds.Name, asked))
			}
		}
	}
}

// sameName guesses the ConfigMap of a DaemonSet that may not tell which it
// mounts.
func sameName(ds appsv1.DaemonSet) []string {
	if len(ds.Spec.Template.Spec.Volumes) > 0 {
		return nil
	}
	return []string{ds.Name}
}

// configMaps returns the names of those that a pod mounts.
func configMaps(spec *corev1.PodSpec) []string {
	var names []string
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			names = append(names, v.ConfigMap.Name)
		}
	}
	return names
}

// quote keeps the text of a ConfigMap, without secrets, if its Corefile is
// wanted; nil: whatever is in it. One that is not there is an optional one.
func (c *collector) quote(namespace, name string, wanted func(corefile string) bool) bool {
	cm, err := c.kube.CoreV1().ConfigMaps(namespace).Get(c.ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false
	}
	failed := c.failed("Corefile: ConfigMap "+namespace+"/"+name, err)
	if wanted != nil && (failed || !wanted(cm.Data["Corefile"])) {
		return false
	}
	// One that may not be read is still what its pods mount.
	if at := namespace + "/" + name; !slices.Contains(c.env.DNS.ConfigMaps, at) {
		c.env.DNS.ConfigMaps = append(c.env.DNS.ConfigMaps, at)
	}
	if failed {
		return false
	}
	for _, key := range sorted(cm.Data) {
		text := fmt.Sprintf("# ConfigMap %s/%s, %s\n%s\n", namespace, name, key,
			strings.TrimRight(Redact(cm.Data[key]), "\n"))
		if !strings.Contains(c.env.DNS.Corefile, text) {
			c.env.DNS.Corefile += text
		}
	}
	return true
}
