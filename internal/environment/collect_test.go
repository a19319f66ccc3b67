package environment

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// canary stands for every secret in the tests' clusters.
const canary = "CANARY"

// fakeCluster has nothing besides the objects and namespace kube-system.
func fakeCluster(objs ...runtime.Object) *fake.Clientset {
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kubeSystem, UID: "6f3c"}}
	return fake.NewClientset(append(objs, system)...)
}

// collect describes a fake cluster of a version.
func collect(t *testing.T, gitVersion string, objs ...runtime.Object) Environment {
	t.Helper()
	return Collect(t.Context(), fakeCluster(objs...), &version.Info{GitVersion: gitVersion, Platform: "linux/amd64"})
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: kubeSystem, Name: name}
}

func node(name, providerID string, labels map[string]string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.NodeSpec{ProviderID: providerID},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.1"}},
			NodeInfo:   corev1.NodeSystemInfo{KernelVersion: "6.18.0", OSImage: "Debian 12", Architecture: "amd64", ContainerRuntimeVersion: "containerd://2.1.0", KubeletVersion: "v1.36.3"},
		},
	}
}

func configMap(name, key, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: meta(name), Data: map[string]string{key: text, "kubeconfig.conf": "token: " + canary}}
}

func daemonSet(name string, args ...string) *appsv1.DaemonSet {
	ds := &appsv1.DaemonSet{ObjectMeta: meta(name)}
	ds.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Args: args}}
	return ds
}

var dnsSelector = map[string]string{"k8s-app": "kube-dns"}

func dnsServiceObject(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{
		Selector: dnsSelector, ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10"},
		Ports: []corev1.ServicePort{{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}},
	}}
}

func dnsPod(name string, images ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name)}
	p.Labels = dnsSelector
	config := &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "coredns"}}
	p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{ConfigMap: config}}}
	for _, image := range images {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Image: image})
	}
	return p
}

// dnsSlice has a UDP port besides others, two ready endpoints and one that is
// not.
func dnsSlice(service string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta(service + "-x1"), AddressType: discoveryv1.AddressTypeIPv4}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	for _, p := range []struct {
		port  int32
		proto corev1.Protocol
	}{{9153, corev1.ProtocolTCP}, {53, corev1.ProtocolUDP}, {53, corev1.ProtocolTCP}} {
		s.Ports = append(s.Ports, discoveryv1.EndpointPort{Port: &p.port, Protocol: &p.proto})
	}
	yes, no := true, false
	s.Endpoints = []discoveryv1.Endpoint{
		{Addresses: []string{"10.244.1.2"}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}},
		{Addresses: []string{"10.244.0.2"}}, // unknown counts as ready
		{Addresses: []string{"10.244.0.3"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
	}
	return s
}

const corefile132 = ".:53 {\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       ttl 30\n    }\n    etcd {\n       credentials root " + canary + "\n    }\n    cache 30 {\n       disable success cluster.local\n       disable denial cluster.local\n    }\n}\n"

