package cluster

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"

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
