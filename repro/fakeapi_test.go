package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// fakeAPI is an API server that believes what it is told, with Jobs whose pods
// run at once and have said everything: for tests of the program from its
// arguments to its files. It knows no kinds, only paths.
type fakeAPI struct {
	*httptest.Server
	// grants, where not nil, says whether the user may do something with a
	// resource ("pods/log"); all is allowed otherwise.
	grants func(verb, group, resource, namespace string) bool
	// instead, where not nil, may answer a request in the server's place.
	instead func(w http.ResponseWriter, r *http.Request) bool
	// after, where not nil, is told what was answered, before the answer leaves.
	after func(r *http.Request)
	// domain is the cluster's; empty: cluster.local.
	domain string

	mu      sync.Mutex
	objects map[place]*unstructured.Unstructured
	events  []fakeEvent   // all that happened; the resource version is their number
	more    chan struct{} // closed when there are more events
	headers []http.Header // of every request
}

// place is where an object is, or a collection where name is empty.
type place struct{ group, resource, namespace, name, sub string }

func placeOf(path string) (p place) {
	s := strings.Split(strings.Trim(path, "/"), "/")
	n := 2 // api/v1
	if s[0] == "apis" {
		n = 3
	}
	n = min(n, len(s))
	p.group, s = strings.Join(s[:n], "/"), s[n:]
	if len(s) > 2 && s[0] == "namespaces" {
		p.namespace, s = s[1], s[2:]
	}
	for i, to := range []*string{&p.resource, &p.name, &p.sub} {
		if i < len(s) {
			*to = s[i]
		}
	}
	return p
}

// has tells whether an object is in a collection.
func (c place) has(o place) bool {
	return c.group == o.group && c.resource == o.resource && (c.namespace == "" || c.namespace == o.namespace)
}

type fakeEvent struct {
	at     place
	labels labels.Set
	text   []byte // as a watch sends it
}

// newFakeAPI starts one that speaks TLS, with one node and no DNS.
func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{objects: map[place]*unstructured.Unstructured{}, more: make(chan struct{})}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	f.store(placeOf("/api/v1/namespaces/kube-system"), map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "kube-system"}})
	f.store(placeOf("/api/v1/nodes/n"), map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n", "labels": map[string]any{"kubernetes.io/os": "linux"}}, "status": map[string]any{
		"allocatable": map[string]any{"pods": "100", "cpu": "8", "memory": "16Gi"}, "conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		"images": []any{map[string]any{"names": []any{"localhost/headless-job-dns-probe:dev"}}}}})
	return f
}

func (f *fakeAPI) store(at place, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: fields}
	o.SetUID(types.UID(fmt.Sprint("uid-", len(f.events))))
	o.SetCreationTimestamp(metav1.Now())
	f.objects[at] = o
	f.happened("ADDED", at)
	return o
}

func (f *fakeAPI) happened(what string, at place) {
	o := f.objects[at]
	o.SetResourceVersion(fmt.Sprint(len(f.events) + 1))
	text, err := json.Marshal(map[string]any{"type": what, "object": o.Object})
	if err != nil {
		panic(err)
	}
	f.events = append(f.events, fakeEvent{at, o.GetLabels(), text})
	close(f.more)
	f.more = make(chan struct{})
}

// forget drops what the server keeps of requests, for tests that watch memory.
func (f *fakeAPI) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers = nil
	f.events = make([]fakeEvent, len(f.events)) // a watch may still read the old ones
}

