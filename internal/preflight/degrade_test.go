package preflight

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// TestDegradations: what is missing takes arms out of the plan.
func TestDegradations(t *testing.T) {
	const stands = "this user may not create all that a private DNS consists of (clusterroles (create) cluster-wide): forwarding stands in for cache-30, which adds caching to the cluster's own DNS and cannot remove any"
	const grants = " (manifests/rbac-cluster.yaml is what a cluster admin may grant)"
	all := func(dns ...plan.DNS) plan.Options {
		return with(onCluster, func(o *plan.Options) { o.DNS = dns })
	}
	for name, tc := range map[string]struct {
		options plan.Options
		deny    string // comma-separated
		refuse  func(o manifests.Object) error
		dns     []plan.DNS // private ones that are left
		arms    int        // all that are left
		want    string
	}{
		"forwarding stands in": {options: all(plan.Cache30), deny: "create clusterroles", dns: []plan.DNS{plan.Forwarding}, arms: 1, want: stands + grants},
		"and others go": {options: all(plan.ClusterDNS, plan.Cache30, plan.Uncached, plan.NodeLocalCache30), deny: "create clusterroles",
			dns: []plan.DNS{plan.Forwarding}, arms: 2, want: stands + "; arms with uncached, nodelocal-cache-30 are left out" + grants},
		"the cluster's own stays": {options: all(plan.ClusterDNS, plan.Uncached), deny: "create clusterroles,list clusterrolebindings", arms: 1,
			want: "this user may not create all that a private DNS consists of (clusterroles (create), clusterrolebindings (list) cluster-wide); arms with uncached are left out" + grants},
		"nobody grants what he has not": {options: all(plan.Cache30), dns: []plan.DNS{plan.Forwarding}, arms: 1,
			refuse: func(o manifests.Object) error {
				if _, role := o.(*rbacv1.ClusterRole); role {
					return forbidden("clusterroles", `user "u" is attempting to grant RBAC permissions not currently held`)
				}
				return nil
			},
			want: strings.Replace(stands, "clusterroles (create) cluster-wide", "creating a clusterrole is forbidden", 1) + grants},
		"no private DNS at all": {options: all(plan.ClusterDNS, plan.Cache30), deny: "create deployments demo", arms: 1,
			want: "this user may not create all that a private DNS consists of (deployments (create)); arms with cache-30 are left out" + grants},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options)
			if tc.deny != "" {
				w.deny = strings.Split(tc.deny, ",")
			}
			w.refuse = tc.refuse
			r, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			require.True(t, r.Changed)
			require.NoError(t, plan.Check(r.Plan))
			require.Equal(t, tc.dns, r.Plan.PrivateDNS())
			require.Len(t, r.Plan.Arms, tc.arms)
			i := slices.IndexFunc(r.Conditions, func(c environment.Condition) bool { return c.State == environment.Degraded })
			require.Equal(t, tc.want, r.Conditions[i].Text)
			require.NotContains(t, r.Conditions[i].Text, `"u"`, "reports are published")
		})
	}
}

