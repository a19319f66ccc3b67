package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestSilenceEnds: a server that takes requests and answers none of them holds
// up no creation, and every stream.
func TestSilenceEnds(t *testing.T) {
	const after = 200 * time.Millisecond
	over, taken := make(chan struct{}), make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lasting(r) { // answers come, late
			time.Sleep(2 * after)
			fmt.Fprintln(w, "line")
			return
		}
		select {
		case taken <- struct{}{}:
		default:
		}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(over)
	cfg := &rest.Config{Host: server.URL}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next, after} })
	kube, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	c := &Client{Kube: kube}

	began := time.Now()
	err = c.Create(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "j"}})
	require.ErrorContains(t, err, "cannot create job n/j")
	require.ErrorContains(t, err, "the API server took the request and did not answer within 200ms")
	require.True(t, IsTransient(err))
	require.Less(t, time.Since(began), 10*time.Second, "asked once; the machine may be busy")

	log, err := kube.CoreV1().Pods("n").GetLogs("p", &corev1.PodLogOptions{Follow: true}).DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, "line\n", string(log))

	// Who interrupts is told so, and not that the server is silent.
	ctx, cancel := context.WithCancel(t.Context())
	<-taken
	go func() {
		<-taken
		cancel()
	}()
	_, err = kube.CoreV1().Pods("n").List(ctx, metav1.ListOptions{})
	require.ErrorIs(t, err, context.Canceled)
}
