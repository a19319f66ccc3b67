package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Who may not open a WebSocket (get pods/exec) may still be allowed to exec
// (create pods/exec); and who may neither is told about the latter.
func TestExecTriesBothWays(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.URL.String())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"cannot %s pods/exec"}`, strings.ToLower(r.Method))
	}))
	defer s.Close()
	cfg := &rest.Config{Host: s.URL}
	kube, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	err = (&Client{Kube: kube, REST: cfg}).Exec(t.Context(), "ns", "lag-1-x", "probe", "/proc/1/exe", "--hand-over=10.0.0.1")
	require.ErrorContains(t, err, "cannot run /proc/1/exe in pod ns/lag-1-x: ")
	require.ErrorContains(t, err, "cannot post pods/exec")
	const url = " /api/v1/namespaces/ns/pods/lag-1-x/exec?command=%2Fproc%2F1%2Fexe&command=--hand-over%3D10.0.0.1&container=probe&stderr=true"
	require.Equal(t, []string{"GET" + url, "POST" + url}, seen)

	err = (&Client{Kube: kube}).Exec(t.Context(), "ns", "lag-1-x", "probe", "/x")
	require.EqualError(t, err, "cannot run /x in pod ns/lag-1-x: no connection for it")
}

func TestComplaintsAreBounded(t *testing.T) {
	var h head
	for range 100 {
		n, err := h.Write([]byte(strings.Repeat("x", 99)))
		require.NoError(t, err)
		require.Equal(t, 99, n)
	}
	require.Len(t, h, maxComplaint)
}
