package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/manifests"
)

// of makes an object's metadata as the API server would return it for an
// object of the run. Its UID is its name in capitals.
func of(run, namespace, name string, change ...func(*metav1.ObjectMeta)) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: name, Namespace: namespace, UID: uid(name), Labels: manifests.Owner{Run: run}.Labels(),
		CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour))}
	for _, c := range change {
		c(&m)
	}
	return m
}

func uid(name string) types.UID { return types.UID(strings.ToUpper(name)) }

func ownedBy(name string) func(*metav1.ObjectMeta) {
	yes := true
	return func(m *metav1.ObjectMeta) {
		m.OwnerReferences = []metav1.OwnerReference{{Name: name, UID: uid(name), Controller: &yes}}
	}
}

func born(ago time.Duration) func(*metav1.ObjectMeta) {
	return func(m *metav1.ObjectMeta) { m.CreationTimestamp = metav1.NewTime(time.Now().Add(-ago)) }
}

func dying(m *metav1.ObjectMeta) { now := metav1.Now(); m.DeletionTimestamp = &now }

func labelled(key, value string) func(*metav1.ObjectMeta) {
	return func(m *metav1.ObjectMeta) { m.Labels[key] = value }
}

func unlabelled(key string) func(*metav1.ObjectMeta) {
	return func(m *metav1.ObjectMeta) { delete(m.Labels, key) }
}

// wholeRun is one object of each kind, in a namespace of the run's.
func wholeRun(run string) []runtime.Object {
	ns := "lag-" + run
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: of(run, "", ns)},
		&rbacv1.ClusterRole{ObjectMeta: of(run, "", "role-"+run)},
		&rbacv1.ClusterRoleBinding{ObjectMeta: of(run, "", "binding-"+run)},
		&corev1.ServiceAccount{ObjectMeta: of(run, ns, "account-"+run)},
		&corev1.ConfigMap{ObjectMeta: of(run, ns, "config-"+run)},
		&corev1.Service{ObjectMeta: of(run, ns, "service-"+run)},
		&discoveryv1.EndpointSlice{ObjectMeta: of(run, ns, "slice-"+run, ownedBy("service-"+run))},
		&appsv1.Deployment{ObjectMeta: of(run, ns, "dns-"+run)},
		&appsv1.ReplicaSet{ObjectMeta: of(run, ns, "set-"+run, ownedBy("dns-"+run))},
		&corev1.Pod{ObjectMeta: of(run, ns, "replica-"+run, ownedBy("set-"+run))},
		&batchv1.Job{ObjectMeta: of(run, ns, "job-"+run)},
		&corev1.Pod{ObjectMeta: of(run, ns, "probe-"+run, ownedBy("job-"+run))},
		&corev1.Pod{ObjectMeta: of(run, ns, "extra-"+run)},
	}
}

func names(items []Leftover) []string {
	var out []string
	for _, l := range items {
		out = append(out, l.String())
	}
	return out
}

// forbid refuses a verb on a resource as RBAC does: everywhere, or only in the
// given namespace (empty: cluster-wide).
func forbid(kube *fake.Clientset, verb, resource string, where ...string) {
	kube.PrependReactor(verb, resource, func(a k8stesting.Action) (bool, runtime.Object, error) {
		if len(where) > 0 && !slices.Contains(where, a.GetNamespace()) {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: a.GetResource().Resource}, "", errors.New("no rights"))
	})
}

