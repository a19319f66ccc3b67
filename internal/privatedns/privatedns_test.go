package privatedns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

var params = Params{Owner: manifests.Owner{Run: "r", Namespace: "ns"}, Image: "img", Dnsmasq: "masq", Domain: "example.org", ClusterDNS: "10.96.0.10", ClusterReplicas: []string{"10.9.0.1:53"}}

func free() string { return "" }

// serving is a cluster in which a Deployment's pods run as soon as it exists,
// and a DaemonSet's on two nodes. Its Services have the addresses 10.96.0.50,
// 10.96.0.51, ... in the order of their creation.
func serving(ips ...string) *cluster.Client {
	kube := fake.NewClientset()
	run := func(template corev1.PodTemplateSpec, ips ...string) error {
		for _, ip := range ips {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p" + ip, Namespace: "ns", Labels: template.Labels}}
			p.Status.Phase, p.Status.PodIP = corev1.PodRunning, ip
			if err := kube.Tracker().Add(p); err != nil {
				return err
			}
		}
		return nil
	}
	kube.PrependReactor("create", "deployments", func(a k8stesting.Action) (bool, runtime.Object, error) {
		d := a.(k8stesting.CreateAction).GetObject().(*appsv1.Deployment)
		d.Status.AvailableReplicas = *d.Spec.Replicas
		err := run(d.Spec.Template, ips...)
		return err != nil, nil, err
	})
	kube.PrependReactor("create", "daemonsets", func(a k8stesting.Action) (bool, runtime.Object, error) {
		d := a.(k8stesting.CreateAction).GetObject().(*appsv1.DaemonSet)
		d.Status.DesiredNumberScheduled, d.Status.NumberAvailable = 2, 2
		err := run(d.Spec.Template, "10.1.0.2", "10.1.0.1")
		return err != nil, nil, err
	})
	services := 0
	kube.PrependReactor("create", "services", func(a k8stesting.Action) (bool, runtime.Object, error) {
		a.(k8stesting.CreateAction).GetObject().(*corev1.Service).Spec.ClusterIP = fmt.Sprintf("10.96.0.%d", 50+services)
		services++
		return false, nil, nil
	})
	return &cluster.Client{Kube: kube}
}

// corefileOf returns a Corefile as it was created.
func corefileOf(t *testing.T, c *cluster.Client, name string) string {
	cm, err := c.Kube.CoreV1().ConfigMaps("ns").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	require.NotContains(t, cm.Data["Corefile"], "__PILLAR__")
	return cm.Data["Corefile"]
}

func TestStart(t *testing.T) {
	c := serving("10.0.0.2", "10.0.0.1", "fd00::1")
	r, err := Start(t.Context(), c, plan.Cache30, params, free)
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1053", "10.0.0.2:1053", "[fd00::1]:1053"}, r.Replicas)
	require.Empty(t, r.Caches)
	require.Equal(t, "10.96.0.50", r.PodDNS.Nameserver)
	require.Equal(t, []string{"ns.svc.example.org", "svc.example.org", "example.org"}, r.PodDNS.Searches)
	d, err := c.Kube.AppsV1().Deployments("ns").Get(t.Context(), name(plan.Cache30), metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "img", d.Spec.Template.Spec.Containers[0].Image)
}

// TestStartNodeLocal: clients reach the caches, which forward to the replicas'
// Service.
func TestStartNodeLocal(t *testing.T) {
	c := serving("10.0.0.1", "10.0.0.2")
	r, err := Start(t.Context(), c, plan.NodeLocalCache30, params, free)
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1053", "10.0.0.2:1053"}, r.Replicas)
	require.Equal(t, []string{"10.1.0.1:1053", "10.1.0.2:1053"}, r.Caches)
	require.Equal(t, "10.96.0.51", r.PodDNS.Nameserver)
	require.Contains(t, corefileOf(t, c, "dns-nodelocal-cache-30"), "forward . 10.96.0.50 {")
	require.Contains(t, corefileOf(t, c, "dns-nodelocal-cache-30-upstream"), "kubernetes example.org")
	svc, err := c.Kube.CoreV1().Services("ns").Get(t.Context(), "dns-nodelocal-cache-30", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.ServiceInternalTrafficPolicyLocal, *svc.Spec.InternalTrafficPolicy)
	require.NoError(t, r.Unchanged(t.Context()))
	require.NoError(t, c.Kube.CoreV1().Pods("ns").Delete(t.Context(), "p10.1.0.2", metav1.DeleteOptions{}))
	require.ErrorContains(t, r.Unchanged(t.Context()), "restarted or replaced", "a cache in front counts too")
}

func TestStartForwarding(t *testing.T) {
	c := serving("10.0.0.1", "10.0.0.2")
	r, err := Start(t.Context(), c, plan.Forwarding, params, free)
	require.NoError(t, err)
	require.Equal(t, params.ClusterReplicas, r.Replicas)
	require.Equal(t, []string{"10.0.0.1:1053", "10.0.0.2:1053"}, r.Caches)
	require.Contains(t, corefileOf(t, c, "dns-forwarding"), "forward . 10.96.0.10 {")
	roles, err := c.Kube.RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, roles.Items)

	p := params
	p.ClusterDNS = ""
	_, err = Start(t.Context(), serving("10.0.0.1"), plan.Forwarding, p, free)
	require.ErrorContains(t, err, "private dns forwarding: configmap ns/dns-forwarding: the address of the DNS Service")
}

