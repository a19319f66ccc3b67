package environment

import (
	"net"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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

// dnsServices are where the DNS Service is: nearly everywhere at the first
// place, whatever the provider; OpenShift's at the second.
var dnsServices = []struct{ namespace, name string }{
	{kubeSystem, "kube-dns"},
	{"openshift-dns", "dns-default"},
}

// corefileMaps are the names of the ConfigMap with the Corefile.
var corefileMaps = []string{"coredns", "rke2-coredns-rke2-coredns"}

// dns describes the cluster's own DNS, every conclusion with its evidence.
func (c *collector) dns(sets []appsv1.DaemonSet) {
	d := &c.env.DNS
	for _, ds := range sets {
		if ds.Name == "node-local-dns" || ds.Name == "nodelocaldns" { // the latter is kubespray's
			d.NodeLocal = true
			d.note("DaemonSet " + ds.Namespace + "/" + ds.Name + " exists")
		}
	}
	if svc := c.dnsService(); svc != nil {
		d.Service = svc.Namespace + "/" + svc.Name
		d.ClusterIPs = svc.Spec.ClusterIPs
		if len(d.ClusterIPs) == 0 && svc.Spec.ClusterIP != "" {
			d.ClusterIPs = []string{svc.Spec.ClusterIP}
		}
		c.dnsReplicas(svc)
		c.dnsPods(svc)
		// Installers label the Service so; Cloud DNS leaves the label behind.
		if name := svc.Labels["kubernetes.io/name"]; name != "" {
			d.note("Service " + d.Service + " is labelled kubernetes.io/name=" + name)
		}
	}
	c.corefile()
}

// dnsService finds the Service that the pods' nameserver is the address of.
func (c *collector) dnsService() *corev1.Service {
	for _, p := range dnsServices {
		svc, err := c.kube.CoreV1().Services(p.namespace).Get(c.ctx, p.name, metav1.GetOptions{})
		if err == nil {
			return svc
		}
		if !apierrors.IsNotFound(err) && p.namespace == kubeSystem {
			c.failed("Service "+p.namespace+"/"+p.name, err)
			return nil
		}
	}
	// Some name it otherwise (RKE2: rke2-coredns-rke2-coredns).
	list, err := c.kube.CoreV1().Services(kubeSystem).List(c.ctx, metav1.ListOptions{})
	if c.failed("Services in "+kubeSystem, err) {
		return nil
	}
	for i, svc := range list.Items {
		if slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 53 }) {
			return &list.Items[i]
		}
	}
	c.env.warn("Service " + kubeSystem + "/kube-dns: not there, and no other in " + kubeSystem + " serves port 53")
	return nil
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
	d.Replicas, d.NotReady = slices.Compact(d.Replicas), slices.Compact(d.NotReady)
}

// dnsPort picks the port for DNS over UDP among a slice's ports, which are the
// pods' own and so need not be 53. A Service also has TCP and metrics.
func dnsPort(ports []discoveryv1.EndpointPort) int {
	for _, p := range ports {
		if p.Port != nil && p.Protocol != nil && *p.Protocol == corev1.ProtocolUDP {
			return int(*p.Port)
		}
	}
	return 0
}

// dnsPods tells the provider from the images behind the Service.
func (c *collector) dnsPods(svc *corev1.Service) {
	if len(svc.Spec.Selector) == 0 {
		c.env.DNS.Provider = Outside
		c.env.DNS.note("Service " + svc.Namespace + "/" + svc.Name + " has no selector: its DNS does not run in pods of this cluster")
		return
	}
	pods, err := c.kube.CoreV1().Pods(svc.Namespace).List(c.ctx, metav1.ListOptions{LabelSelector: labels.Set(svc.Spec.Selector).String()})
	if c.failed("pods of "+svc.Namespace+"/"+svc.Name, err) {
		return
	}
	d := &c.env.DNS
	if len(pods.Items) == 0 {
		// A cloud's DNS that has taken over, or a DNS that is down.
		d.note("no pod stands behind Service " + svc.Namespace + "/" + svc.Name)
	}
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			if !slices.Contains(d.Images, container.Image) {
				d.Images = append(d.Images, container.Image)
			}
		}
	}
	slices.Sort(d.Images)
	for _, image := range d.Images {
		switch name := imageName(image); {
		case strings.Contains(name, "coredns"):
			d.Provider = CoreDNS
			d.CoreDNSImage = image
		case strings.Contains(name, "kube-dns") && d.Provider == Unknown:
			d.Provider = KubeDNS
		case strings.Contains(name, "dnsmasq"):
			d.DnsmasqImage = image
			continue
		default:
			continue
		}
		d.note("a pod behind " + svc.Namespace + "/" + svc.Name + " runs " + image)
	}
}

// imageName is the last part of an image's path: without registry, tag and
// digest. "registry.k8s.io/coredns/coredns:v1.12.1" is "coredns".
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndex(image, "/")+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}

// corefile keeps the Corefile and what it says of the cluster domain.
func (c *collector) corefile() {
	d := &c.env.DNS
	if d.Provider == KubeDNS || d.Provider == Outside {
		return // it would be somebody else's
	}
	for i, name := range corefileMaps {
		cm, err := c.kube.CoreV1().ConfigMaps(kubeSystem).Get(c.ctx, name, metav1.GetOptions{})
		if err != nil {
			// The usual place alone is worth a warning.
			if i == 0 && !(apierrors.IsNotFound(err) && d.Provider == Unknown) {
				c.failed("Corefile: ConfigMap "+kubeSystem+"/"+name, err)
			}
			continue
		}
		text, ok := cm.Data["Corefile"]
		if !ok {
			continue
		}
		d.Corefile = redact(text)
		if d.Provider == Unknown {
			// Clusters keep the ConfigMap after a change of provider, so it is
			// evidence and not a conclusion.
			d.note("ConfigMap " + kubeSystem + "/" + name + " holds a Corefile")
		}
		parsed, err := ParseCorefile(text)
		if err != nil {
			c.env.warn("Corefile: " + err.Error())
			return
		}
		for _, f := range parsed.Imports {
			c.env.warn("Corefile: it imports " + f + ", which was not read")
		}
		d.Parsed, d.Domain = parsed, parsed.Domain
		return
	}
}
