package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// closed is an API server with many namespaces of which only one is open to the
// user, besides their list.
type closed struct {
	namespaces int
	fails      string // the namespace about which it answers with an error

	mu        sync.Mutex
	asked     []string // paths
	now, most int      // requests at a time
}

func (s *closed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(time.Millisecond) // for the others to be there too
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case path == "/api/v1/namespaces" && r.URL.Query().Get("labelSelector") == "":
		items := []string{`{"metadata":{"name":"open"}}`}
		for n := range s.namespaces - 1 {
			items = append(items, fmt.Sprintf(`{"metadata":{"name":"closed-%d"}}`, n))
		}
		fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
	case path == "/api/v1/namespaces":
		fmt.Fprint(w, `{"items":[]}`)
	case path == "/apis/batch/v1/namespaces/open/jobs":
		fmt.Fprint(w, `{"items":[{"metadata":{"name":"j","namespace":"open","labels":{"headless-job-dns/run":"r"}}}]}`)
	case strings.Contains(path, "/namespaces/open/"):
		fmt.Fprint(w, `{"items":[]}`)
	case s.fails != "" && strings.Contains(path, "/"+s.fails+"/"):
		w.WriteHeader(http.StatusTeapot)
	default:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`)
	}
}

func (s *closed) client(t *testing.T) *Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	require.NoError(t, err)
	return &Client{Kube: kube}
}

// Of hundreds of namespaces each that is closed costs one question, and they are
// asked a few at a time.
func TestManyNamespacesAreAskedGently(t *testing.T) {
	s := &closed{namespaces: 300}
	found, err := s.client(t).Leftovers(t.Context(), Scope{})
	require.NoError(t, err)
	require.Equal(t, []string{"job open/j"}, names(found.Items))
	require.Len(t, found.Unseen, 2)
	require.Contains(t, found.Unseen[1], "looked for them in each of 300, of which 299 may not be looked at, or not for all of these")
	namespaced := len(kinds) - 3
	require.Len(t, s.asked, len(kinds)+1+299+namespaced)
	require.LessOrEqual(t, s.most, lookers)
	require.Greater(t, s.most, 1)
}

// What is no lack of rights ends the look, wherever it happens.
func TestAnErrorInOneOfManyNamespaces(t *testing.T) {
	s := &closed{namespaces: 300, fails: "closed-7"}
	_, err := s.client(t).Leftovers(t.Context(), Scope{})
	require.ErrorContains(t, err, "cannot list jobs in namespace closed-7: ")
	require.Less(t, len(s.asked), 200) // a few where the answer is quick, all 300 where it is not heeded
}

// A deletion looks again and again, and only where there was something.
func TestSweepLooksWhereSomethingWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kube := server(&batchv1.Job{ObjectMeta: of("r", "open", "j")}, named("open"), named("work"), named("other"),
			&corev1.Pod{ObjectMeta: of("r2", "work", "p")})
		forbid(kube, "list", "*", metav1.NamespaceAll)
		allow(kube, "list", "namespaces")
		c := &Client{Kube: kube}
		found, err := c.Leftovers(t.Context(), Scope{Run: "r"})
		require.NoError(t, err)
		kube.ClearActions()
		left, err := c.Sweep(t.Context(), Scope{Run: "r"}, found.Items, sweepPatience)
		require.NoError(t, err)
		require.Empty(t, left)
		for _, a := range kube.Actions() {
			require.Contains(t, []string{"", "open"}, a.GetNamespace(), a)
		}
	})
}