// TestWarnings: the plan is tried, and what may spoil it or could not be told is
// said.
func TestWarnings(t *testing.T) {
	hidden := func(verb, resource string, err error) func(t *testing.T, w *world) {
		return func(_ *testing.T, w *world) {
			w.kube.PrependReactor(verb, resource, func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, err })
		}
	}
	away := apierrors.NewTimeoutError("the server was unable to return a response in the time allotted", 1)
	for name, tc := range map[string]struct {
		options plan.Options
		change  func(t *testing.T, w *world)
		want    []string // conditions that are not ok
	}{
		"rights cannot be asked for": {onCluster, func(_ *testing.T, w *world) {
			w.kube.PrependReactor("create", "selfsubjectaccessreviews", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, away })
		}, []string{"unknown   rights: this user's rights could not be asked for (\"Timeout: the server was unable to return a response in the time allotted\"); what is missing shows when it is tried"}},
		"a namespace admin": {onCluster, func(_ *testing.T, w *world) {
			w.deny = []string{"list nodes", "list pods", "get namespaces kube-system",
				"get configmaps kube-system", "get services kube-system", "list services kube-system", "list pods kube-system", "list daemonsets kube-system", "list endpointslices kube-system"}
			w.s.Env.NodeCount, w.s.Env.DNS = 0, environment.DNS{Provider: environment.Unknown}
			w.admit = func(o manifests.Object) {
				if svc, ok := o.(*corev1.Service); ok {
					svc.Spec.IPFamilies = nil
				}
			}
		}, []string{
			"unknown   nodes: this user lacks nodes (list) cluster-wide: whether the pods fit, and on how many nodes, is not known beforehand (manifests/rbac-cluster.yaml grants it)",
			"unknown   room: this user lacks pods (list) cluster-wide: how much of the nodes is taken is not known beforehand (manifests/rbac-cluster.yaml grants it)",
			"unknown   environment: this user lacks namespaces (get), configmaps (get), services (get, list), pods (list), daemonsets (list), endpointslices (list) in kube-system: the report describes the cluster's DNS and network as far as its pods see them (manifests/rbac-cluster.yaml grants it)",
			"unknown   dns: the provider is not known; how it caches a pod finds out",
			"unknown   addresses: their family is not known beforehand; peers ask for those that their pods have, solo for the first",
		}},
		"nothing beforehand": {onCluster, func(_ *testing.T, w *world) {
			w.deny = []string{"get namespaces demo", "list resourcequotas demo", "list networkpolicies demo"}
		}, []string{
			"unknown   pod security: this user lacks namespaces (get): which Pod Security level it enforces is not known; the pods meet every level (manifests/rbac.yaml grants it)",
			"unknown   quota: this user lacks resourcequotas (list): whether its quotas leave room for the pods is not known beforehand (manifests/rbac.yaml grants it)",
			"unknown   network policies: this user lacks networkpolicies (list): whether one cuts the probes off is not known beforehand (manifests/rbac.yaml grants it)",
		}},
		"namespace unread": {onCluster, hidden("get", "namespaces", away),
			[]string{`unknown   namespace: namespace demo could not be read ("Timeout: the server was unable to return a response in the time allotted"); it is used as it is`}},
		"nodes unread": {onCluster, hidden("list", "nodes", away),
			[]string{`unknown   capacity: the nodes could not be listed ("Timeout: the server was unable to return a response in the time allotted"): whether the pods fit is not known beforehand`}},
		"pods unread": {onCluster, hidden("list", "pods", forbidden("pods", `User "u" cannot list`)),
			[]string{`unknown   capacity: 2 nodes take pods (amd64); the pods on them could not be listed (this user may not); the 5 pods that are there at a time would fit if nothing else ran, the probes on 2 nodes`}},
		"quotas unread": {onCluster, hidden("list", "resourcequotas", away),
			[]string{`unknown   quota: the quotas of namespace demo could not be listed ("Timeout: the server was unable to return a response in the time allotted"): whether they leave room is not known beforehand`}},
		"policies unread": {onCluster, hidden("list", "networkpolicies", away),
			[]string{`unknown   network policies: those of namespace demo could not be listed ("Timeout: the server was unable to return a response in the time allotted"): whether one cuts the probes off is not known beforehand`}},
		"no dry runs": {onCluster, func(_ *testing.T, w *world) {
			w.refuse = func(o manifests.Object) error {
				if _, pod := o.(*corev1.Pod); pod {
					return apierrors.NewBadRequest(`admission webhook "old.example.com" does not support dry run`)
				}
				return nil
			}
		}, []string{`unknown   admission: whether a pod of job demo/lag-abc-t001 is admitted is not known beforehand: "admission webhook \"old.example.com\" does not support dry run"`}},
		"no right to try a pod": {onCluster, func(_ *testing.T, w *world) {
			w.refuse = func(o manifests.Object) error {
				if _, pod := o.(*corev1.Pod); pod {
					return forbidden("pods", `User "u" cannot create resource "pods" in API group "" in the namespace "demo"`)
				}
				return nil
			}
		}, []string{`unknown   admission: whether a pod of job demo/lag-abc-t001 is admitted is not known beforehand: this user may not try it`}},
		"name taken": {onCluster, func(_ *testing.T, w *world) {
			w.refuse = func(o manifests.Object) error {
				return apierrors.NewAlreadyExists(rbacv1.Resource("pods"), o.GetName())
			}
			require.NoError(t, w.kube.CoreV1().Nodes().Delete(t.Context(), "n2", metav1.DeleteOptions{}))
		}, []string{"warning   capacity: 1 node takes pods (amd64); the 5 pods that are there at a time fit: the probes share one node, and no packet between nodes is measured"}},
		"nodes to come": {onCluster, func(t *testing.T, w *world) {
			w.s.Grows = true
			for _, name := range []string{"n1", "n2"} {
				small := aNode(name, func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("2") })
				_, err := w.kube.CoreV1().Nodes().Update(t.Context(), small, metav1.UpdateOptions{})
				require.NoError(t, err)
			}
		}, []string{"warning   capacity: 5 pods are there at a time with what stands beside the probes, and the nodes have room for 4 of them (short of pods): the others wait for nodes to be added"}},
		"no nodes yet": {onCluster, func(t *testing.T, w *world) {
			w.s.Grows = true
			for _, name := range []string{"n1", "n2"} {
				require.NoError(t, w.kube.CoreV1().Nodes().Delete(t.Context(), name, metav1.DeleteOptions{}))
			}
		}, []string{"warning   capacity: the cluster has no node: the pods wait for nodes to be added"}},
		"sidecar": {onCluster, func(_ *testing.T, w *world) {
			w.admit = func(o manifests.Object) {
				if pod, ok := o.(*corev1.Pod); ok {
					pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "istio-init"})
					pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "istio-proxy"})
				}
			}
		}, []string{"warning   admission: the cluster adds containers to the pods (istio-init, istio-proxy): connects may end in one of them instead of in the probe, and what they delay counts; switch that off for the namespace, or name another namespace with -n"}},
		"no right to see other pods": {onCluster, func(_ *testing.T, w *world) { w.deny = []string{"list pods"} }, []string{
			"unknown   room: this user lacks pods (list) cluster-wide: how much of the nodes is taken is not known beforehand (manifests/rbac-cluster.yaml grants it)"}},
		"room on one of the nodes only": {onCluster, func(t *testing.T, w *world) {
			_, err := w.kube.CoreV1().Nodes().Update(t.Context(), aNode("n2", func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("0") }), metav1.UpdateOptions{})
			require.NoError(t, err)
		}, []string{"warning   capacity: 2 nodes take pods (amd64); the 5 pods that are there at a time fit: the probes share one node, and no packet between nodes is measured"}},
		"one node": {onCluster, func(t *testing.T, w *world) {
			require.NoError(t, w.kube.CoreV1().Nodes().Delete(t.Context(), "n2", metav1.DeleteOptions{}))
		}, []string{"warning   capacity: 1 node takes pods (amd64); the 5 pods that are there at a time fit: the probes share one node, and no packet between nodes is measured"}},
		"no replica of the DNS": {onCluster, func(_ *testing.T, w *world) {
			w.s.Env.DNS.NotReady, w.s.Env.DNS.Replicas = w.s.Env.DNS.Replicas, nil
		}, []string{"warning   dns: CoreDNS, none of 2 replicas ready: `kubectl get pods -n kube-system` says more"}},
		"kube-dns, asked past its cache": {with(onCluster, func(o *plan.Options) { o.Observers = []record.Observer{record.PeersServer} }), func(_ *testing.T, w *world) {
			w.s.Env.DNS = environment.DNS{Provider: environment.KubeDNS, NodeLocal: true, ClusterIPs: []string{"10.0.0.10"}, Replicas: []string{"10.1.0.2:53"}}
		}, []string{"unknown   dns: observer peers+server asks the cluster's servers past their caches, which works with CoreDNS; the probes check it, and without it their server's time is missing"}},
		"no version": {onCluster, func(_ *testing.T, w *world) { w.s.Env.Server.GitVersion = environment.Unknown },
			[]string{`unknown   version: the API server answers and calls its version "unknown", from which nothing follows`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options)
			tc.change(t, w)
			r, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			require.Equal(t, w.s.Plan, r.Plan)
			var got []string
			for _, l := range lines(r) {
				if !strings.HasPrefix(l, "ok ") {
					got = append(got, l)
				}
			}
			require.Equal(t, tc.want, got)
			require.NotContains(t, strings.Join(got, "\n"), `"u"`, "reports are published")
		})
	}
}

