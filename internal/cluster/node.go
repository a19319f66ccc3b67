package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Schedulable tells whether a pod of ours can be put on the node: it selects
// Linux, and tolerates no taint but that which some clouds put on nodes of one
// architecture, kubernetes.io/arch=arm64:NoSchedule on GKE.
func Schedulable(n *corev1.Node) bool {
	// The label is what the pods select by; every kubelet since 1.14 sets it.
	if n.Spec.Unschedulable || n.Labels[corev1.LabelOSStable] != string(corev1.Linux) {
		return false
	}
	if slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key != corev1.LabelArchStable && t.Effect != corev1.TaintEffectPreferNoSchedule
	}) {
		return false
	}
	return Ready(n)
}

// Ready tells whether the node's kubelet says that it is.
func Ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
