package kind

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// readyPatience is for nodes that pull their pod network's image first.
	readyPatience = 5 * time.Minute
	readyPause    = 500 * time.Millisecond
)

// WaitReady waits until every node is ready and the cluster's DNS serves, which
// kind does not wait for: a plan that begins before measures how clusters start.
func WaitReady(ctx context.Context, kube kubernetes.Interface) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyPatience, fmt.Errorf("still so after %s", readyPatience))
	defer cancel()
	for {
		missing := unready(ctx, kube)
		if missing == "" {
			return nil
		}
		select {
		case <-time.After(readyPause):
		case <-ctx.Done():
			if cause := context.Cause(ctx); cause != ctx.Err() {
				return fmt.Errorf("the kind cluster does not get ready: %s, %w; --keep and `kubectl get pods -A` show why", missing, cause)
			}
			return ctx.Err()
		}
	}
}

// unready names what is not ready; nothing if all is.
func unready(ctx context.Context, kube kubernetes.Interface) string {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("its nodes cannot be listed: %v", err)
	}
	for _, n := range list.Items {
		if !nodeReady(n) {
			return "node " + n.Name + " is not ready"
		}
	}
	d, err := kube.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err): // a configuration of the user's has another DNS
		return ""
	case err != nil:
		return fmt.Sprintf("kube-system/coredns cannot be read: %v", err)
	case !available(*d):
		return "kube-system/coredns is not available"
	}
	return ""
}

func nodeReady(n corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// available tells whether every replica serves: one that starts later would
// change what the plan's first trials see.
func available(d appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	return d.Status.ObservedGeneration >= d.Generation && d.Status.AvailableReplicas >= want
}