// TestWaitsForTheDefaultAccount of a namespace that was just made.
func TestWaitsForTheDefaultAccount(t *testing.T) {
	w := theWorld(t, onCluster)
	w.make(t)
	tries := 0
	w.refuse = func(o manifests.Object) error {
		if _, pod := o.(*corev1.Pod); pod {
			if tries++; tries < 3 {
				return forbidden("pods", `error looking up service account demo/default: serviceaccount "default" not found`)
			}
		}
		return nil
	}
	r, err := Admit(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, 3, tries)
	require.Len(t, r.Conditions, 1)
}

// TestWhatANewNamespaceIsGiven: some clusters put quotas and policies into each.
func TestWhatANewNamespaceIsGiven(t *testing.T) {
	w := theWorld(t, onCluster, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "default-deny", Namespace: "demo"},
		Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}})
	w.make(t)
	r, err := Admit(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, []string{
		"ok        admission: dry runs of what the plan creates were admitted (4)",
		"warning   network policies: default-deny of namespace demo cut off: connects between probes (TCP 8050); add a policy that allows them for pods with the label app.kubernetes.io/managed-by=headless-job-dns, or name another namespace with -n",
	}, lines(r))

	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "given", Namespace: "demo"}}
	q.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4")}
	q.Status.Hard = q.Spec.Hard
	w = theWorld(t, onCluster, q)
	w.make(t)
	_, err = Admit(t.Context(), w.s)
	require.EqualError(t, err, "ResourceQuota demo/given has 4 left for pods (0 of 4 are used), and the plan needs 5 at a time; accepted: --pods 4 or fewer, a larger quota, or another namespace with -n")
}

