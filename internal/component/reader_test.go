package component

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// api is an API server that has pods, nodes, and pages of metrics.
type api struct {
	mu    sync.Mutex
	nodes []string
	pods  []corev1.Pod
	pages map[string]http.HandlerFunc // by path
	asked map[string]int              // how often, by path
}

func page(format string, a ...any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, format, a...) }
}

// refuse answers as an API server that refuses, or could not reach, something.
func refuse(code int, reason metav1.StatusReason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Reason: reason, Message: message})
	}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked == nil {
		a.asked = map[string]int{}
	}
	a.asked[r.URL.Path]++
	if h := a.pages[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/api/v1/nodes":
		list := corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}}
		for _, n := range a.nodes {
			list.Items = append(list.Items, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n}})
		}
		json.NewEncoder(w).Encode(list)
	case strings.HasSuffix(r.URL.Path, "/pods"):
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
		q := r.URL.Query()
		for _, p := range a.pods {
			_, component, _ := strings.Cut(q.Get("labelSelector"), "=")
			_, ip, _ := strings.Cut(q.Get("fieldSelector"), "=")
			if strings.Contains(r.URL.Path, "/"+p.Namespace+"/") && component == p.Labels["component"] && (ip == "" || ip == p.Status.PodIP) {
				list.Items = append(list.Items, p)
			}
		}
		json.NewEncoder(w).Encode(list)
	default:
		refuse(404, metav1.StatusReasonNotFound, "not here")(w, r)
	}
}

func pod(namespace, name, ip string, port int32) corev1.Pod {
	named := ""
	if port == 9153 || port == 9253 {
		named = "metrics"
	}
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: named, ContainerPort: port}}}}},
		Status:     corev1.PodStatus{PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}},
	}
}

func reader(t *testing.T, a *api) *Reader {
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: s.URL, QPS: 1000, Burst: 1000})
	require.NoError(t, err)
	return NewReader(kube, "run")
}

const (
	dnsPath  = "/api/v1/namespaces/run/pods/dns-1:9153/proxy/metrics"
	nodePath = "/api/v1/nodes/n1/proxy/metrics"
	kcmPath  = "/api/v1/namespaces/kube-system/pods/https:kcm:10257/proxy/metrics"
)

func cluster() *api {
	kcm := pod("kube-system", "kcm", "10.0.0.1", 10257)
	kcm.Labels = map[string]string{"component": "kube-controller-manager"}
	return &api{
		nodes: []string{"n1"},
		// On the node's network pods share an address; the port tells.
		pods: []corev1.Pod{pod("run", "other", "10.244.0.4", 80), pod("run", "dns-1", "10.244.0.4", 9153), pod("kube-system", "dns-2", "10.244.0.5", 9253), kcm},
		pages: map[string]http.HandlerFunc{
			dnsPath: page("coredns_cache_hits_total{type=\"denial\",zones=\".\"} 3\n"),
			"/api/v1/namespaces/kube-system/pods/dns-2:9253/proxy/metrics": page("coredns_cache_requests_total 5\n"),
			nodePath: page("kubelet_pleg_relist_interval_seconds_count 7\n"),
			kcmPath:  page("endpoint_slice_controller_syncs{result=\"stale\"} 1\n"),
		},
	}
}

func TestRead(t *testing.T) {
	a := cluster()
	r := reader(t, a)
	replicas := []string{"10.244.0.4:1053", "10.244.0.4:53", "10.244.0.5:53"}
	before := r.Read(t.Context(), replicas)
	require.Equal(t, Snapshot{
		"coredns 10.244.0.4:9153": {`coredns_cache_hits_total{type="denial"}`: 3},
		"coredns 10.244.0.5:9253": {"coredns_cache_requests_total": 5},
		"kubelet n1":              {"kubelet_pleg_relist_interval_seconds_count": 7},
		"kube-controller-manager": {`endpoint_slice_controller_syncs{result="stale"}`: 1},
	}, before)
	require.Empty(t, r.Notes())
	a.pages[dnsPath] = page("coredns_cache_hits_total{type=\"denial\"} 5\ncoredns_cache_hits_total{type=\"success\"} 1\n")
	after := r.Read(t.Context(), replicas)
	require.Equal(t, []Reading{
		{"coredns 10.244.0.4:9153", `coredns_cache_hits_total{type="denial"}`, 3, 5},
		{"coredns 10.244.0.4:9153", `coredns_cache_hits_total{type="success"}`, 0, 1},
	}, Changes(before, after))
	require.Equal(t, 2, a.asked[dnsPath], "once a reading")
	require.Equal(t, 1, a.asked["/api/v1/nodes"], "looked up once")
}

