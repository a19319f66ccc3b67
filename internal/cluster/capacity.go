package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FreePods returns how many more pods the cluster's ready, schedulable nodes
// accept by their pod limit. An error says that it cannot be known, for lack
// of rights mostly.
func (c *Client) FreePods(ctx context.Context) (int, error) {
	nodes, err := c.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("cannot list nodes: %w", err)
	}
	pods, err := c.Kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
	if err != nil {
		return 0, fmt.Errorf("cannot list pods of all namespaces: %w", err)
	}
	used := map[string]int{}
	for _, p := range pods.Items {
		used[p.Spec.NodeName]++
	}
	free := 0
	for _, n := range nodes.Items {
		if schedulable(&n) {
			free += max(0, int(n.Status.Allocatable.Pods().Value())-used[n.Name])
		}
	}
	return free, nil
}

// schedulable tells whether a pod without tolerations can be put on the node.
func schedulable(n *corev1.Node) bool {
	if n.Spec.Unschedulable {
		return false
	}
	for _, t := range n.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
