package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/manifests"
)

func TestSchedulable(t *testing.T) {
	taint := func(key string, effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: "arm64", Effect: effect})
		}
	}
	pod, err := manifests.ProbePod(nil)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change []func(*corev1.Node)
		want   bool
	}{
		"in order":                    {nil, true},
		"cordoned":                    {[]func(*corev1.Node){func(n *corev1.Node) { n.Spec.Unschedulable = true }}, false},
		"windows":                     {[]func(*corev1.Node){func(n *corev1.Node) { n.Labels["kubernetes.io/os"] = "windows" }}, false},
		"without the label":           {[]func(*corev1.Node){func(n *corev1.Node) { n.Labels = nil }}, false},
		"not ready":                   {[]func(*corev1.Node){func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }}, false},
		"no condition yet":            {[]func(*corev1.Node){func(n *corev1.Node) { n.Status.Conditions = nil }}, false},
		"control plane":               {[]func(*corev1.Node){taint("node-role.kubernetes.io/control-plane", corev1.TaintEffectNoSchedule)}, false},
		"rather not":                  {[]func(*corev1.Node){taint("spot", corev1.TaintEffectPreferNoSchedule)}, true},
		"arm64 pool":                  {[]func(*corev1.Node){taint("kubernetes.io/arch", corev1.TaintEffectNoSchedule)}, true},
		"arm64 pool, evicting":        {[]func(*corev1.Node){taint("kubernetes.io/arch", corev1.TaintEffectNoExecute)}, true},
		"arm64 pool for someone else": {[]func(*corev1.Node){taint("kubernetes.io/arch", corev1.TaintEffectNoSchedule), taint("team", corev1.TaintEffectNoSchedule)}, false},
	} {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"kubernetes.io/os": "linux"}}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		for _, c := range tc.change {
			c(n)
		}
		require.Equal(t, tc.want, Schedulable(n, pod), name)
	}
}