// TestPodsAreTriedAsTheirControllersMakeThem: policies look at labels and owners.
func TestPodsAreTriedAsTheirControllersMakeThem(t *testing.T) {
	w := theWorld(t, plan.Options{})
	owners := map[string]string{}
	w.admit = func(o manifests.Object) {
		if pod, ok := o.(*corev1.Pod); ok {
			require.Equal(t, "abc", pod.Labels[manifests.LabelRun])
			require.Empty(t, pod.Spec.ServiceAccountName)
			owner := metav1.GetControllerOf(pod)
			require.NotNil(t, owner, pod.Name)
			owners[pod.Name] = owner.Kind
		}
	}
	_, err := Run(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"lag-abc-t001": "Job", "dns-cache-30": "ReplicaSet", "dns-uncached": "ReplicaSet"}, owners)
}

func TestDNSAndAddresses(t *testing.T) {
	for name, tc := range map[string]struct {
		dns      environment.DNS
		families []corev1.IPFamily // of the headless Service, by dry run
		want     []string
	}{
		"kube-dns": {environment.DNS{Provider: environment.KubeDNS, Replicas: []string{"10.1.0.2:53"}}, []corev1.IPFamily{"IPv4"},
			[]string{"ok        dns: kube-dns, 1 ready replica; how it caches a pod finds out",
				"ok        addresses: IPv4 (by dry run); A is asked for"}},
		"not known": {environment.DNS{Provider: environment.Unknown, Evidence: []string{"no pod stands behind Service kube-system/kube-dns"}}, []corev1.IPFamily{"IPv4"},
			[]string{"unknown   dns: the provider is not known (no pod stands behind Service kube-system/kube-dns); how it caches a pod finds out",
				"ok        addresses: IPv4 (by dry run); A is asked for"}},
		"a cloud's": {environment.DNS{Provider: environment.Outside, Evidence: []string{"Service kube-system/kube-dns has no selector: its DNS does not run in pods of this cluster"}, ClusterIPs: []string{"10.0.0.10"}}, nil,
			[]string{"unknown   dns: it does not run in pods of this cluster, so that the API shows neither which it is nor how it is configured (Service kube-system/kube-dns has no selector: its DNS does not run in pods of this cluster); how it caches a pod finds out",
				"ok        addresses: IPv4 (as the DNS Service's address is); A is asked for"}},
		"kubeadm's since 1.32": {environment.DNS{Provider: environment.CoreDNS, Replicas: []string{"10.1.0.2:53"}}, []corev1.IPFamily{"IPv4"},
			[]string{"ok        dns: CoreDNS, 1 ready replica; how it caches a pod finds out",
				"ok        addresses: IPv4 (by dry run); A is asked for"}},
		"one that is not ready": {environment.DNS{Provider: environment.CoreDNS, Replicas: []string{"10.1.0.2:53"}, NotReady: []string{"10.1.0.3:53"}}, []corev1.IPFamily{"IPv4"},
			[]string{"ok        dns: CoreDNS, 1 ready replica and 1 not ready; how it caches a pod finds out",
				"ok        addresses: IPv4 (by dry run); A is asked for"}},
		"NodeLocal": {environment.DNS{Provider: environment.CoreDNS, NodeLocal: true, Replicas: []string{"10.1.0.2:53"}}, []corev1.IPFamily{"IPv4"},
			[]string{"ok        dns: CoreDNS behind a cache on each node, 1 ready replica; how it caches a pod finds out",
				"ok        addresses: IPv4 (by dry run); A is asked for"}},
		"IPv6 only": {environment.DNS{Provider: environment.CoreDNS, ClusterIPs: []string{"fd00:10:96::a"}, Replicas: []string{"[fd00:10:244::2]:53"}}, []corev1.IPFamily{"IPv6"},
			[]string{"ok        dns: CoreDNS, 1 ready replica; how it caches a pod finds out",
				"ok        addresses: IPv6 (by dry run); AAAA is asked for"}},
		"dual-stack, IPv4 first": {environment.DNS{Provider: environment.CoreDNS, ClusterIPs: []string{"10.96.0.10", "fd00:10:96::a"}}, []corev1.IPFamily{"IPv4"},
			[]string{"ok        dns: CoreDNS; how it caches a pod finds out",
				"ok        addresses: dual-stack; the headless Service has IPv4 (by dry run), so that its names have A; peers ask for both, solo for A"}},
		"dual-stack, IPv6 first": {environment.DNS{Provider: environment.CoreDNS, Replicas: []string{"10.1.0.2:53", "[fd00::2]:53"}}, []corev1.IPFamily{"IPv6"},
			[]string{"ok        dns: CoreDNS, 2 ready replicas; how it caches a pod finds out",
				"ok        addresses: dual-stack; the headless Service has IPv6 (by dry run), so that its names have AAAA; peers ask for both, solo for AAAA"}},
		"dual-stack Service": {environment.DNS{Provider: environment.CoreDNS}, []corev1.IPFamily{"IPv4", "IPv6"},
			[]string{"ok        dns: CoreDNS; how it caches a pod finds out",
				"ok        addresses: dual-stack; the headless Service has IPv4 and IPv6 (by dry run), so that its names have A and AAAA; peers ask for both, solo for A"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, onCluster)
			w.s.Env.DNS = tc.dns
			w.admit = func(o manifests.Object) {
				if svc, ok := o.(*corev1.Service); ok {
					svc.Spec.IPFamilies = tc.families
				}
			}
			r, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			require.Equal(t, tc.want, slices.DeleteFunc(lines(r), func(l string) bool {
				return !strings.Contains(l, " dns: ") && !strings.Contains(l, " addresses: ")
			}))
		})
	}
}