func TestCollectKubeadm(t *testing.T) {
	e := collect(t, "v1.36.3",
		node("n2", "", nil), node("n1", "", map[string]string{"node-role.kubernetes.io/control-plane": "", "kubernetes.io/os": "linux"}),
		configMap("kubeadm-config", "ClusterConfiguration", ""),
		configMap("kube-proxy", "config.conf", "kind: KubeProxyConfiguration\nmode: nftables\n"),
		configMap("coredns", "Corefile", corefile132),
		daemonSet("kube-proxy"), daemonSet("kube-flannel-ds"),
		dnsServiceObject("kube-dns"), dnsSlice("kube-dns"),
		dnsPod("coredns-1", "registry.k8s.io/coredns/coredns:v1.14.2"), dnsPod("coredns-2", "registry.k8s.io/coredns/coredns:v1.14.2"),
	)
	require.Empty(t, e.Warnings)
	require.Equal(t, Version, e.V)
	require.Equal(t, "6f3c", e.ClusterID)
	require.WithinDuration(t, time.Now(), e.Collected, time.Minute)
	require.Equal(t, "v1.36.3", e.Server.GitVersion)
	require.Regexp(t, `^Client Version: client-go \S+\nServer Version: v1\.36\.3\n$`, e.KubectlVersion)
	require.Equal(t, none, e.Cloud)
	require.Equal(t, "kubeadm", e.Distribution)
	require.Equal(t, "nftables", e.KubeProxy)
	require.Equal(t, []string{"flannel (DaemonSet kube-system/kube-flannel-ds)"}, e.CNI)
	require.Equal(t, 2, e.NodeCount)
	require.Equal(t, Node{Name: "n1", Roles: []string{"control-plane"}, Ready: true, Kernel: "6.18.0", OS: "Debian 12", Arch: "amd64", Runtime: "containerd://2.1.0", Kubelet: "v1.36.3"}, e.Nodes[0])

	require.Equal(t, CoreDNS, e.DNS.Provider)
	require.Equal(t, "registry.k8s.io/coredns/coredns:v1.14.2", e.DNS.CoreDNSImage)
	require.Equal(t, []string{"Service kube-system/kube-dns is labelled as the cluster's DNS",
		"a pod behind kube-system/kube-dns runs registry.k8s.io/coredns/coredns:v1.14.2"}, e.DNS.Evidence)
	require.Equal(t, "kube-system/kube-dns", e.DNS.Service)
	require.Equal(t, []string{"10.96.0.10"}, e.DNS.ClusterIPs)
	require.Equal(t, []string{"10.244.0.2:53", "10.244.1.2:53"}, e.DNS.Replicas)
	require.Equal(t, []string{"10.244.0.3:53"}, e.DNS.NotReady)
	require.Empty(t, e.DNS.Domain, "only a pod knows it")
	require.Contains(t, e.DNS.Corefile, "# ConfigMap kube-system/coredns, Corefile\n.:53 {\n    kubernetes cluster.local")
	require.False(t, e.DNS.NodeLocal)

	b, err := json.Marshal(e)
	require.NoError(t, err)
	require.NotContains(t, string(b), canary)
	require.NotContains(t, string(b), "192.0.2.1", "a node's address is nobody's business")
	var back Environment
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, e, back)
}

func TestCollectGKE(t *testing.T) {
	e := collect(t, "v1.34.1-gke.100",
		node("n1", "gce://project/zone/n1", nil), daemonSet("anetd"), daemonSet("node-local-dns"),
		dnsServiceObject("kube-dns"), dnsSlice("kube-dns"),
		dnsPod("kube-dns-1", "gke.gcr.io/k8s-dns-kube-dns:1.23@sha256:00", "gke.gcr.io/k8s-dns-dnsmasq-nanny:1.23"),
	)
	require.Equal(t, "gce", e.Cloud)
	require.Equal(t, "GKE", e.Distribution)
	require.Equal(t, Unknown, e.KubeProxy)
	require.Equal(t, KubeDNS, e.DNS.Provider)
	require.Empty(t, e.DNS.CoreDNSImage)
	require.Equal(t, "gke.gcr.io/k8s-dns-dnsmasq-nanny:1.23", e.DNS.DnsmasqImage)
	require.Equal(t, []string{"kube-proxy mode: ConfigMap kube-system/kube-proxy: not there"}, e.Warnings)

}

