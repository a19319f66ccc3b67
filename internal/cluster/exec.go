package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// maxComplaint bounds what is kept of a command's complaint: a line.
const maxComplaint = 500

// Exec runs a command in a pod's container until it ends. The error of a
// command that failed holds what it wrote to standard error. It takes the right
// to create pods/exec, and to get it where exec goes through a WebSocket.
func (c *Client) Exec(ctx context.Context, namespace, pod, container string, command ...string) error {
	fail := func(err error) error {
		return fmt.Errorf("cannot run %s in pod %s/%s: %w", command[0], namespace, pod, err)
	}
	if c.REST == nil {
		return fail(errors.New("no connection for it"))
	}
	url := c.Kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stderr: true}, scheme.ParameterCodec).URL()
	// As kubectl does: a WebSocket, and SPDY where the server or a proxy on the
	// way knows none.
	socket, err := remotecommand.NewWebSocketExecutor(c.REST, http.MethodGet, url.String())
	if err != nil {
		return fail(err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.REST, http.MethodPost, url)
	if err != nil {
		return fail(err)
	}
	exec, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return fail(err)
	}
	var complaint head
	err = exec.StreamWithContext(ctx, remotecommand.StreamOptions{Stderr: &complaint})
	switch said := strings.TrimSpace(string(complaint)); {
	case err == nil:
		return nil
	case said != "":
		return fail(fmt.Errorf("%w: %s", err, said))
	}
	return fail(err)
}

// head keeps the beginning of what is written to it.
type head []byte

var _ io.Writer = (*head)(nil)

func (h *head) Write(b []byte) (int, error) {
	*h = append(*h, b[:min(len(b), maxComplaint-len(*h))]...)
	return len(b), nil
}
