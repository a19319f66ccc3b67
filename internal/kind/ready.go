package kind

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/cluster"
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
				return fmt.Errorf("the kind cluster does not get ready: %s, %w; --keep and `kubectl get pods -A` show why", missing,
					cause)
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
		if !cluster.Ready(&n) {
			return "node " + n.Name + " is not ready"
		}
	}
	d, err := kube.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err): // a configuration of the user's has another DNS
		return ""
	case err != nil:
		return fmt.Sprintf("kube-system/coredns cannot be read: %v", err)
	}
	// Every replica: one that starts later would change what the plan's first
	// trials see.
	if have, want := cluster.Replicas(d); have < want {
		return "kube-system/coredns is not available"
	}
	return ""
}
