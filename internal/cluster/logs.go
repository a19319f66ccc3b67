package cluster

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
)

// Log streams a pod's log from its beginning until it ends or the context
// does. The caller closes it.
func (c *Client) Log(ctx context.Context, namespace, pod string) (io.ReadCloser, error) {
	stream, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log of pod %s/%s: %w", namespace, pod, err)
	}
	return stream, nil
}
