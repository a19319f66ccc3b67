package nameserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/manifests"
)

var params = Params{Owner: manifests.Owner{Run: "r", Namespace: "ns"}, Image: "img", Domain: "example.org"}

func free() string { return "" }

// serving is a cluster in which a Deployment's pods run as soon as it exists.
func serving(ips ...string) *cluster.Client {
	kube := fake.NewClientset()
	kube.PrependReactor("create", "deployments", func(a k8stesting.Action) (bool, runtime.Object, error) {
		d := a.(k8stesting.CreateAction).GetObject().(*appsv1.Deployment)
		d.Status.AvailableReplicas = *d.Spec.Replicas
		for _, ip := range ips {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p" + ip, Namespace: "ns", Labels: d.Spec.Template.Labels}}
			p.Status.Phase, p.Status.PodIP = corev1.PodRunning, ip
			if err := kube.Tracker().Add(p); err != nil {
				return true, nil, err
			}
		}
		return false, nil, nil
	})
	kube.PrependReactor("create", "services", func(a k8stesting.Action) (bool, runtime.Object, error) {
		a.(k8stesting.CreateAction).GetObject().(*corev1.Service).Spec.ClusterIP = "10.96.0.53"
		return false, nil, nil
	})
	return &cluster.Client{Kube: kube}
}

func TestStart(t *testing.T) {
	c := serving("10.0.0.2", "10.0.0.1", "fd00::1")
	r, err := Start(t.Context(), c, experiment.Kubeadm131, params, free)
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1053", "10.0.0.2:1053", "[fd00::1]:1053"}, r.Replicas)
	require.Equal(t, "10.96.0.53", r.PodDNS.Nameserver)
	require.Equal(t, []string{"ns.svc.example.org", "svc.example.org", "example.org"}, r.PodDNS.Searches)
	d, err := c.Kube.AppsV1().Deployments("ns").Get(t.Context(), name(experiment.Kubeadm131), metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "img", d.Spec.Template.Spec.Containers[0].Image)
}

func TestAReplacedReplicaIsNoticed(t *testing.T) {
	c := serving("10.0.0.1", "10.0.0.2")
	r, err := Start(t.Context(), c, experiment.Kubeadm131, params, free)
	require.NoError(t, err)
	require.NoError(t, r.Unchanged(t.Context()))
	pods := c.Kube.CoreV1().Pods("ns")
	p, err := pods.Get(t.Context(), "p10.0.0.2", metav1.GetOptions{})
	require.NoError(t, err)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 1}}
	_, err = pods.UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.ErrorContains(t, r.Unchanged(t.Context()), "restarted or replaced")
}

func TestStartWithoutReplicas(t *testing.T) {
	_, err := Start(t.Context(), serving(), experiment.Kubeadm132, params, free)
	require.ErrorContains(t, err, "private dns kubeadm-1.32 has no running replica")
}

func TestTheConfigurationsDoNotMeet(t *testing.T) {
	seen := map[string]bool{}
	for _, dns := range []experiment.DNS{experiment.Kubeadm131, experiment.Kubeadm132} {
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