func TestNetworkPolicies(t *testing.T) {
	policy := func(name string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
		return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "demo"}, Spec: spec}
	}
	in, out := networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	port := func(protocol corev1.Protocol, p any) networkingv1.NetworkPolicyPort {
		np := networkingv1.NetworkPolicyPort{Protocol: &protocol}
		switch p := p.(type) {
		case int:
			v := intstr.FromInt32(int32(p))
			np.Port = &v
		case string:
			v := intstr.FromString(p)
			np.Port = &v
		}
		return np
	}
	from := func(peers []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicyIngressRule {
		return networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports}
	}
	to := func(peers []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicyEgressRule {
		return networkingv1.NetworkPolicyEgressRule{To: peers, Ports: ports}
	}
	pods := func(labels map[string]string) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}}
	}
	spaces := func(labels map[string]string) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: labels}}}
	}
	denyAll := policy("default-deny", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{in, out}})
	tcp, udp := corev1.ProtocolTCP, corev1.ProtocolUDP
	last := port(tcp, 8000)
	last.EndPort = new(int32)
	*last.EndPort = 9000
	const (
		fix      = "; add a policy that allows them for pods with the label app.kubernetes.io/managed-by=headless-job-dns, or name another namespace with -n"
		connects = "connects between probes (TCP 8050)"
		cluster  = "questions to the cluster's DNS (UDP 53)"
		private  = "questions to a private DNS (UDP 1053)"
		api      = "a private DNS' requests to the API server (TCP 443)"
	)
	openshift := func(d *environment.DNS) { d.Replicas = []string{"10.1.0.2:5353", "[fd00::3]:5353"} }
	nodeLocal := func(d *environment.DNS) { openshift(d); d.NodeLocal = true }
	notReady := func(d *environment.DNS) { d.Replicas, d.NotReady = nil, []string{"10.1.0.2:5353"} }
	unseen := func(d *environment.DNS) { *d = environment.DNS{Provider: environment.Unknown} }
	only := func(ports ...networkingv1.NetworkPolicyPort) []runtime.Object {
		return []runtime.Object{policy("dns", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{out},
			Egress: []networkingv1.NetworkPolicyEgressRule{to(nil, ports...), to(nil, port(tcp, nil)), to(nil, port(udp, 1053))}})}
	}
	for name, tc := range map[string]struct {
		options  plan.Options
		policies []runtime.Object
		by, cut  string                   // empty: all pass
		dns      func(d *environment.DNS) // changes the cluster's
	}{
		"deny all": {onCluster, []runtime.Object{denyAll}, "default-deny", connects + ", " + cluster, nil},
		"deny all, private DNS": {with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.Cache30} }), []runtime.Object{denyAll},
			"default-deny", connects + ", " + cluster + ", " + private + ", " + api, nil},
		"deny all, forwarding": {with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.Forwarding} }), []runtime.Object{denyAll},
			"default-deny", connects + ", " + cluster + ", " + private + ", what a private DNS forwards (UDP 53)", nil},
		"other pods": {onCluster, []runtime.Object{policy("theirs", networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}})}, "", "", nil},
		"ingress from elsewhere only": {onCluster, []runtime.Object{policy("from-web", networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{
			from(pods(map[string]string{"app": "web"})), from(spaces(map[string]string{"team": "b"})), from(nil, port(tcp, 80)), from(nil, port(udp, 8050))}})}, "from-web", connects, nil},
		"another allows": {onCluster, []runtime.Object{denyAll,
			policy("ours", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{in, out},
				Ingress: []networkingv1.NetworkPolicyIngressRule{from(pods(map[string]string{manifests.LabelManagedBy: manifests.ManagedBy}), port(tcp, 8050))},
				Egress:  []networkingv1.NetworkPolicyEgressRule{to(pods(nil), last), to(spaces(map[string]string{"kubernetes.io/metadata.name": "kube-system"}), port(udp, 53))}})}, "", "", nil},
		"DNS only over TCP": {onCluster, []runtime.Object{policy("egress", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{out},
			Egress: []networkingv1.NetworkPolicyEgressRule{to(nil, port(tcp, 53)), to(pods(nil))}})}, "egress", cluster, nil},
		"own namespace by label": {onCluster, []runtime.Object{policy("own", networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{
			from(spaces(map[string]string{"kubernetes.io/metadata.name": "demo"}))}})}, "", "", nil},
		"addresses that may be ours": {onCluster, []runtime.Object{policy("blocks", networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{
			from([]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}}})}})}, "", "", nil},
		// A policy sees what is behind a Service: 53 is not the port of a private DNS.
		"port 53 for a private DNS": {with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.Forwarding} }), []runtime.Object{
			policy("dns", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{out},
				Egress: []networkingv1.NetworkPolicyEgressRule{to(nil, port(udp, 53)), to(nil, port(tcp, nil))}})}, "dns", private, nil},
		// And so is 5353 that of OpenShift's DNS; a node's cache is asked on 53.
		"port 53 on OpenShift":                {onCluster, only(port(udp, 53)), "dns", "questions to the cluster's DNS (UDP 5353)", openshift},
		"port 5353 on OpenShift":              {onCluster, only(port(udp, 5353)), "", "", openshift},
		"port 5353 on OpenShift, forwarding":  {with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.Forwarding} }), only(port(udp, 53)), "dns", "questions to the cluster's DNS (UDP 5353), what a private DNS forwards (UDP 5353)", openshift},
		"port 5353, replicas are not ready":   {onCluster, only(port(udp, 53)), "dns", "questions to the cluster's DNS (UDP 5353)", notReady},
		"port 53 with a cache on each node":   {onCluster, only(port(udp, 53)), "", "", nodeLocal},
		"port 5353 with a cache on each node": {onCluster, only(port(udp, 5353)), "", "", nodeLocal},
		"neither with a cache on each node":   {onCluster, only(port(udp, 54)), "dns", "questions to the cluster's DNS (UDP 53 or 5353)", nodeLocal},
		"port 53 of a DNS that is not seen":   {onCluster, only(port(udp, 53)), "", "", unseen},
		"port 5353 of a DNS that is not seen": {onCluster, only(port(udp, 5353)), "", "", unseen},
		"neither of a DNS that is not seen":   {onCluster, only(port(udp, 54)), "dns", "questions to the cluster's DNS (UDP 53 or 5353)", unseen},
		"its named port": {with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.Forwarding} }), []runtime.Object{
			policy("dns", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{out},
				Egress: []networkingv1.NetworkPolicyEgressRule{to(nil, port(udp, "dns")), to(nil, port(tcp, nil))}})}, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options, tc.policies...)
			if tc.dns != nil {
				tc.dns(&w.s.Env.DNS)
			}
			r, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			got := r.Conditions[len(r.Conditions)-1]
			require.Equal(t, "network policies", got.Of)
			if tc.cut == "" {
				require.Equal(t, environment.Met, got.State, got.Text)
				return
			}
			require.Equal(t, environment.Warning, got.State, got.Text)
			require.Equal(t, tc.by+" of namespace demo cut off: "+tc.cut+fix, got.Text)
		})
	}
}