func TestAReplacedReplicaIsNoticed(t *testing.T) {
	c := serving("10.0.0.1", "10.0.0.2")
	r, err := Start(t.Context(), c, plan.Cache30, params, free)
	require.NoError(t, err)
	require.NoError(t, r.Unchanged(t.Context()))
	pods := c.Kube.CoreV1().Pods("ns")
	p, err := pods.Get(t.Context(), "p10.0.0.2", metav1.GetOptions{})
	require.NoError(t, err)
	restarted := func(container string) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, RestartCount: 1}}
		_, err := pods.UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	restarted("istio-proxy") // a webhook's: no cache was in it
	require.NoError(t, r.Unchanged(t.Context()))
	for _, container := range []string{manifests.CoreDNSContainer, manifests.DnsmasqContainer} {
		restarted(container)
		require.ErrorContains(t, r.Unchanged(t.Context()), "restarted or replaced", container)
	}

	// The next trials go on with what is there now, wherever that is.
	require.NoError(t, pods.Delete(t.Context(), "p10.0.0.1", metav1.DeleteOptions{}))
	p = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p10.0.0.3", Namespace: "ns", Labels: p.Labels}}
	p.Status.Phase, p.Status.PodIP = corev1.PodRunning, "10.0.0.3"
	_, err = pods.Create(t.Context(), p, metav1.CreateOptions{})
	require.NoError(t, err)
	now, err := r.Renew(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.2:1053", "10.0.0.3:1053"}, now.Replicas)
	require.Equal(t, r.PodDNS, now.PodDNS)
	require.NoError(t, now.Unchanged(t.Context()))
}

func TestStartWithoutReplicas(t *testing.T) {
	_, err := Start(t.Context(), serving(), plan.Uncached, params, free)
	require.ErrorContains(t, err, "private dns uncached: no pod behind service ns/dns-uncached runs")
}

func TestTheConfigurationsDoNotMeet(t *testing.T) {
	seen := map[string]bool{}
	for _, dns := range plan.AllDNS[1:] {
		objs, err := Objects(dns, params)
		require.NoError(t, err)
		for _, o := range objs {
			kind := o.GetObjectKind().GroupVersionKind().Kind
			key := kind + "/" + o.GetName()
			require.False(t, seen[key], key)
			seen[key] = true
			require.Equal(t, "r", o.GetLabels()[manifests.LabelRun])
			switch o.(type) {
			case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
				require.Contains(t, o.GetName(), "r", "named after the run")
			}
		}
	}
}

// TestClusterRole keeps what the facts say of each configuration true.
func TestClusterRole(t *testing.T) {
	for _, dns := range plan.AllDNS[1:] {
		objs, err := Objects(dns, params)
		require.NoError(t, err)
		roles := 0
		for _, o := range objs {
			if _, ok := o.(*rbacv1.ClusterRole); ok {
				roles++
			}
		}
		require.Equal(t, dns.Facts().ClusterRole, roles == 1, dns)
	}
}

func TestCorefile(t *testing.T) {
	text := func(dns plan.DNS) string {
		s, err := Corefile(dns, params)
		require.NoError(t, err)
		require.NotContains(t, s, "cluster.local")
		return s
	}
	require.True(t, strings.HasPrefix(text(plan.NoDenialCache), "# CoreDNS dns-no-denial-cache\n.:1053 {\n"))
	require.Contains(t, text(plan.Forwarding), "forward . 10.96.0.10 {")
	require.True(t, strings.HasPrefix(text(plan.KubeDNS), "# /usr/sbin/dnsmasq -k --cache-size=1000 --no-negcache "))
	require.Contains(t, text(plan.KubeDNS), "\n# CoreDNS dns-kube-dns\n.:10053 {\n    bind 127.0.0.1\n")
	front, behind, found := strings.Cut(text(plan.NodeLocalUncached), "# CoreDNS dns-nodelocal-uncached-upstream\n")
	require.True(t, found)
	require.Contains(t, front, "denial 9984 5")
	require.Contains(t, behind, "disable denial example.org")
	_, err := Corefile(plan.ClusterDNS, params)
	require.ErrorContains(t, err, "private dns cluster")
}

// TestStartRecordWriter: it runs the probe's program, and what it logs can be had.
func TestStartRecordWriter(t *testing.T) {
	c := serving("10.0.0.1")
	p := params
	p.Probe = manifests.Probe{Image: "probe:1"}
	r, err := Start(t.Context(), c, plan.RecordWriterPublish, p, free)
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1053"}, r.Replicas)
	require.Empty(t, r.Caches)
	d, err := c.Kube.AppsV1().Deployments("ns").Get(t.Context(), name(plan.RecordWriterPublish), metav1.GetOptions{})
	require.NoError(t, err)
	spec := d.Spec.Template.Spec
	require.Equal(t, "probe:1", spec.Containers[0].Image)
	require.Subset(t, spec.Containers[0].Args, []string{"record-writer", "--on-empty=publish", "--domain=example.org",
		"--selector=" + p.Owner.Selector()})
	role, err := c.Kube.RbacV1().Roles("ns").Get(t.Context(), d.Name, metav1.GetOptions{})
	require.NoError(t, err)
	binding, err := c.Kube.RbacV1().RoleBindings("ns").Get(t.Context(), d.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{role.Name, spec.ServiceAccountName}, []string{binding.RoleRef.Name, binding.Subjects[0].Name})
	log, err := r.Log(t.Context(), time.Now())
	require.NoError(t, err)
	require.Empty(t, log, "the fake's log is no entry's")
	other, err := Start(t.Context(), serving("10.0.0.1"), plan.Uncached, p, free)
	require.NoError(t, err)
	require.Nil(t, other.Log)
}
