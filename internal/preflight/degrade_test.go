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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// TestDegradations: what is missing takes arms out of the plan.
func TestDegradations(t *testing.T) {
	const grants = " (manifests/rbac-cluster.yaml is what a cluster admin may grant)"
	all := func(dns ...plan.DNS) plan.Levels {
		return with(onCluster, plan.Levels{"dns": strings.ReplaceAll(plan.Join(dns), " ", "")})
	}
	for name, tc := range map[string]struct {
		options plan.Levels
		deny    string // comma-separated
		refuse  func(o manifests.Object) error
		dns     []plan.DNS // private ones that are left
		arms    int        // all that are left
		want    string
	}{
		"controls fall away": {options: all(plan.ClusterDNS, plan.Cache30, plan.Uncached), deny: "create clusterroles", arms: 1,
			want: "this user may not create all that a private DNS consists of (clusterroles (create) cluster-wide); arms with cache-30, uncached are left out" + grants},
		"the cluster's own stays": {options: all(plan.ClusterDNS, plan.Uncached), deny: "create clusterroles,list clusterrolebindings", arms: 1,
			want: "this user may not create all that a private DNS consists of (clusterroles (create), clusterrolebindings (list) cluster-wide); arms with uncached are left out" + grants},
		"nobody grants what he has not": {options: all(plan.Cache30, plan.Forwarding), dns: []plan.DNS{plan.Forwarding}, arms: 1,
			refuse: func(o manifests.Object) error {
				if _, role := o.(*rbacv1.ClusterRole); role {
					return forbidden("clusterroles", `user "u" is attempting to grant RBAC permissions not currently held`)
				}
				return nil
			},
			want: "this user may not create all that a private DNS consists of (creating a clusterrole is forbidden); arms with cache-30 are left out" + grants},
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
		options plan.Levels
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
			"unknown   nodes: this user lacks nodes (list) cluster-wide: which images the nodes have, for what architectures, and a DNS outside kube-system are not known beforehand (manifests/rbac-cluster.yaml grants it)",
			"unknown   environment: this user lacks namespaces (get), configmaps (get), services (get, list), pods (list), daemonsets (list), endpointslices (list) in kube-system: the report describes the cluster's DNS and network as far as its pods see them (manifests/rbac-cluster.yaml grants it)",
			"unknown   dns: the provider is not known; how it caches a pod finds out",
			"unknown   addresses: their family is not known beforehand; peers ask for those that their pods have, solo for the first",
		}},
		"namespace unread": {onCluster, hidden("get", "namespaces", away),
			[]string{`unknown   namespace: namespace demo could not be read ("Timeout: the server was unable to return a response in the time allotted"); it is used as it is`}},
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
		"sidecar": {onCluster, func(_ *testing.T, w *world) {
			w.admit = func(o manifests.Object) {
				if pod, ok := o.(*corev1.Pod); ok {
					pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "istio-init"})
					pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "istio-proxy"})
				}
			}
		}, []string{"warning   admission: the cluster adds containers to the pods (istio-init, istio-proxy): connects may end in one of them instead of in the probe, and what they delay counts; switch that off for the namespace, or name another namespace with -n"}},
		"no replica of the DNS": {onCluster, func(_ *testing.T, w *world) {
			w.s.Env.DNS = environment.DNS{Provider: environment.CoreDNS, Service: "openshift-dns/dns-default", NotReady: []string{"10.128.0.5:5353"}, ClusterIPs: []string{"172.30.0.10"}}
		}, []string{"warning   dns: CoreDNS, none of 1 replicas ready: `kubectl get pods -n openshift-dns` says more"}},
		"a network policy": {onCluster, func(_ *testing.T, w *world) {
			require.NoError(t, w.kube.Tracker().Add(&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "allow-dns", Namespace: "demo"}}))
		}, []string{"unknown   network policies: allow-dns; whether they let DNS and port 8050 through shows in the trials"}},
		"kube-dns, asked past its cache": {with(onCluster, plan.Levels{"observer": "peers+server"}), func(_ *testing.T, w *world) {
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

// TestPodsAreTriedAsTheirControllersMakeThem: policies look at labels and owners.
func TestPodsAreTriedAsTheirControllersMakeThem(t *testing.T) {
	w := theWorld(t, plan.Levels{})
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

// TestTextsOfTheClusterAreBounded: a webhook may say anything.
func TestTextsOfTheClusterAreBounded(t *testing.T) {
	state, text := verdict(apierrors.NewForbidden(rbacv1.Resource("pods"), "p", errors.New("\x1b[2J"+strings.Repeat("x", 5000))))
	require.Equal(t, environment.Refused, state)
	require.NotContains(t, text, "\x1b")
	require.Contains(t, text, strings.Repeat("x", 5000), "not cut")
	_, text = verdict(apierrors.NewForbidden(rbacv1.Resource("pods"), "p", errors.New(strings.Repeat("x", 50_000))))
	require.Less(t, len(text), 10_000)
}