func TestRequests(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	c := func(cpu, memory string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}}}
	}
	stays := c("50m", "10")
	stays.RestartPolicy = &always
	for name, tc := range map[string]struct {
		spec corev1.PodSpec
		want amounts
	}{
		"none":              {corev1.PodSpec{}, amounts{1, 0, 0}},
		"two":               {corev1.PodSpec{Containers: []corev1.Container{c("10m", "5"), c("20m", "7")}}, amounts{1, 30, 12}},
		"init is larger":    {corev1.PodSpec{InitContainers: []corev1.Container{c("100m", "1")}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 100, 5}},
		"sidecar":           {corev1.PodSpec{InitContainers: []corev1.Container{stays}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 60, 15}},
		"init after it":     {corev1.PodSpec{InitContainers: []corev1.Container{stays, c("100m", "1")}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 150, 15}},
		"init before it":    {corev1.PodSpec{InitContainers: []corev1.Container{c("100m", "1"), stays}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 100, 15}},
		"as a whole":        {corev1.PodSpec{Resources: &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 1000, 5}},
		"overhead included": {corev1.PodSpec{Overhead: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}, Containers: []corev1.Container{c("10m", "5")}}, amounts{1, 260, 5}},
	} {
		require.Equal(t, tc.want, requests(&tc.spec), name)
	}
}

// TestTextsOfTheClusterAreBounded: a webhook may say anything.
func TestTextsOfTheClusterAreBounded(t *testing.T) {
	state, text := verdict(apierrors.NewForbidden(rbacv1.Resource("pods"), "p", errors.New("\x1b[2J"+strings.Repeat("x", 5000))))
	require.Equal(t, environment.Refused, state)
	require.NotContains(t, text, "\x1b")
	require.Less(t, len(text), 400)
}
