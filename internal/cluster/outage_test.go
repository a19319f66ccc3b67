package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/manifests"
)

var (
	podsResource = schema.GroupResource{Resource: "pods"}
	forbiddenErr = apierrors.NewForbidden(podsResource, "p", errors.New("no rights"))
	refusedErr   = &url.Error{Op: "Post", URL: "https://h/api", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
)

func terminating() error {
	err := apierrors.NewForbidden(podsResource, "p", errors.New("being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

func TestIsTransient(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"connection refused", refusedErr, true},
		{"connection reset", &url.Error{Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, true},
		{"no route", &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, true},
		{"server closed idle connection", &url.Error{Err: io.EOF}, true},
		{"cut", io.ErrUnexpectedEOF, true},
		{"http2 ping", &url.Error{Err: errors.New("http2: client connection lost")}, true},
		{"time-out", &url.Error{Err: context.DeadlineExceeded}, true},
		{"etcd away", apierrors.NewInternalError(errors.New("etcdserver: request timed out")), true},
		{"starting", apierrors.NewServiceUnavailable("not ready"), true},
		{"gateway", apierrors.NewGenericServerResponse(502, "post", podsResource, "", "", 0, true), true},
		{"overloaded", apierrors.NewTooManyRequests("later", 1), true},
		{"roles not loaded", forbiddenErr, true},
		{"accounts not loaded", apierrors.NewUnauthorized("who?"), true},
		{"several, the first transient", errors.Join(fmt.Errorf("cannot create: %w", refusedErr), errors.New("x")), true},
		{"namespace terminating", terminating(), false},
		{"namespace gone", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ns"), false},
		{"taken", fmt.Errorf("pod ns/p: %w", ErrTaken), false},
		{"invalid", apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", nil), false},
		{"interrupted", context.Canceled, false},
		{"our own", errors.New("no pod was created"), false},
		{"none", nil, false},
	} {
		require.Equal(t, tc.want, IsTransient(tc.err), tc.name)
		if tc.err != nil {
			require.Equal(t, tc.want, IsTransient(fmt.Errorf("cannot do it: %w", tc.err)), tc.name)
		}
	}
}

func TestRetryTransient(t *testing.T) {
	for _, tc := range []struct {
		name  string
		errs  []error // one after the other, the last again and again
		want  error
		least time.Duration
		most  time.Duration
	}{
		{"at once", []error{nil}, nil, 0, 0},
		{"an outage", []error{refusedErr, refusedErr, refusedErr, forbiddenErr, nil}, nil, 2 * time.Second, 3 * time.Second},
		{"a long one", []error{refusedErr}, refusedErr, time.Minute, time.Minute},
		{"not transient", []error{refusedErr, ErrTaken}, ErrTaken, outagePause, time.Second},
		{"a right that is missing", []error{forbiddenErr}, forbiddenErr, refusalPatience, refusalPatience + time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, n := time.Now(), 0
				err := RetryTransient(t.Context(), time.Minute, func(context.Context) error {
					n++
					return tc.errs[min(n, len(tc.errs))-1]
				})
				require.Equal(t, tc.want, err)
				require.GreaterOrEqual(t, time.Since(began), tc.least)
				require.LessOrEqual(t, time.Since(began), tc.most)
			})
		})
	}
}

// A run that ends while the API server is away waits for it instead of leaving
// all that it created.
func TestClearOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kube := fake.NewClientset()
		c := &Client{Kube: kube}
		require.NoError(t, c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lag-r", UID: "u", Labels: manifests.Owner{Run: "r"}.Labels()}}))
		back := time.Now().Add(20 * time.Second)
		kube.PrependReactor("*", "*", func(k8stesting.Action) (bool, runtime.Object, error) {
			return time.Now().Before(back), nil, refusedErr
		})
		left, err := c.Clear(t.Context(), Scope{Run: "r", ClusterWide: true}, time.Minute)
		require.NoError(t, err)
		require.Empty(t, left)
		ns, err := kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, ns.Items)
	})
}

func TestWaitReady(t *testing.T) {
	var code atomic.Int32
	code.Store(500)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			code.Store(599)
		}
		w.WriteHeader(int(code.Load()))
	}))
	defer s.Close()
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: s.URL})
	require.NoError(t, err)
	c := &Client{Kube: kube, Host: "h"}
	require.ErrorContains(t, c.WaitReady(t.Context(), time.Millisecond), "the API server at h is not ready: ")
	time.AfterFunc(600*time.Millisecond, func() { code.Store(200) })
	require.NoError(t, c.WaitReady(t.Context(), time.Minute))
	code.Store(404)
	require.NoError(t, c.WaitReady(t.Context(), time.Minute), "a server that does not know the question")
}