// remove takes away an object and what goes with it: what is in a namespace,
// the pods of a Job or a Deployment.
func (f *fakeAPI) remove(at place) {
	name, uid := f.objects[at].GetName(), f.objects[at].GetUID()
	for p, o := range f.objects {
		owner := metav1.GetControllerOf(o)
		if at.resource == "namespaces" && p.namespace == name || owner != nil && owner.UID == uid {
			f.happened("DELETED", p)
			delete(f.objects, p)
		}
	}
	f.happened("DELETED", at)
	delete(f.objects, at)
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.headers = append(f.headers, r.Header.Clone())
	f.mu.Unlock()
	if f.instead != nil && f.instead(w, r) {
		return
	}
	q, at := r.URL.Query(), placeOf(r.URL.Path)
	match, err := labels.Parse(q.Get("labelSelector"))
	if err != nil {
		answer400(w, err)
		return
	}
	in := at.namespace
	if at.resource == "namespaces" {
		in = at.name
	}
	if verb := verbOf(r, at); at.resource != "" && !f.granted(verb, at.group, at.resource, at.sub, in) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(status(http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf("%s is forbidden: User \"u\" cannot %s resource %q in namespace %q", at.resource, verb, at.resource, in)))
		return
	}
	if q.Get("watch") != "" {
		f.watch(w, r, at, match)
		return
	}
	if at.sub == "log" {
		f.log(w, at)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	code, body := f.answer(r, at, match)
	if f.after != nil {
		f.after(r)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}

// granted asks grants. Everybody may ask what he may do.
func (f *fakeAPI) granted(verb, group, resource, sub, namespace string) bool {
	_, group, _ = strings.Cut(group, "/") // apis/batch/v1 and api/v1
	group = strings.TrimSuffix(strings.TrimSuffix(group, "v1"), "/")
	if sub != "" {
		resource += "/" + sub
	}
	return f.grants == nil || group == "authorization.k8s.io" || f.grants(verb, group, resource, namespace)
}

// verbOf is the verb of a request, as RBAC has it.
func verbOf(r *http.Request, at place) string {
	switch {
	case r.URL.Query().Get("watch") != "":
		return "watch"
	case r.Method == http.MethodPost:
		return "create"
	case r.Method == http.MethodDelete && at.name == "":
		return "deletecollection"
	case r.Method == http.MethodDelete:
		return "delete"
	case at.name == "":
		return "list"
	}
	return "get"
}

func answer400(w http.ResponseWriter, err error) { http.Error(w, err.Error(), http.StatusBadRequest) }

// status is a refusal as an API server words it.
func status(code int, reason metav1.StatusReason, message string) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message}
}

func (f *fakeAPI) answer(r *http.Request, at place, match labels.Selector) (int, any) {
	if r.URL.Path == "/version" {
		return 200, map[string]string{"major": "1", "minor": "36", "gitVersion": "v1.36.3"}
	}
	switch o := f.objects[at]; {
	case r.Method == http.MethodPost:
		fields, err := decode(r.Body)
		if err != nil {
			return 400, status(400, metav1.StatusReasonBadRequest, err.Error())
		}
		if at.resource == "selfsubjectaccessreviews" {
			of, _, _ := unstructured.NestedStringMap(fields, "spec", "resourceAttributes")
			allowed := f.granted(of["verb"], "apis/"+of["group"], of["resource"], of["subresource"], of["namespace"])
			fields["status"] = map[string]any{"allowed": allowed}
			return 201, fields
		}
		at.name = (&unstructured.Unstructured{Object: fields}).GetName()
		if f.objects[at] != nil {
			return 409, status(409, metav1.StatusReasonAlreadyExists, at.name+" already exists")
		}
		if r.URL.Query().Get("dryRun") != "" {
			return 201, fields
		}
		o = f.store(at, fields)
		if at.resource == "jobs" {
			f.run(at, o)
		}
		if at.resource == "deployments" {
			f.serve(at, o)
		}
		return 201, o.Object
	case r.Method == http.MethodDelete:
		for p, o := range f.objects {
			if p == at || at.name == "" && at.has(p) && match.Matches(labels.Set(o.GetLabels())) {
				if f.objects[p] != nil { // it may have gone with another
					f.remove(p)
				}
			}
		}
		return 200, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}
	case o != nil:
		return 200, o.Object
	case at.name == "":
		items := []any{}
		for _, p := range slices.SortedFunc(maps.Keys(f.objects), func(a, b place) int { return cmp.Compare(a.name, b.name) }) {
			if o := f.objects[p]; at.has(p) && match.Matches(labels.Set(o.GetLabels())) {
				items = append(items, o.Object)
			}
		}
		return 200, map[string]any{"metadata": map[string]any{"resourceVersion": fmt.Sprint(len(f.events))}, "items": items}
	}
	return 404, status(404, metav1.StatusReasonNotFound, at.resource+" "+at.name+" not found")
}

// decode reads an object in whatever encoding the client chose.
func decode(body io.Reader) (map[string]any, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	o, kind, err := scheme.Codecs.UniversalDeserializer().Decode(b, nil, nil)
	if err != nil {
		return nil, err
	}
	o.GetObjectKind().SetGroupVersionKind(*kind)
	return runtime.DefaultUnstructuredConverter.ToUnstructured(o)
}

// run makes a Job's pods: running, with an address.
func (f *fakeAPI) run(at place, job *unstructured.Unstructured) {
	n, _, _ := unstructured.NestedInt64(job.Object, "spec", "completions")
	template, _, _ := unstructured.NestedStringMap(job.Object, "spec", "template", "metadata", "labels")
	started := time.Now().UnixNano()
	for i := range n {
		labels := map[string]any{"job-name": job.GetName()}
		for k, v := range template {
			labels[k] = v
		}
		name := fmt.Sprintf("%s-%d", job.GetName(), i)
		f.store(place{"api/v1", "pods", at.namespace, name, ""}, map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": at.namespace, "labels": labels, "ownerReferences": ownedBy(job),
				"annotations": map[string]any{batchv1.JobCompletionIndexAnnotation: fmt.Sprint(i), "started": fmt.Sprint(started)}},
			"spec": map[string]any{"nodeName": "n"},
			"status": map[string]any{"phase": "Running", "podIP": synth.Addr(int(i)), "podIPs": []any{map[string]any{"ip": synth.Addr(int(i))}},
				"containerStatuses": []any{map[string]any{"name": manifests.ProbeContainer, "state": map[string]any{"running": map[string]any{}}}}},
		})
	}
}