func TestCollectOtherPlaces(t *testing.T) {
	t.Run("EKS' kube-proxy", func(t *testing.T) {
		e := collect(t, "v1.34.1-eks-abc", configMap("kube-proxy-config", "config", "mode: \"\"\n"))
		require.Equal(t, "iptables (the default)", e.KubeProxy)
		require.Equal(t, "EKS", e.Distribution)
	})
	t.Run("kube-proxy's flag", func(t *testing.T) {
		e := collect(t, "v1.34.1", daemonSet("kube-proxy", "--v=2", "--proxy-mode=ipvs"))
		require.Equal(t, "ipvs", e.KubeProxy)
	})
	t.Run("kube-proxy's configuration is broken", func(t *testing.T) {
		e := collect(t, "v1.34.1", configMap("kube-proxy", "config.conf", "mode: ["))
		require.Equal(t, Unknown, e.KubeProxy)
		require.Contains(t, e.Warnings, "kube-proxy mode: ConfigMap kube-system/kube-proxy is not understood")
	})
	t.Run("a DNS outside of the cluster", func(t *testing.T) {
		svc := dnsServiceObject("kube-dns")
		svc.Spec.Selector = nil
		e := collect(t, "v1.36.3", svc, dnsPod("other", "nginx"), configMap("coredns", "Corefile", corefile132))
		require.Equal(t, Outside, e.DNS.Provider)
		require.Contains(t, strings.Join(e.DNS.Evidence, "\n"), "has no selector")
	})
	t.Run("a DNS whose pods are gone", func(t *testing.T) {
		e := collect(t, "v1.36.3", dnsServiceObject("kube-dns"))
		require.Equal(t, Unknown, e.DNS.Provider)
		require.Contains(t, e.DNS.Evidence, "no pod stands behind Service kube-system/kube-dns")
	})
	t.Run("IPv6 only", func(t *testing.T) {
		svc, slice := dnsServiceObject("kube-dns"), dnsSlice("kube-dns")
		svc.Spec.ClusterIP, svc.Spec.ClusterIPs = "fd00:96::a", []string{"fd00:96::a"}
		slice.AddressType = discoveryv1.AddressTypeIPv6
		for i, ip := range []string{"fd00:1::2", "fd00::2", "fd00::3"} {
			slice.Endpoints[i].Addresses = []string{ip}
		}
		e := collect(t, "v1.36.3", svc, slice, dnsPod("p", "coredns:1"))
		require.Equal(t, []string{"fd00:96::a"}, e.DNS.ClusterIPs)
		require.Equal(t, []string{"[fd00:1::2]:53", "[fd00::2]:53"}, e.DNS.Replicas)
		require.Equal(t, []string{"[fd00::3]:53"}, e.DNS.NotReady)
	})
	t.Run("many nodes", func(t *testing.T) {
		var objs []runtime.Object
		for i := range maxNodes + 20 {
			objs = append(objs, node("n"+string(rune('a'+i%26))+strings.Repeat("x", i/26), "kind://docker/kind/n", nil))
		}
		e := collect(t, "v1.36.3", objs...)
		require.Equal(t, maxNodes+20, e.NodeCount)
		require.Len(t, e.Nodes, maxNodes)
		require.Equal(t, "kind", e.Distribution)
	})
}

// forbid makes every request fail as RBAC does, except those for allowed.
func forbid(kube *fake.Clientset, allowed func(k8stesting.Action) bool) {
	kube.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if allowed(a) {
			return false, nil, nil
		}
		gr := schema.GroupResource{Group: a.GetResource().Group, Resource: a.GetResource().Resource}
		return true, nil, apierrors.NewForbidden(gr, "", errors.New(`User "alice-`+canary+`" cannot do that`))
	})
}

func TestCollectWithoutRights(t *testing.T) {
	kube := fakeCluster(dnsServiceObject("kube-dns"), node("n1", "", nil))
	forbid(kube, func(a k8stesting.Action) bool { return a.GetResource().Resource == "version" })
	e := Collect(t.Context(), kube, &version.Info{GitVersion: "v1.36.3"})
	require.Equal(t, "v1.36.3", e.Server.GitVersion)
	for _, s := range []string{e.Cloud, e.Distribution, e.KubeProxy, e.DNS.Provider} {
		require.Equal(t, Unknown, s)
	}
	require.ElementsMatch(t, []string{
		"cluster id: namespace kube-system: no right to read it",
		"nodes: no right to read it",
		"DaemonSets: no right to read it",
		"kube-proxy mode: ConfigMap kube-system/kube-proxy: no right to read it",
		"distribution: ConfigMap kube-system/kubeadm-config: no right to read it",
		"Services in kube-system: no right to read it",
	}, e.Warnings)
	require.NotContains(t, strings.Join(e.Warnings, "\n"), canary)
}

