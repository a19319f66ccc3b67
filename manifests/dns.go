package manifests

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"headless-job-dns/internal/experiment"
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

// PrivateDNSPort is the port on which each replica of the private DNS listens.
const PrivateDNSPort = 1053

// CoreDNSParams is what varies in a private DNS.
type CoreDNSParams struct {
	Owner
	Name   string // of its objects
	Image  string // empty: the one in private-dns.yaml
	Domain string // cluster domain; empty: DefaultDomain
}

// CoreDNS fills in the private DNS with the given Corefile and returns its
// objects in the order in which they are created. The ClusterRole and its
// binding are named after run and name, for they live outside any namespace.
func CoreDNS(corefile experiment.DNS, p CoreDNSParams) ([]Object, error) {
	if !corefile.Private() {
		return nil, fmt.Errorf("dns %q is not a private one", corefile)
	}
	if err := p.check(p.Name); err != nil {
		return nil, fmt.Errorf("private dns: %w", err)
	}
	if p.Domain == "" {
		p.Domain = DefaultDomain
	}
	if e := validation.IsDNS1123Subdomain(p.Domain); len(e) > 0 {
		return nil, fmt.Errorf("private dns: cluster domain %q: %s", p.Domain, e[0])
	}
	var objs []Object
	for _, file := range []string{"private-dns-rbac.yaml", "private-dns-" + string(corefile) + ".yaml", "private-dns-service.yaml", "private-dns.yaml"} {
		loaded, err := load(file)
		if err != nil {
			return nil, err
		}
		for _, obj := range loaded {
			p.fill(obj)
			objs = append(objs, obj)
		}
	}
	return objs, nil
}

// clusterName returns a name for a cluster-scoped object.
func (p CoreDNSParams) clusterName() string { return ManagedBy + ":" + p.Run + ":" + p.Name }

// fill sets what varies in one object of the private DNS.
func (p CoreDNSParams) fill(obj Object) {
	obj.SetName(p.Name)
	app := map[string]string{"app": p.Name}
	switch obj := obj.(type) {
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
		obj.Spec.Template.Labels = app
		spec := &obj.Spec.Template.Spec
		spec.ServiceAccountName = p.Name
		spec.Volumes[0].ConfigMap.Name = p.Name
		for _, t := range spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			t.PodAffinityTerm.LabelSelector.MatchLabels = app
		}
		if p.Image != "" {
			spec.Containers[0].Image = p.Image
		}
	}
	p.mark(obj)
}
