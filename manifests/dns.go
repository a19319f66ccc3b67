package manifests

import (
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"headless-job-dns/internal/plan"
)

// PodDNS is a resolver configuration handed to pods in place of the cluster's.
type PodDNS struct {
	Nameserver string   // IP
	Searches   []string // in order
	Options    []string // as resolv.conf writes them: "ndots:5"
}

// ClusterFirst returns what the kubelet gives pods of a namespace by default,
// with another nameserver, and without the node's own search domains.
func ClusterFirst(nameserver, namespace, domain string) *PodDNS {
	return &PodDNS{
		Nameserver: nameserver,
		Searches:   []string{namespace + ".svc." + domain, "svc." + domain, domain},
		Options:    []string{"ndots:5"},
	}
}

// apply makes the pod use this resolver configuration.
func (d *PodDNS) apply(spec *corev1.PodSpec) {
	if d == nil {
		return
	}
	c := &corev1.PodDNSConfig{Nameservers: []string{d.Nameserver}, Searches: d.Searches}
	for _, o := range d.Options {
		name, value, given := strings.Cut(o, ":")
		opt := corev1.PodDNSConfigOption{Name: name}
		if given {
			opt.Value = &value
		}
		c.Options = append(c.Options, opt)
	}
	spec.DNSPolicy, spec.DNSConfig = corev1.DNSNone, c
}

// DefaultDomain is the cluster domain that the private DNS' files name.
const DefaultDomain = "cluster.local"

// PrivateDNSPort is the port on which each replica of a private DNS listens,
// and each cache in front of one.
const PrivateDNSPort = 1053

// upstreamMark stands in Corefiles for the address of the DNS Service that is
// forwarded to, which the API server assigns. It is NodeLocal DNSCache's own.
const upstreamMark = "__PILLAR__CLUSTER__DNS__"

// Containers of the private DNS, by what runs in them.
const (
	CoreDNSContainer = "coredns"
	DnsmasqContainer = "dnsmasq"
)

// PrivateDNSParams is what varies in a private DNS.
type PrivateDNSParams struct {
	Owner
	Name    string // of its objects
	CoreDNS string // image; empty: the one in the files
	Dnsmasq string // image; empty: the one in the file
	Domain  string // cluster domain; empty: DefaultDomain
	Probe   Probe  // how a record writer gets its program, which is the probe's
}

// upstreamName is the name of the CoreDNS behind caches, which have the
// private DNS' own.
func (p PrivateDNSParams) upstreamName() string { return p.Name + "-upstream" }

// PrivateDNS fills in a private DNS and returns its objects in the order in
// which they are created. Its Service is called p.Name. The ClusterRole and its
// binding are named after run and name, for they live outside any namespace.
// Where a Corefile forwards to a Service, SetUpstream has to say where that is.
func PrivateDNS(dns plan.DNS, p PrivateDNSParams) ([]Object, error) {
	facts := dns.Facts()
	if facts.Objects == nil {
		return nil, fmt.Errorf("dns %q is not a private one", dns)
	}
	if err := p.check(p.Name, p.upstreamName()); err != nil {
		return nil, fmt.Errorf("private dns: %w", err)
	}
	if p.Domain == "" {
		p.Domain = DefaultDomain
	}
	if e := validation.IsDNS1123Subdomain(p.Domain); len(e) > 0 {
		return nil, fmt.Errorf("private dns: cluster domain %q: %s", p.Domain, e[0])
	}
	server := p
	if facts.Front != nil {
		server.Name = p.upstreamName()
	}
	objs, err := server.load(facts.Objects)
	if err != nil {
		return nil, err
	}
	if err := p.setProgram(facts.Flags, objs); err != nil {
		return nil, err
	}
	front, err := p.load(facts.Front)
	return append(objs, front...), err
}