// TestCollectEachRightMissing takes one resource away at a time: what remains
// is still read, and something is said about what is not.
func TestCollectEachRightMissing(t *testing.T) {
	for _, resource := range []string{"nodes", "daemonsets", "services", "endpointslices", "pods", "configmaps"} {
		t.Run(resource, func(t *testing.T) {
			kube := fakeCluster(node("n1", "", nil), daemonSet("cilium"), dnsServiceObject("kube-dns"), dnsSlice("kube-dns"),
				dnsPod("c", "coredns:1"), configMap("coredns", "Corefile", corefile132), configMap("kube-proxy", "config.conf", "mode: ipvs"))
			forbid(kube, func(a k8stesting.Action) bool { return a.GetResource().Resource != resource })
			e := Collect(t.Context(), kube, &version.Info{GitVersion: "v1.36.3"})
			require.NotEmpty(t, e.Warnings)
			for _, w := range e.Warnings {
				require.Contains(t, w, "no right to read it")
			}
			if resource != "nodes" {
				require.Equal(t, 1, e.NodeCount)
			}
			if resource != "services" && resource != "endpointslices" {
				require.Len(t, e.DNS.Replicas, 2)
			}
			if resource != "services" && resource != "pods" {
				require.Equal(t, CoreDNS, e.DNS.Provider)
			}
			if resource != "configmaps" {
				require.Equal(t, "ipvs", e.KubeProxy)
			}
		})
	}
}

// TestCollectDaemonSetsOfKubeSystemOnly: rights in kube-system are enough.
func TestCollectDaemonSetsOfKubeSystemOnly(t *testing.T) {
	kube := fakeCluster(daemonSet("kindnet"))
	forbid(kube, func(a k8stesting.Action) bool {
		return a.GetResource().Resource != "daemonsets" || a.GetNamespace() == kubeSystem
	})
	require.Len(t, Collect(t.Context(), kube, &version.Info{GitVersion: "v1.36.3"}).CNI, 1)
}

func TestReasonNamesNoAddress(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 6443}, Err: errors.New("connection refused")}
	require.Equal(t, "Get: dial tcp: connection refused", reason(&url.Error{Op: "Get", URL: "https://192.0.2.1:6443", Err: dial}))
	require.Equal(t, "Get: odd", reason(&url.Error{Op: "Get", URL: "https://192.0.2.1:6443", Err: errors.New("odd")}))
	require.Equal(t, "plain", reason(errors.New("plain")))
}

func TestAddPod(t *testing.T) {
	six, four := 6, 4
	s := record.Start{Node: "n1", Kernel: "6.18", SynRetries: &six, SynLinearRetries: &four, Domain: "k8s.example",
		Resolv: resolvConf("10.96.0.10:53", "svc.k8s.example")}
	var e Environment
	e.AddPod(s)
	six2 := 6
	s.SynRetries, s.Index = &six2, 1 // another pod on the same node, with nothing new
	e.AddPod(s)
	require.Len(t, e.Pods, 1)
	require.Equal(t, "k8s.example", e.DNS.Domain)
	s.Node = "n2"
	e.AddPod(s)
	require.Len(t, e.Pods, 2)
	require.Equal(t, 6, *e.Pods[1].SynRetries)
	require.Equal(t, 4, *e.Pods[1].SynLinearRetries)
	require.Empty(t, e.Warnings)

	var guess Environment
	s.Domain, s.Resolv.Search = "cluster.local", []string{"corp.example"}
	guess.AddPod(s)
	require.Equal(t, "cluster.local", guess.DNS.Domain)
	require.Contains(t, guess.Warnings[0], "cluster.local is a guess")
}

func TestAddCaching(t *testing.T) {
	var e Environment
	e.AddCaching(plan.Cache30, CachingFacts{Positive: true})
	e.AddCaching(plan.Uncached, CachingFacts{})
	require.Len(t, e.Caching, 2)
	require.True(t, e.Caching[plan.Cache30].Positive)
}
