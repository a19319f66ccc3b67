package cluster

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/manifests"
)

// Log streams the log of a pod's probe from its beginning until it ends or the
// context does. The caller closes it.
func (c *Client) Log(ctx context.Context, namespace, pod string) (io.ReadCloser, error) {
	// Named, for a webhook of the cluster's may have added other containers.
	options := &corev1.PodLogOptions{Container: manifests.ProbeContainer, Follow: true}
	stream, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log of pod %s/%s: %w", namespace, pod, err)
	}
	return stream, nil
}

// LogSince returns what a pod's probe, or what runs in its place, has logged since
// a time, to the second, and at most so many bytes of it.
func (c *Client) LogSince(ctx context.Context, namespace, pod string, since time.Time, most int64) ([]byte, error) {
	options := &corev1.PodLogOptions{Container: manifests.ProbeContainer, SinceTime: &metav1.Time{Time: since},
		LimitBytes: &most}
	text, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod, options).DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log of pod %s/%s: %w", namespace, pod, err)
	}
	return text, nil
}
