package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Schedulable tells whether a Linux pod without tolerations can be put on the
// node.
func Schedulable(n *corev1.Node) bool {
	// Older kubelets do not say what they run on.
	if os := n.Status.NodeInfo.OperatingSystem; n.Spec.Unschedulable || os != "" && os != string(corev1.Linux) {
		return false
	}
	if slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }) {
		return false
	}
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
