package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// planned is a session of which nothing but the plan and its texts is used.
func planned(t *testing.T, args ...string) *session {
	t.Helper()
	o, err := parsed(args)
	require.NoError(t, err)
	s := &session{options: o, say: newProgress(&bytes.Buffer{}, len(o.plan.Trials))}
	s.owner = manifests.Owner{Run: o.plan.Run, Namespace: "lag-" + o.plan.Run}
	return s
}

// TestKubeDNSIsOptional where nobody asked for it.
func TestKubeDNSIsOptional(t *testing.T) {
	for args, want := range map[string]bool{
		"--plan=standard":                  true,
		"--plan=quick":                     true,
		"--dns=kube-dns":                   false,
		"--plan=../records/providers.yaml": false,
	} {
		s := planned(t, args)
		require.Equal(t, want, s.optional(plan.KubeDNS), args)
		require.Equal(t, args == "--plan=quick", s.optional(plan.Cache30), "a control")
		s.resume = "dir"
		require.False(t, s.optional(plan.KubeDNS))
	}

	s := planned(t, "--plan=standard")
	var err error
	s.folder, err = results.Create(t.TempDir(), s.env.Collected)
	require.NoError(t, err)
	s.runner = s.newRunner()
	require.NoError(t, s.leaveOut(plan.KubeDNS, &url.Error{Op: "Post", URL: "https://192.0.2.1:6443/api", Err: errors.New("no image")}))
	require.NotContains(t, s.plan.PrivateDNS(), plan.KubeDNS)
	require.NoError(t, plan.Check(s.plan))
	require.Equal(t, s.plan, s.runner.Plan)
	require.Equal(t, []string{"The plan's arms with dns kube-dns were left out: Post: no image."}, s.env.Notes)
	r, err := results.Load(s.folder.Dir())
	require.NoError(t, err)
	require.Equal(t, s.plan, r.Plan)
	require.NoError(t, s.folder.Close())
}

// granting is what a Role in one namespace allows.
func granting(t *testing.T, file, namespace string) func(verb, group, resource, in string) bool {
	t.Helper()
	text, err := manifests.Text(file)
	require.NoError(t, err)
	var role rbacv1.Role
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &role))
	return func(verb, group, resource, in string) bool {
		return in == namespace && slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
			return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, verb)
		})
	}
}

// againstFake runs the program against a server.
func againstFake(t *testing.T, f *fakeAPI, args ...string) (stdout, stderr string, code int, dir string) {
	t.Helper()
	kubeconfig(t, f.URL)
	dir = t.TempDir()
	stdout, stderr, code = try(t, append(args, "--results", dir, "--pods", "2")...)
	return stdout, stderr, code, filepath.Join(dir, results.Latest)
}

// theNamespace is one that somebody has made for the user.
func (f *fakeAPI) theNamespace(name string) {
	f.store(placeOf("/api/v1/namespaces/"+name), map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": name, "labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}})
}

// left returns what is in the server besides what was there before.
func (f *fakeAPI) left() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for p := range maps.Keys(f.objects) {
		if p.resource != "nodes" && p.resource != "namespaces" {
			list = append(list, p.resource+" "+p.name)
		}
	}
	return list
}

