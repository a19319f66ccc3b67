package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
)

// Schedulable tells whether a node takes pods of this specification, as far as its
// labels, its taints and its health decide.
func Schedulable(n *corev1.Node, pod *corev1.PodSpec) bool {
	if n.Spec.Unschedulable || !labels.SelectorFromSet(pod.NodeSelector).Matches(labels.Set(n.Labels)) {
		return false
	}
	return Ready(n) && !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule &&
			!slices.ContainsFunc(pod.Tolerations, func(by corev1.Toleration) bool {
				return by.ToleratesTaint(klog.Background(), &t, false)
			})
	})
}

// Ready tells whether the node's kubelet says that it is.
func Ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