// named is a namespace that is nothing of ours.
func named(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// Whoever adds a kind to manifests/ must let it be found.
func TestEveryKindOfTheManifestsIsLookedFor(t *testing.T) {
	known := map[string]bool{}
	for _, k := range kinds {
		known[k.name] = true
	}
	files, err := filepath.Glob("../../manifests/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "rbac") {
			continue // for an administrator to apply; no run creates it
		}
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^kind: (\w+)`).FindAllSubmatch(b, -1) {
			require.True(t, known[strings.ToLower(string(m[1]))], "%s: add %s to the kinds", f, m[1])
		}
	}
}

func TestLeftoversAreFoundByLabelOnly(t *testing.T) {
	objs := append(wholeRun("r1"),
		&corev1.Pod{ObjectMeta: of("r2", "work", "mine")},
		&corev1.Pod{ObjectMeta: of("r2", "work", "theirs", labelled(manifests.LabelManagedBy, "helm"))},
		&corev1.Pod{ObjectMeta: of("r2", "work", "unmanaged", unlabelled(manifests.LabelManagedBy))},
		&corev1.Pod{ObjectMeta: of("r2", "work", "no-run", unlabelled(manifests.LabelRun))},
		&corev1.Pod{ObjectMeta: of("", "work", "empty-run")},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "work"}})
	all := []string{
		"job lag-r1/job-r1", "deployment lag-r1/dns-r1", "replicaset lag-r1/set-r1",
		"pod lag-r1/extra-r1", "pod lag-r1/probe-r1", "pod lag-r1/replica-r1", "pod work/mine",
		"service lag-r1/service-r1", "endpointslice lag-r1/slice-r1", "configmap lag-r1/config-r1", "serviceaccount lag-r1/account-r1",
		"clusterrolebinding binding-r1", "clusterrole role-r1", "namespace lag-r1",
	}
	for _, tc := range []struct {
		name  string
		scope Scope
		want  []string
	}{
		{"all", Scope{}, all},
		{"one run", Scope{Run: "r2"}, []string{"pod work/mine"}},
		{"unknown run", Scope{Run: "r"}, nil},
		{"cluster-wide only", Scope{ClusterWide: true}, all[len(all)-3:]},
		{"a namespace to fall back to changes nothing", Scope{Namespace: "work"}, all},
		{"within a namespace", Scope{Namespace: "work", Within: true}, append([]string{"pod work/mine"}, all[len(all)-3:]...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &Client{Kube: fake.NewClientset(objs...)}
			found, err := c.Leftovers(t.Context(), tc.scope)
			require.NoError(t, err)
			require.Equal(t, tc.want, names(found.Items))
			require.Empty(t, found.Unseen)
			for _, l := range found.Items {
				derived := slices.Contains([]string{"set-r1", "replica-r1", "probe-r1", "slice-r1"}, l.Name)
				require.Equal(t, derived, l.Derived, l.Name)
			}
		})
	}
}

func TestLackOfRightsIsSaid(t *testing.T) {
	type no struct {
		resource string
		where    []string
	}
	everywhere := []string{""}
	namespaced := []string{"jobs", "deployments", "daemonsets", "replicasets", "pods", "services", "endpointslices", "configmaps", "serviceaccounts",
		"rolebindings", "roles"}
	for _, tc := range []struct {
		name   string
		no     []no
		want   []string
		unseen []string
		err    string
	}{
		{name: "one kind", no: []no{{"pods", everywhere}},
			want:   []string{"pod lag-r1/probe", "pod work/mine", "service other/far", "namespace lag-r1"},
			unseen: []string{"may not list pods in all namespaces: looked for them in namespace lag-r1, work only (name another with -n)"}},
		{name: "one kind, and no namespaces", no: []no{{"pods", everywhere}, {"namespaces", nil}},
			want: []string{"pod work/mine", "service other/far"},
			unseen: []string{"may not list namespaces: whether any are left",
				"may not list pods in all namespaces: looked for them in namespace work only (name another with -n)"}},
		{name: "not even there", no: []no{{"pods", nil}},
			want: []string{"service other/far", "namespace lag-r1"},
			unseen: []string{"looked for them in namespace lag-r1, work only",
				"may not list pods in namespace lag-r1: whether any", "may not list pods in namespace work: whether any"}},
		{name: "a namespace's admin", no: []no{{"*", everywhere}},
			want: []string{"pod work/mine"},
			unseen: []string{"may not list clusterrolebindings, clusterroles, namespaces: whether any are left",
				"may not list " + strings.Join(namespaced, ", ") + " in all namespaces: looked for them in namespace work only (name another with -n)"}},
		{name: "nobody", no: []no{{"*", nil}}, err: `may list nothing of what runs create, neither cluster-wide nor in namespace "work"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kube := fake.NewClientset(
				&corev1.Namespace{ObjectMeta: of("r1", "", "lag-r1")}, named("work"), named("other"), named("closed"),
				&corev1.Pod{ObjectMeta: of("r1", "lag-r1", "probe")},
				&corev1.Pod{ObjectMeta: of("r2", "work", "mine")},
				&corev1.Pod{ObjectMeta: of("r2", "other", "hidden")},
				&corev1.Service{ObjectMeta: of("r2", "other", "far")})
			for _, n := range tc.no {
				forbid(kube, "list", n.resource, n.where...)
			}
			found, err := (&Client{Kube: kube}).Leftovers(t.Context(), Scope{Namespace: "work"})
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, names(found.Items))
			require.Len(t, found.Unseen, len(tc.unseen))
			for i, want := range tc.unseen {
				require.Contains(t, found.Unseen[i], want)
			}
		})
	}
}

