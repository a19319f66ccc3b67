package preflight

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// Ports of what is outside the namespace.
const (
	dnsPort = 53
	// openshiftPort is what the pods of OpenShift's DNS have behind its Service's 53.
	openshiftPort = 5353
	// An API server's Service has 443, and 6443 is kubeadm's and most others'
	// behind it, which a policy sees.
	apiPort, apiBehind = 443, 6443
)

// flow is traffic without which a plan's trials fail.
type flow struct {
	what     string
	from, to *corev1.Pod // to nil: outside the namespace
	protocol corev1.Protocol
	ports    []int32 // any of them
}

// dnsPorts are those on which the cluster's DNS may be asked, as a policy sees
// them: its pods', behind the Service, as an API server's are. A cache on the
// node is asked on 53. Where no pod of it is known it may be OpenShift's.
func (p *preflight) dnsPorts() []int32 {
	d := p.Env.DNS
	var ports []int32
	for _, replica := range slices.Concat(d.Replicas, d.NotReady) {
		if a, err := netip.ParseAddrPort(replica); err == nil {
			ports = append(ports, int32(a.Port()))
		}
	}
	switch {
	case len(ports) == 0:
		ports = []int32{dnsPort, openshiftPort}
	case d.NodeLocal:
		ports = append(ports, dnsPort)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// flows lists the plan's, as a policy sees them: behind Services.
func (p *preflight) flows() []flow {
	var list []flow
	var probe *corev1.Pod
	ports := p.dnsPorts()
	written := strings.ReplaceAll(strings.Trim(fmt.Sprint(ports), "[]"), " ", " or ")
	for _, s := range p.objects.pods {
		if s.probes {
			probe = s.pod
		}
	}
	list = append(list,
		flow{fmt.Sprintf("connects between probes (TCP %d)", manifests.ProbePort), probe, probe, corev1.ProtocolTCP, []int32{manifests.ProbePort}},
		flow{fmt.Sprintf("questions to the cluster's DNS (UDP %s)", written), probe, nil, corev1.ProtocolUDP, ports})
	reads := slices.ContainsFunc(p.report.Plan.PrivateDNS(), plan.DNS.NeedsClusterRole)
	for _, s := range p.objects.pods {
		if s.probes || kindOf(s.of) == "pod" {
			continue
		}
		list = append(list, flow{fmt.Sprintf("questions to a private DNS (UDP %d)", manifests.PrivateDNSPort), probe, s.pod, corev1.ProtocolUDP, []int32{manifests.PrivateDNSPort}})
		if reads {
			list = append(list, flow{fmt.Sprintf("a private DNS' requests to the API server (TCP %d)", apiPort), s.pod, nil, corev1.ProtocolTCP, []int32{apiPort, apiBehind}})
		} else {
			list = append(list, flow{fmt.Sprintf("what a private DNS forwards (UDP %s)", written), s.pod, nil, corev1.ProtocolUDP, ports})
		}
	}
	return list
}

// policies looks for network policies that would cut the probes off. What other
// kinds of policies do (those of a CNI's own) is not looked at.
func (p *preflight) policies() error {
	if p.Made || !p.may(grant(p.Namespace, "networking.k8s.io", "networkpolicies", "list")) {
		return nil
	}
	list, err := p.Client.Kube.NetworkingV1().NetworkPolicies(p.Namespace).List(p.ctx, metav1.ListOptions{})
	if err != nil {
		p.say(environment.Untold, "network policies", "those of namespace %s could not be listed (%s): whether one cuts the probes off is not known beforehand", p.Namespace, reason(err))
		return nil
	}
	var cut, by []string
	for _, f := range p.flows() {
		names := p.cuts(list.Items, f)
		if len(names) > 0 && !slices.Contains(cut, f.what) {
			cut = append(cut, f.what)
		}
		for _, n := range names {
			if !slices.Contains(by, n) {
				by = append(by, n)
			}
		}
	}
	switch {
	case len(cut) > 0:
		slices.Sort(by)
		p.say(environment.Warning, "network policies", "%s of namespace %s cut off: %s; add a policy that allows them for pods with the label %s=%s, or name another namespace with -n",
			strings.Join(by, ", "), p.Namespace, strings.Join(cut, ", "), manifests.LabelManagedBy, manifests.ManagedBy)
	case len(list.Items) > 0:
		p.say(environment.Met, "network policies", "the namespace's (%d) let the probes through", len(list.Items))
	}
	return nil
}

// cuts returns the policies that together do not let a flow pass. Policies add
// up: one that allows it is enough, on either side.
func (p *preflight) cuts(all []networkingv1.NetworkPolicy, f flow) []string {
	var names []string
	side := func(pod *corev1.Pod, kind networkingv1.PolicyType, passes func(networkingv1.NetworkPolicySpec) bool) {
		var closed []string
		for _, n := range all {
			if pod == nil || !selects(&n.Spec.PodSelector, pod.Labels) || !governs(n.Spec, kind) {
				continue
			}
			if passes(n.Spec) {
				return
			}
			closed = append(closed, n.Name)
		}
		names = append(names, closed...)
	}
	side(f.from, networkingv1.PolicyTypeEgress, func(s networkingv1.NetworkPolicySpec) bool {
		return slices.ContainsFunc(s.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			return opens(r.Ports, f) && p.reaches(r.To, f.to)
		})
	})
	side(f.to, networkingv1.PolicyTypeIngress, func(s networkingv1.NetworkPolicySpec) bool {
		return slices.ContainsFunc(s.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return opens(r.Ports, f) && p.reaches(r.From, f.from)
		})
	})
	return names
}

// governs tells whether a policy is of a kind. One that does not say is for
// ingress, and for egress where it has such rules.
func governs(s networkingv1.NetworkPolicySpec, kind networkingv1.PolicyType) bool {
	if len(s.PolicyTypes) > 0 {
		return slices.Contains(s.PolicyTypes, kind)
	}
	return kind == networkingv1.PolicyTypeIngress || len(s.Egress) > 0
}

func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

// reaches tells whether a rule's peers may include a pod of the namespace, or,
// for nil, something outside it. What depends on addresses or on labels that
// are not known counts as included.
func (p *preflight) reaches(peers []networkingv1.NetworkPolicyPeer, pod *corev1.Pod) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		switch {
		case peer.IPBlock != nil:
			return true
		case pod == nil:
			return peer.NamespaceSelector != nil
		case peer.NamespaceSelector != nil && p.labels != nil:
			own := maps.Clone(p.labels)
			own[corev1.LabelMetadataName] = p.Namespace
			if !selects(peer.NamespaceSelector, own) {
				return false
			}
		}
		return peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)
	})
}

// opens tells whether a rule's ports include one of the flow's.
func opens(ports []networkingv1.NetworkPolicyPort, f flow) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if protocol != f.protocol {
			return false
		}
		return port.Port == nil || slices.ContainsFunc(f.ports, func(want int32) bool {
			if name := port.Port.StrVal; name != "" {
				return f.to == nil || named(f.to, name) == want
			}
			first := port.Port.IntVal
			last := first
			if port.EndPort != nil {
				last = *port.EndPort
			}
			return first <= want && want <= last
		})
	})
}

// named returns the port that a pod calls so; 0: none.
func named(pod *corev1.Pod, name string) int32 {
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return port.ContainerPort
			}
		}
	}
	return 0
}
