package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"headless-job-dns/manifests"
)

func TestPatchForARefusal(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{
		{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule},
		{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoExecute},
		{Key: "spot", Effect: corev1.TaintEffectPreferNoSchedule}}}}
	c := &Client{Kube: fake.NewClientset(node)}
	for _, tc := range []struct{ refusal, want string }{
		{`pods "p" is forbidden: failed quota: q: must specify limits.cpu for: probe; limits.memory for: probe`,
			`{"spec":{"containers":[{"resources":{"limits":{"cpu":"1","memory":"256Mi"}}}]}}`},
		{`minimum memory usage per Container is 48Mi, but request is 32Mi`,
			`{"spec":{"containers":[{"resources":{"requests":{"memory":"48Mi"}}}]}}`},
		{`[minimum cpu usage per Container is 1, but request is 10m, maximum memory usage per Pod is 32Mi, but limit is 64Mi]`,
			`{"spec":{"containers":[{"resources":{"limits":{"memory":"32Mi"},"requests":{"cpu":"1"}}}]}}`},
		{`minimum cpu usage per Container is 200m.  No limit is specified`,
			`{"spec":{"containers":[{"resources":{"limits":{"cpu":"200m"}}}]}}`},
		{`0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}. preemption: 0/1 nodes`,
			`{"spec":{"tolerations":[{"key":"gpu","operator":"Exists"}]}}`},
		{`0/1 nodes are available: 1 node(s) had untolerated taint(s).`,
			`{"spec":{"tolerations":[{"key":"team","operator":"Exists"}]}}`},
		{`failed expression: 'team' in object.metadata.labels`,
			`{"metadata":{"labels":{"team":"VALUE"}}}`},
		{`failed expression: has(object.metadata.labels.team)`,
			`{"metadata":{"labels":{"team":"VALUE"}}}`},
		{`validation error: The label 'app.example.com/team' is required`,
			`{"metadata":{"labels":{"app.example.com/team":"VALUE"}}}`},
		{`you must provide labels: {"team"}`,
			`{"metadata":{"labels":{"team":"VALUE"}}}`},
		{`labels are wrong`, ""},
		{`exceeded quota: q, requested: limits.cpu=1, used: limits.cpu=0, limited: limits.cpu=0`, ""},
		{`0/2 nodes are available: 2 Insufficient cpu.`, ""},
	} {
		patch := c.PatchFor(t.Context(), tc.refusal)
		require.Equal(t, tc.want, patch, tc.refusal)
		_, err := manifests.ParsePodPatch([]byte(patch))
		require.NoError(t, err, "what is offered is accepted")
	}
	require.Equal(t, "had untolerated taint {gpu: true}; "+
		`--pod-patch FILE answers it, where FILE holds {"spec":{"tolerations":[{"key":"gpu","operator":"Exists"}]}}`,
		c.WithAnswer(t.Context(), "had untolerated taint {gpu: true}"))
}

// TestUnschedulable: a pod that no node takes is stuck after a while, a longer one
// where the cluster may add nodes.
func TestUnschedulable(t *testing.T) {
	w := &Watcher{trials: map[string]*Observation{}}
	o := w.Observe("t001")
	pod := jobPod(func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}
	})
	w.note(pod, false)
	require.Empty(t, o.Stuck(0))
	o.pods[string(pod.UID)].unscheduled = o.pods[string(pod.UID)].unscheduled.Add(-2 * unschedulablePatience)
	require.Equal(t, "pod ns/lag-0-x is not scheduled: 0/1 nodes are available", o.Stuck(0))
	require.Empty(t, o.Stuck(2*unschedulablePatience))
	w.note(jobPod(func(*corev1.Pod) {}), false)
	require.Empty(t, o.Stuck(0))
}