func TestOtherErrorsEndTheLook(t *testing.T) {
	kube := fake.NewClientset(jobPod())
	kube.PrependReactor("list", "services", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connection reset")
	})
	_, err := (&Client{Kube: kube}).Leftovers(t.Context(), Scope{})
	require.EqualError(t, err, "cannot list services in all namespaces: connection reset")
}

func TestRunsOldestFirstAndWhetherAlive(t *testing.T) {
	active := &batchv1.Job{ObjectMeta: of("active", "ns", "job")}
	active.Status.Active = 2
	c := &Client{Kube: fake.NewClientset(
		&corev1.Pod{ObjectMeta: of("new", "ns", "a", born(time.Minute))},
		&corev1.Service{ObjectMeta: of("new", "ns", "b")},
		&corev1.Pod{ObjectMeta: of("old", "ns", "c", born(48*time.Hour))},
		&corev1.Pod{ObjectMeta: of("going", "ns", "d", born(30*time.Minute))},
		&corev1.Pod{ObjectMeta: of("going", "ns", "e", born(time.Minute), dying)},
		active)}
	found, err := c.Leftovers(t.Context(), Scope{})
	require.NoError(t, err)
	var ids, alive []string
	for _, r := range found.Runs() {
		ids, alive = append(ids, r.ID), append(alive, r.Alive(time.Now()))
	}
	require.Equal(t, []string{"old", "active", "new", "going"}, ids)
	require.Equal(t, []string{"", "job ns/job is active", "pod ns/a is new", ""}, alive)
	require.Empty(t, Leftovers{}.Runs())
}

func TestHoldingSaysWhatToLookAt(t *testing.T) {
	stuck := corev1.NamespaceStatus{Conditions: []corev1.NamespaceCondition{
		{Type: corev1.NamespaceDeletionContentFailure, Status: corev1.ConditionFalse, Message: "fine"},
		{Type: corev1.NamespaceContentRemaining, Status: corev1.ConditionTrue, Message: "widgets has 1 resource instances"}}}
	for want, o := range map[string]metav1.Object{
		"widgets has 1 resource instances":    &corev1.Namespace{Status: stuck},
		"node n1 has not confirmed":           &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n1"}},
		"held by finalizers a.io/x, b.io/y":   &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"a.io/x", "b.io/y"}}, Spec: corev1.PodSpec{NodeName: "n1"}},
		"accepted, but it is still there":     &corev1.Service{},
		"held by finalizers service.io/clean": &corev1.Service{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"service.io/clean"}}},
	} {
		require.Contains(t, holding(o), want)
	}
}