// What may not or cannot be read is left out, is not asked again, and is said
// once for each kind.
func TestWhatCannotBeReadIsSaidOnce(t *testing.T) {
	a := cluster()
	a.nodes = []string{"n1", "n2", "n3"}
	for _, n := range a.nodes {
		a.pages["/api/v1/nodes/"+n+"/proxy/metrics"] = refuse(403, metav1.StatusReasonForbidden, `nodes "x" is forbidden: User "u" cannot get resource "nodes/proxy"`)
	}
	a.pages[dnsPath] = refuse(503, metav1.StatusReasonServiceUnavailable, "error trying to reach service: <b>\n|"+strings.Repeat("x", 1000))
	a.pages[kcmPath] = page("<html>")
	r := reader(t, a)
	for range 3 {
		require.Equal(t, Snapshot{"kube-controller-manager": {}}, r.Read(t.Context(), []string{"10.244.0.4:1053", "10.244.0.9:53"}))
	}
	require.Equal(t, 1, a.asked[nodePath])
	require.Equal(t, 1, a.asked[dnsPath])
	notes := r.Notes()
	slices.Sort(notes)
	require.Len(t, notes, 2)
	require.Contains(t, notes[0], "coredns 10.244.0.9 are not read: no pod with this address has a port called metrics")
	require.Equal(t, "metrics of kubelet n1 are not read: no right to read them", notes[1], "who asked is not published")
	for _, n := range notes {
		require.Less(t, len(n), 300)
		require.NotContains(t, n, "\n")
	}
}

func TestReasonsAreShortAndPrintable(t *testing.T) {
	r := reader(t, cluster())
	r.note("k", "coredns", fmt.Errorf("a\nb\x1b[31m%s", strings.Repeat("é", 1000)))
	require.Equal(t, "metrics of coredns are not read: a b [31m"+strings.Repeat("é", maxReason-8)+"...", r.Notes()[0])
}

func TestNothingMayBeListed(t *testing.T) {
	a := cluster()
	no := refuse(403, metav1.StatusReasonForbidden, "no")
	for _, path := range []string{"/api/v1/nodes", "/api/v1/namespaces/kube-system/pods", "/api/v1/namespaces/run/pods"} {
		a.pages[path] = no
	}
	r := reader(t, a)
	require.Empty(t, r.Read(t.Context(), []string{"10.244.0.4:1053"}))
	require.Len(t, r.Notes(), 3)
	require.Nil(t, Changes(Snapshot{}, Snapshot{}))
}

// A component that does not answer costs Limit once and no trial.
func TestReadingIsLimited(t *testing.T) {
	t.Parallel()
	a := cluster()
	a.pages[nodePath] = func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Unlock() // let the others be served
		defer a.mu.Lock()
		<-r.Context().Done()
	}
	r := reader(t, a)
	began := time.Now()
	s := r.Read(t.Context(), []string{"10.244.0.4:1053"})
	require.Less(t, time.Since(began), Limit+time.Second)
	require.Len(t, s, 2, "the others were read")
	require.Equal(t, []string{"metrics of kubelet n1 are not read: no answer within 2s"}, r.Notes())
	began = time.Now()
	r.Read(t.Context(), []string{"10.244.0.4:1053"})
	require.Less(t, time.Since(began), Limit)

	ctx, stop := context.WithCancel(t.Context())
	stop()
	r = reader(t, cluster())
	require.Empty(t, r.Read(ctx, nil))
	require.Empty(t, r.Notes(), "an interrupt says nothing about the components")
}

func TestManyNodes(t *testing.T) {
	a := cluster()
	a.nodes = nil
	for i := range 30 {
		n := fmt.Sprintf("n%02d", i)
		a.nodes = append(a.nodes, n)
		a.pages["/api/v1/nodes/"+n+"/proxy/metrics"] = page("kubelet_pleg_relist_interval_seconds_count 7\n")
	}
	r := reader(t, a)
	require.Len(t, r.Read(t.Context(), nil), maxNodes+1)
	require.Contains(t, r.Notes()[0], "10 of 30 are read")
}

func TestChanges(t *testing.T) {
	before := Snapshot{"a": {"x": 1, "y": 2}, "b": {"x": 9}, "gone": {"x": 1}}
	after := Snapshot{"a": {"x": 1, "y": 5, "z": 1}, "b": {"x": 2}, "late": {"x": 1}}
	require.Equal(t, []Reading{{"a", "y", 2, 5}, {"a", "z", 0, 1}, {"b", "x", 9, 2}}, Changes(before, after),
		"what was not read both times is left out; b started anew")
	many := Snapshot{"a": {}}
	for i := range 2 * maxReadings {
		many["a"][fmt.Sprint(i)] = 1
	}
	require.Len(t, Changes(Snapshot{"a": {}}, many), maxReadings)
}