// setProgram gives a record writer, which has the probe's container, its program
// and the program its flags.
func (p PrivateDNSParams) setProgram(more map[string]string, objs []Object) error {
	_, spec := PodSpec(objs[len(objs)-1])
	if spec == nil || spec.Containers[0].Name != ProbeContainer {
		return nil
	}
	flags := map[string]string{"domain": p.Domain, "selector": Owner{Run: p.Run}.Selector()}
	maps.Copy(flags, more)
	return p.Probe.set(spec, flags)
}

// load fills in the objects of some files.
func (p PrivateDNSParams) load(files []string) ([]Object, error) {
	objs, err := load("kinds/dns", files...)
	for _, obj := range objs {
		p.fill(obj)
	}
	return objs, err
}

// SetUpstream fills in, where an object is a Corefile that forwards to a DNS
// Service, that Service's address. It is an error not to know one.
func SetUpstream(obj Object, address string) error {
	cm, ok := obj.(*corev1.ConfigMap)
	if !ok || !strings.Contains(cm.Data["Corefile"], upstreamMark) {
		return nil
	}
	if address == "" {
		return fmt.Errorf("configmap %s/%s: the address of the DNS Service that it forwards to is not known", cm.Namespace,
			cm.Name)
	}
	cm.Data["Corefile"] = strings.ReplaceAll(cm.Data["Corefile"], upstreamMark, address)
	return nil
}

// clusterName returns a name for a cluster-scoped object.
func (p PrivateDNSParams) clusterName() string { return ManagedBy + ":" + p.Run + ":" + p.Name }

// fill sets what varies in one object of a private DNS.
func (p PrivateDNSParams) fill(obj Object) {
	obj.SetName(p.Name)
	app := map[string]string{"app": p.Name}
	switch obj := obj.(type) {
	case *rbacv1.RoleBinding:
		obj.RoleRef.Name, obj.Subjects[0].Name = p.Name, p.Name
	case *rbacv1.ClusterRole:
		obj.Name = p.clusterName()
	case *rbacv1.ClusterRoleBinding:
		obj.Name, obj.RoleRef.Name = p.clusterName(), p.clusterName()
		obj.Subjects[0].Name, obj.Subjects[0].Namespace = p.Name, p.Namespace
	case *corev1.ConfigMap:
		// The domain occurs as a zone and nowhere else in the Corefiles.
		obj.Data["Corefile"] = strings.ReplaceAll(obj.Data["Corefile"], DefaultDomain, p.Domain)
	case *corev1.Service:
		obj.Spec.Selector = app
	case *appsv1.Deployment:
		obj.Spec.Selector.MatchLabels = app
		p.fillPods(&obj.Spec.Template, app)
		obj.Spec.Template.Spec.ServiceAccountName = p.Name
	case *appsv1.DaemonSet:
		obj.Spec.Selector.MatchLabels = app
		p.fillPods(&obj.Spec.Template, app)
	}
	p.mark(obj)
}

// fillPods sets what varies in the pods of a private DNS.
func (p PrivateDNSParams) fillPods(t *corev1.PodTemplateSpec, app map[string]string) {
	t.Labels = app
	if len(t.Spec.Volumes) > 0 {
		t.Spec.Volumes[0].ConfigMap.Name = p.Name
	}
	if a := t.Spec.Affinity; a != nil {
		for _, t := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			t.PodAffinityTerm.LabelSelector.MatchLabels = app
		}
	}
	for i := range t.Spec.Containers {
		c := &t.Spec.Containers[i]
		switch {
		case c.Name == CoreDNSContainer && p.CoreDNS != "":
			c.Image = p.CoreDNS
		case c.Name == DnsmasqContainer && p.Dnsmasq != "":
			c.Image = p.Dnsmasq
		}
		for i, arg := range c.Args { // dnsmasq's
			c.Args[i] = strings.ReplaceAll(arg, "/"+DefaultDomain+"/", "/"+p.Domain+"/")
		}
	}
}
