package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// TestQuotaOfDaemonSets: NodeLocal DNSCache has a pod on each node that takes
// pods, of which a tainted control plane is none. Beside them are two of the
// private DNS and five probes.
func TestQuotaOfDaemonSets(t *testing.T) {
	const (
		met    = "ok        quota: the namespace's quotas (1) leave what the plan needs"
		untold = "unknown   quota: the namespace's quotas (1) leave room for one pod of each DaemonSet; on how many nodes it has one, and so whether they leave what the plan needs, is not known beforehand"
	)
	unlisted := func(w *world) { w.deny = []string{"list nodes"} }
	unread := func(w *world) {
		w.kube.PrependReactor("list", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil, forbidden("nodes", "no")
		})
	}
	for name, tc := range map[string]struct {
		left   corev1.ResourceList
		change func(*world)
		want   string // condition; of a refusal its beginning
	}{
		"just enough":                  {pods("9"), nil, met},
		"one short":                    {pods("8"), nil, "refused   quota: ResourceQuota demo/q has 8 left for pods (0 of 8 are used), and the plan needs 9 at a time; accepted: --pods 4 or fewer"},
		"nodes may not be listed":      {pods("9"), unlisted, untold},
		"nor could be":                 {pods("9"), unread, untold},
		"short even so":                {pods("7"), unlisted, "refused   quota: ResourceQuota demo/q has 7 left for pods (0 of 7 are used), and the plan needs at least 8 at a time; accepted: --pods 4 or fewer"},
		"of what no DaemonSet adds to": {corev1.ResourceList{"count/services": resource.MustParse("9")}, unlisted, met},
	} {
		t.Run(name, func(t *testing.T) {
			q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q", Namespace: "demo"}}
			q.Spec.Hard, q.Status.Hard = tc.left, tc.left
			w := theWorld(t, with(onCluster, func(o *plan.Options) { o.DNS = []plan.DNS{plan.NodeLocalCache30} }), q,
				aNode("cp", func(n *corev1.Node) {
					n.Spec.Taints = []corev1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: corev1.TaintEffectNoSchedule}}
				}))
			w.s.Env.NodeCount = 3
			if tc.change != nil {
				tc.change(w)
			}
			r, err := Run(t.Context(), w.s)
			got := lines(r)
			i := slices.IndexFunc(got, func(l string) bool { return strings.Contains(l, " quota: ") })
			require.GreaterOrEqual(t, i, 0, "%s", strings.Join(got, "\n"))
			if strings.HasPrefix(tc.want, "refused") {
				require.Error(t, err)
				require.True(t, strings.HasPrefix(got[i], tc.want), got[i])
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got[i])
		})
	}
}

func pods(n string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourcePods: resource.MustParse(n)}
}

// TestQuotaOfWhatIsAdded: a webhook's native sidecar and a RuntimeClass'
// overhead count in a quota as they do for the scheduler.
func TestQuotaOfWhatIsAdded(t *testing.T) {
	hard := corev1.ResourceList{
		corev1.ResourceRequestsCPU: resource.MustParse("759m"), // five probes take 10m each, and what is added
		corev1.ResourceLimitsCPU:   resource.MustParse("100"),
	}
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q", Namespace: "demo"}}
	q.Spec.Hard, q.Status.Hard = hard, hard
	w := theWorld(t, onCluster, q)
	always := corev1.ContainerRestartPolicyAlways
	w.admit = func(o manifests.Object) {
		if pod, ok := o.(*corev1.Pod); ok {
			pod.Spec.InitContainers = []corev1.Container{{Name: "istio-proxy", RestartPolicy: &always,
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}}}}
			pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("42m")}
		}
	}
	_, err := Run(t.Context(), w.s)
	require.EqualError(t, err, "ResourceQuota demo/q has 759m left for requests.cpu (0 of 759m are used), and the plan needs 760m at a time; accepted: --pods 4 or fewer, a larger quota, or another namespace with -n")
}

// TestQuotaThatNobodyCounts: what is not in a quota's status the cluster does
// not enforce yet, and it says nothing of what is left.
func TestQuotaThatNobodyCounts(t *testing.T) {
	const refused = "refused   quota: ResourceQuota demo/q has 4 left for pods (0 of 4 are used), and the plan needs 5 at a time; accepted: --pods 4 or fewer, a larger quota, or another namespace with -n"
	for name, tc := range map[string]struct {
		spec, status corev1.ResourceList
		want         string
	}{
		"empty": {pods("4"), nil, "unknown   quota: how much is in use the cluster has not counted yet (pods of ResourceQuota demo/q): whether that leaves what the plan needs is not known beforehand"},
		"another is counted": {corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4"), corev1.ResourceLimitsMemory: resource.MustParse("1")}, pods("5"),
			"unknown   quota: how much is in use the cluster has not counted yet (limits.memory of ResourceQuota demo/q): whether that leaves what the plan needs is not known beforehand"},
		"of what is not needed":           {corev1.ResourceList{corev1.ResourcePods: resource.MustParse("5"), "requests.nvidia.com/gpu": resource.MustParse("1")}, pods("5"), "ok        quota: the namespace's quotas (1) leave what the plan needs"},
		"another is counted, and refused": {corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4"), corev1.ResourceLimitsMemory: resource.MustParse("1")}, pods("4"), refused},
	} {
		t.Run(name, func(t *testing.T) {
			q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q", Namespace: "demo"}}
			q.Spec.Hard, q.Status.Hard = tc.spec, tc.status
			r, err := Run(t.Context(), theWorld(t, onCluster, q).s)
			require.Equal(t, tc.want == refused, err != nil, "%v", err)
			require.Contains(t, lines(r), tc.want)
			require.Len(t, slices.DeleteFunc(lines(r), func(l string) bool { return !strings.Contains(l, " quota: ") }), 1)
		})
	}
}

// TestOfPod: what else a quota may limit.
func TestOfPod(t *testing.T) {
	amount := func(text string) corev1.ResourceRequirements {
		list := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(text)}
		return corev1.ResourceRequirements{Requests: list, Limits: list}
	}
	spec := corev1.PodSpec{
		InitContainers: []corev1.Container{{Resources: amount("100")}},
		Containers:     []corev1.Container{{Resources: amount("60")}, {Resources: amount("30")}},
		Overhead:       corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("7")},
	}
	for name, want := range map[corev1.ResourceName]int64{
		"pods": 1, "memory": 107, "requests.memory": 107, "limits.memory": 107, "requests.nvidia.com/gpu": 0, "services.nodeports": 0,
	} {
		got := ofPod(name, &spec)
		require.Equal(t, want, got.Value(), string(name))
	}
}
