package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// dns says what serves the cluster's names, as far as the environment shows it.
func (p *preflight) dns() error {
	d := p.Env.DNS
	state, text := environment.Met, d.Provider
	switch {
	case d.Provider == environment.Outside:
		state, text = environment.Untold, "it does not run in pods of this cluster, so that the API shows neither which it "+
			"is nor how it is configured ("+strings.Join(d.Evidence, "; ")+")"
	case d.Provider == environment.Unknown && len(d.Evidence) > 0:
		state, text = environment.Untold, "the provider is not known ("+strings.Join(d.Evidence, "; ")+")"
	case d.Provider == environment.Unknown:
		state, text = environment.Untold, "the provider is not known"
	}
	if d.NodeLocal {
		text += " behind a cache on each node"
	}
	switch n := len(d.Replicas); {
	case n == 1:
		text += ", 1 ready replica"
	case n > 1:
		text += fmt.Sprintf(", %d ready replicas", n)
	}
	switch {
	case len(d.Replicas) > 0 && len(d.NotReady) > 0:
		text += fmt.Sprintf(" and %d not ready", len(d.NotReady))
	case len(d.NotReady) > 0:
		state = environment.Warning
		text += fmt.Sprintf(", none of %d replicas ready", len(d.NotReady))
		if in, _, found := strings.Cut(d.Service, "/"); found {
			text += ": `kubectl get pods -n " + in + "` says more"
		}
	}
	if state == environment.Met || state == environment.Untold {
		text += "; how it caches a pod finds out"
	}
	p.say(state, "dns", "%s", cluster.OneLine(text))
	asked := slices.ContainsFunc(p.report.Plan.Arms, func(a plan.Arm) bool {
		return a.DNS == plan.ClusterDNS && a.Observer == record.PeersServer
	})
	if asked && d.Provider != environment.CoreDNS {
		p.say(environment.Untold, "dns", "observer %s asks the cluster's servers past their caches, which works with "+
			"CoreDNS; the probes check it, and without it their server's time is missing", record.PeersServer)
	}
	return nil
}

// policies lists the namespace's network policies. What they let through is not
// judged: a DNS on the node has no pods that a policy could select, and a network
// may enforce none of them.
func (p *preflight) policies() error {
	if p.Made || !p.may(grant(p.Namespace, "networking.k8s.io", "networkpolicies", "list")) {
		return nil
	}
	list, err := p.Client.Kube.NetworkingV1().NetworkPolicies(p.Namespace).List(p.ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return nil
	}
	var names []string
	for _, policy := range list.Items {
		names = append(names, policy.Name)
	}
	p.say(environment.Untold, "network policies", "%s; whether they let DNS and port %d through shows in the trials",
		cluster.OneLine(strings.Join(names, ", ")), manifests.ProbePort)
	return nil
}

// addresses says of which family the pods and their records are. A headless
// Service that does not choose has the cluster's first family only, and so have
// the names of its pods.
func (p *preflight) addresses() error {
	families := p.families
	how := "by dry run"
	if len(families) == 0 {
		how = "as the DNS Service's address is"
		for _, ip := range p.Env.DNS.ClusterIPs[:min(1, len(p.Env.DNS.ClusterIPs))] {
			families = append(families, family(ip))
		}
	}
	both := slices.ContainsFunc(p.Env.DNS.Replicas, func(r string) bool { return familyOf(r) == v4 }) &&
		slices.ContainsFunc(p.Env.DNS.Replicas, func(r string) bool { return familyOf(r) == v6 }) ||
		len(p.Env.DNS.ClusterIPs) > 1
	switch {
	case len(families) == 0 || families[0] == "":
		p.say(environment.Untold, "addresses", "their family is not known beforehand; peers ask for those that their pods "+
			"have, solo for the first")
	case len(families) > 1 || both:
		p.say(environment.Met, "addresses", "dual-stack; the headless Service has %s (%s), so that its names have %s; "+
			"peers ask for both, solo for %s",
			strings.Join(families, " and "), how, types(families), types(families[:1]))
	default:
		p.say(environment.Met, "addresses", "%s (%s); %s is asked for", families[0], how, types(families))
	}
	return nil
}

// The families, as Services name them.
const (
	v4 = string(corev1.IPv4Protocol)
	v6 = string(corev1.IPv6Protocol)
)

func family(ip string) string {
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return ""
	case addr.Unmap().Is4():
		return v4
	}
	return v6
}

func familyOf(hostport string) string {
	a, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return ""
	}
	return family(a.Addr().String())
}

// types are the records that hold addresses of the families.
func types(families []string) string {
	var list []string
	for _, f := range families {
		if f == v6 {
			list = append(list, "AAAA")
		} else {
			list = append(list, "A")
		}
	}
	return strings.Join(list, " and ")
}