// serve has a Deployment available, with one pod.
func (f *fakeAPI) serve(at place, deployment *unstructured.Unstructured) {
	n, _, _ := unstructured.NestedInt64(deployment.Object, "spec", "replicas")
	deployment.Object["status"] = map[string]any{"availableReplicas": max(1, n)}
	labels, _, _ := unstructured.NestedMap(deployment.Object, "spec", "template", "metadata", "labels")
	name := at.name + "-0"
	f.store(place{"api/v1", "pods", at.namespace, name, ""}, map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": name, "namespace": at.namespace, "labels": labels, "ownerReferences": ownedBy(deployment)},
		"status":   map[string]any{"phase": "Running", "podIP": "10.244.0.2"}})
}

// ownedBy is what a controller writes on the pods that it makes; a Deployment's
// by way of a ReplicaSet.
func ownedBy(o *unstructured.Unstructured) []any {
	return []any{map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "name": o.GetName(), "uid": string(o.GetUID()), "controller": true}}
}

// log writes what a probe would have: of a trial in which all went well, or of
// a DNS that caches nothing, forwarding excepted.
func (f *fakeAPI) log(w io.Writer, at place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at.sub = ""
	pod := f.objects[at]
	if pod == nil {
		return
	}
	index, wall := indexOf(pod), int64(0)
	fmt.Sscan(pod.GetAnnotations()["started"], &wall)
	siblings := map[int]*unstructured.Unstructured{}
	for p, o := range f.objects {
		_, indexed := o.GetAnnotations()[batchv1.JobCompletionIndexAnnotation] // an extra member pod has none
		if p.resource == "pods" && indexed && o.GetLabels()["job-name"] == pod.GetLabels()["job-name"] {
			siblings[indexOf(o)] = o
		}
	}
	t := synth.Peers("t001", plan.ClusterDNS, plan.ExtraNone, max(2, len(siblings)), 300*time.Millisecond, 400*time.Millisecond, false)
	lines := t.End().Run.Pods[index].Lines
	for _, l := range lines {
		switch {
		case l.Start != nil:
			l.Start.UID, l.Start.Wall, l.Start.Boot = string(pod.GetUID()), wall, "fake"
			l.Start.Domain = cmp.Or(f.domain, l.Start.Domain)
		case l.Dial != nil && l.Dial.Who != nil && siblings[l.Dial.Peer] != nil:
			// One clock for all of them.
			l.Dial.Who.UID, l.Dial.Who.Wall = string(siblings[l.Dial.Peer].GetUID()), wall+l.Dial.Asked
		}
	}
	if dns, check := strings.CutPrefix(pod.GetLabels()[manifests.LabelTrial], "check-"); check {
		ttls := []uint32{30, 30, 30}
		if dns == string(plan.Forwarding) {
			ttls = []uint32{30, 29, 28}
		}
		lines[0].Start.Resolv.Servers = []string{"10.96.0.10:53"}
		lines = append(lines[:1:1],
			record.Line{V: record.Version, Caching: &record.Caching{Server: "10.96.0.10:53", Positive: ttls, Negative: ttls}},
			record.Line{V: record.Version, Done: &record.Done{Reason: "complete"}})
	}
	for _, l := range lines {
		json.NewEncoder(w).Encode(l)
	}
}

func indexOf(pod *unstructured.Unstructured) (index int) {
	fmt.Sscan(pod.GetAnnotations()[batchv1.JobCompletionIndexAnnotation], &index)
	return index
}

// watch passes events on, from the version that was asked for. A list is to be
// asked for first.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request, of place, match labels.Selector) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("sendInitialEvents") != "" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		json.NewEncoder(w).Encode(status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents is forbidden"))
		return
	}
	next := 0
	fmt.Sscan(r.URL.Query().Get("resourceVersion"), &next)
	for {
		f.mu.Lock()
		events, more := slices.Clone(f.events[next:]), f.more // forget works on the original
		next += len(events)
		f.mu.Unlock()
		for _, e := range events {
			if e.text != nil && of.has(e.at) && match.Matches(e.labels) {
				w.Write(append(e.text, '\n'))
			}
		}
		http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}
