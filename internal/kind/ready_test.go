package kind

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

func node(name string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
}

func coredns(want, have int32) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "coredns", Namespace: "kube-system"},
		Spec: appsv1.DeploymentSpec{Replicas: &want}, Status: appsv1.DeploymentStatus{AvailableReplicas: have}}
}

func TestUnready(t *testing.T) {
	for _, c := range []struct {
		want string
		objs []runtime.Object
	}{
		{"", []runtime.Object{node("a", "True"), node("b", "True"), coredns(2, 2)}},
		{"", []runtime.Object{node("a", "True")}}, // another DNS
		{"node b is not ready", []runtime.Object{node("a", "True"), node("b", "False"), coredns(2, 2)}},
		{"node a is not ready", []runtime.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}},
		{"kube-system/coredns is not available", []runtime.Object{node("a", "True"), coredns(2, 1)}},
	} {
		require.Equal(t, c.want, unready(t.Context(), fake.NewClientset(c.objs...)))
	}
}

func TestWaitReadyEnds(t *testing.T) {
	require.NoError(t, WaitReady(t.Context(), fake.NewClientset(node("a", "True"))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, WaitReady(ctx, fake.NewClientset(node("a", "False"))))
}
