package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxLine bounds a line of a pod's log. The probe's longest is a few hundred
// bytes per address; what is longer is not the probe's.
const maxLine = 64 << 10

// Follow streams a pod's log from its beginning until it ends or the context
// does, and hands every whole line to the caller with its time of receipt.
// The slice is valid during the call only.
func (c *Client) Follow(ctx context.Context, namespace, pod string, line func(b []byte, at time.Time)) error {
	stream, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the log of pod %s/%s: %w", namespace, pod, err)
	}
	defer stream.Close()
	r := bufio.NewReaderSize(stream, maxLine)
	skipping := false
	for {
		b, err := r.ReadSlice('\n')
		switch {
		case err == nil && skipping:
			skipping = false // the end of a line that was too long
		case err == nil:
			line(b[:len(b)-1], time.Now())
		case errors.Is(err, bufio.ErrBufferFull):
			skipping = true
		case errors.Is(err, io.EOF):
			return nil // a line without an end was cut off: it is not whole
		default:
			return fmt.Errorf("log of pod %s/%s broke off: %w", namespace, pod, err)
		}
	}
}