// TestARoleIsEnough: under manifests/rbac.yaml alone a plan is carried out, and
// nothing is left. Whatever else is asked for is refused.
func TestARoleIsEnough(t *testing.T) {
	f := newFakeAPI(t)
	f.theNamespace("demo")
	f.grants = granting(t, "rbac.yaml", "demo")
	_, stderr, code, dir := againstFake(t, f, "-n", "demo", "--deliver", "preloaded", "--plan", "quick", "--dns", "cluster,uncached", "--extra", "none,service", "--observer", "peers")
	require.Equal(t, 0, code, stderr)
	require.Empty(t, f.left())
	for _, want := range []string{
		"\nok        namespace: demo is used as it is; Pod Security enforces restricted, and the pods meet every level\n",
		"\nunknown   nodes: this user lacks nodes (list), services (list), daemonsets (list) cluster-wide: which images the nodes have, for what architectures, and a DNS outside kube-system are not known beforehand (manifests/rbac-cluster.yaml grants it)\n",
		"\ndegraded  private dns: this user may not create all that a private DNS consists of (clusterroles (create, get, list, delete), clusterrolebindings (create, get, list, delete) cluster-wide); arms with uncached are left out (manifests/rbac-cluster.yaml is what a cluster admin may grant)\n",
		"\nplan quick: 2 trials",
	} {
		require.Contains(t, stderr, want)
	}
	require.Less(t, strings.LastIndex(stderr, "\nplan quick: 2 trials"), strings.Index(stderr, "results go to"), "before anything is created")
	r, err := results.Load(dir)
	require.NoError(t, err)
	require.Len(t, r.Plan.Trials, 2)
	var env environment.Environment
	require.NoError(t, yaml.Unmarshal(r.Environment, &env))
	require.Contains(t, env.Notes[0], "arms with uncached are left out")
	require.GreaterOrEqual(t, len(env.Preflight), 8)
	require.NotContains(t, string(r.Environment), `"u"`)
}

// TestDomainIsFoundOut: where no Corefile may be read, what pods of the cluster
// search is what those of a private DNS are given. What the user says counts
// more.
func TestDomainIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		admin bool // of the cluster, which has no Corefile
		args  []string
		want  string
	}{
		{false, []string{"--dns", "forwarding"}, "k8s.example"},
		{false, []string{"--dns", "forwarding", "--cluster-domain", "said.example"}, "said.example"},
		{true, []string{"--dns", "uncached"}, "k8s.example"},
	} {
		f := newFakeAPI(t)
		f.theNamespace("demo")
		f.domain = "k8s.example"
		if !c.admin {
			f.grants = granting(t, "rbac.yaml", "demo")
		}
		args := append([]string{"-n", "demo", "--deliver", "preloaded", "--plan", "quick", "--extra", "none", "--observer", "peers"}, c.args...)
		_, stderr, code, _ := againstFake(t, f, args...)
		require.Equal(t, 0, code, stderr)
		given := f.searched()
		require.NotEmpty(t, given)
		for _, searches := range given {
			require.Equal(t, []string{"demo.svc." + c.want, "svc." + c.want, c.want}, searches)
		}
	}
}

// searched returns the search lists of all pods of Jobs that were given one.
func (f *fakeAPI) searched() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all [][]string
	for _, e := range f.events {
		var o struct{ Object batchv1.Job }
		if e.at.resource != "jobs" || json.Unmarshal(e.text, &o) != nil {
			continue
		}
		if dns := o.Object.Spec.Template.Spec.DNSConfig; dns != nil && len(dns.Searches) > 0 {
			all = append(all, dns.Searches)
		}
	}
	return all
}

// TestWithoutTheRole nothing is created.
func TestWithoutTheRole(t *testing.T) {
	f := newFakeAPI(t)
	f.theNamespace("demo")
	f.grants = func(verb, _, resource, _ string) bool {
		return verb == "list" || verb == "get" && resource == "namespaces"
	}
	_, stderr, code, dir := againstFake(t, f, "-n", "demo", "--deliver", "preloaded", "--dns", "cluster", "--extra", "none", "--observer", "peers")
	require.Equal(t, 2, code, stderr)
	require.NoDirExists(t, dir)
	require.Empty(t, f.left())
	require.Contains(t, stderr, "\nkind: Role\n")
	require.Contains(t, lastLine(stderr), "this user lacks in namespace demo what the plan needs: jobs (create")

	_, stderr, code, _ = againstFake(t, f, "--deliver", "preloaded", "--dns", "cluster", "--extra", "none", "--observer", "peers")
	require.Equal(t, 2, code, stderr)
	require.Equal(t, "repro: this user may not make a namespace for the run, which takes namespaces (create, delete) cluster-wide: name one with -n in which the printed Role is granted (manifests/rbac.yaml)", lastLine(stderr))

	// Nor is the probe built, which takes a minute the first time.
	_, stderr, code, _ = againstFake(t, f, "-n", "demo", "--deliver", "configmap", "--dns", "cluster", "--extra", "none", "--observer", "peers")
	require.Equal(t, 2, code, stderr)
	require.Contains(t, lastLine(stderr), "configmaps (create")
	require.NotContains(t, stderr, "building the probe")
}

// TestTheContextsNamespace stands in where none may be made, unless it is the
// one where everybody is who has not chosen.
func TestTheContextsNamespace(t *testing.T) {
	f := newFakeAPI(t)
	f.theNamespace("demo")
	f.grants = granting(t, "rbac.yaml", "demo")
	kubeconfig(t, f.URL)
	path := os.Getenv("KUBECONFIG")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	in := func(namespace string) (stderr string, code int, dir string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, bytes.Replace(text, []byte("user: u}"), []byte("user: u, namespace: "+namespace+"}"), 1), 0o600))
		dir = t.TempDir()
		_, stderr, code = try(t, "--results", dir, "--pods", "2", "--deliver", "preloaded", "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers")
		return stderr, code, filepath.Join(dir, results.Latest)
	}
	stderr, code, dir := in("demo")
	require.Equal(t, 0, code, stderr)
	const sentence = "this user may not make one for the run, which takes namespaces (create, get, list, delete) cluster-wide: demo, which the kubeconfig's context names, is used as it is (-n names another)"
	require.Contains(t, stderr, "\ndegraded  namespace: "+sentence+"\n")
	require.Contains(t, stderr, "\nok        namespace: demo is used as it is;")
	require.Empty(t, f.left())
	require.Contains(t, f.objects, placeOf("/api/v1/namespaces/demo"), "it is nobody's to delete")
	r, err := results.Load(dir)
	require.NoError(t, err)
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		require.Equal(t, "demo", tr.Run.Namespace)
	}
	var env environment.Environment
	require.NoError(t, yaml.Unmarshal(r.Environment, &env))
	require.Equal(t, sentence, env.Notes[0])

	stderr, code, _ = in(metav1.NamespaceDefault)
	require.Equal(t, 2, code, stderr)
	require.Contains(t, lastLine(stderr), "this user may not make a namespace for the run")

	f.grants = nil // who may make one gets one
	stderr, code, _ = in("demo")
	require.Equal(t, 0, code, stderr)
	require.NotContains(t, stderr, "degraded")
}

// TestRefusedInItsOwnNamespace: what only a namespace that exists can show ends
// the run before the first trial, and the namespace goes again.
func TestRefusedInItsOwnNamespace(t *testing.T) {
	f := newFakeAPI(t)
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/pods") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"` + string(metav1.StatusReasonForbidden) + `","code":403,"message":"admission webhook \"w\" denied the request: no owner"}`))
		return true
	}
	_, stderr, code, _ := againstFake(t, f, "--deliver", "preloaded", "--dns", "cluster", "--extra", "none", "--observer", "peers", "--run-id", "r")
	require.Equal(t, 1, code, stderr)
	require.Equal(t, `repro: a dry run of creating a pod of job lag-r/lag-r-t001 was refused: "admission webhook \"w\" denied the request: no owner"; have that allowed, or name another namespace with -n`, lastLine(stderr))
	require.Empty(t, f.left())
	require.NotContains(t, f.objects, placeOf("/api/v1/namespaces/lag-r"))
}

// TestResumedPlansAreNotChanged by missing rights.
func TestResumedPlansAreNotChanged(t *testing.T) {
	s := planned(t, "--plan", "quick")
	s.resume = "dir"
	subject, err := s.subject()
	require.NoError(t, err)
	require.True(t, subject.Fixed)
}
