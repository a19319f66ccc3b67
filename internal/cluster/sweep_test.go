package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// sweepPatience is long in the tests' own time, which does not pass in ours.
const sweepPatience = time.Minute

// server is a fake that does what the API server does and the fake clientset
// does not: it keeps UID preconditions.
func server(objs ...runtime.Object) *fake.Clientset {
	kube := fake.NewClientset(objs...)
	kube.PrependReactor("delete", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		d := a.(k8stesting.DeleteActionImpl)
		o, err := kube.Tracker().Get(d.GetResource(), d.GetNamespace(), d.GetName())
		if err != nil {
			return true, nil, err
		}
		m, _ := meta.Accessor(o)
		if p := d.GetDeleteOptions().Preconditions; p == nil || p.UID == nil || *p.UID != m.GetUID() {
			return true, nil, apierrors.NewConflict(d.GetResource().GroupResource(), d.GetName(), errors.New("the UID in the precondition does not match"))
		}
		return false, nil, nil
	})
	return kube
}

// collected adds a garbage collector to the server: it comes before each look.
func collected(kube *fake.Clientset) *fake.Clientset {
	type of struct{ version, resource, kind string }
	each := func(k of, do func(metav1.Object)) {
		list, err := kube.Tracker().List(gvr(k.version, k.resource), gvk(k.version, k.kind), metav1.NamespaceAll)
		if err == nil { // nothing of the kind was ever there
			meta.EachListItem(list, func(o runtime.Object) error {
				m, err := meta.Accessor(o)
				do(m)
				return err
			})
		}
	}
	kube.PrependReactor("list", "jobs", func(k8stesting.Action) (bool, runtime.Object, error) {
		alive := map[types.UID]bool{}
		for _, k := range []of{{"batch/v1", "jobs", "Job"}, {"apps/v1", "deployments", "Deployment"}, {"v1", "services", "Service"}} {
			each(k, func(m metav1.Object) { alive[m.GetUID()] = true })
		}
		for _, k := range []of{{"apps/v1", "replicasets", "ReplicaSet"}, {"v1", "pods", "Pod"}, {"discovery.k8s.io/v1", "endpointslices", "EndpointSlice"}} {
			each(k, func(m metav1.Object) {
				if owner := metav1.GetControllerOf(m); owner != nil && !alive[owner.UID] {
					kube.Tracker().Delete(gvr(k.version, k.resource), m.GetNamespace(), m.GetName())
					return
				}
				alive[m.GetUID()] = true
			})
		}
		return false, nil, nil
	})
	return kube
}

// deletions lists what deletion was asked of, in order.
func deletions(kube *fake.Clientset) (out []string) {
	for _, a := range kube.Actions() {
		if d, ok := a.(k8stesting.DeleteActionImpl); ok {
			name := d.GetName()
			if ns := d.GetNamespace(); ns != "" {
				name = ns + "/" + name
			}
			out = append(out, d.GetResource().Resource+" "+name)
		}
	}
	return out
}

// sweepAll looks and sweeps what was found.
func sweepAll(t *testing.T, ctx context.Context, kube *fake.Clientset, s Scope) ([]Leftover, error) {
	t.Helper()
	c := &Client{Kube: kube}
	found, err := c.Leftovers(t.Context(), s)
	require.NoError(t, err)
	return c.Sweep(ctx, found, sweepPatience)
}

// whys maps what is left to the reason.
func whys(left []Leftover) map[string]string {
	out := map[string]string{}
	for _, l := range left {
		out[l.String()] = l.Why
	}
	return out
}

func TestSweepOrderAndPreconditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kube := collected(server(append(wholeRun("r1"), wholeRun("r2")...)...))
		left, err := sweepAll(t, t.Context(), kube, Scope{Run: "r1"})
		require.NoError(t, err)
		require.Empty(t, left)
		// What controllers made is left to the garbage collector.
		require.Equal(t, []string{"jobs lag-r1/job-r1", "deployments lag-r1/dns-r1", "pods lag-r1/extra-r1",
			"services lag-r1/service-r1", "configmaps lag-r1/config-r1", "serviceaccounts lag-r1/account-r1",
			"clusterrolebindings binding-r1", "clusterroles role-r1", "namespaces lag-r1"}, deletions(kube))
		for _, a := range kube.Actions() {
			require.NotEqual(t, "delete-collection", a.GetVerb(), "it keeps no UID precondition")
			if d, ok := a.(k8stesting.DeleteActionImpl); ok {
				require.Equal(t, metav1.DeletePropagationBackground, *d.GetDeleteOptions().PropagationPolicy, a)
				require.Equal(t, uid(d.GetName()), *d.GetDeleteOptions().Preconditions.UID)
			}
		}
		found, err := (&Client{Kube: kube}).Leftovers(t.Context(), Scope{})
		require.NoError(t, err)
		require.Len(t, found.Items, len(wholeRun("r2")), "the other run is untouched")
	})
}

// Everything that manifests can fill in is found and goes, and nothing beside
// it does.
func TestSweepOfWhatTheManifestsMake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := []runtime.Object{
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lag", UID: "1"}},
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "svc", Namespace: "lag", UID: "2"}},
			&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "lag", Namespace: "lag", UID: "3", Labels: map[string]string{"app": "lag"}}},
		}
		kube := server(theirs...)
		n := 0
		kube.PrependReactor("create", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
			m, err := meta.Accessor(a.(k8stesting.CreateActionImpl).GetObject())
			n++
			m.SetUID(uid(fmt.Sprint("made-", n)))
			return false, nil, err
		})
		owner := manifests.Owner{Run: "r", Namespace: "lag-r"}
		ns, err := manifests.Namespace(owner)
		require.NoError(t, err)
		dns, err := manifests.PrivateDNS(plan.NodeLocalCache30, manifests.PrivateDNSParams{Owner: owner, Name: "dns"})
		require.NoError(t, err)
		objs := append([]manifests.Object{ns}, dns...)
		owner.Trial = "t001"
		svc, err := manifests.Service(owner, "svc", "lag", false)
		require.NoError(t, err)
		job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: "lag", Service: "svc", Pods: 2})
		require.NoError(t, err)
		objs = append(objs, svc, job)
		for _, e := range plan.Extras {
			extra, err := manifests.Extra(e, manifests.ExtraParams{Owner: owner, Name: "extra-" + string(e), Job: "lag", Service: "svc"})
			require.NoError(t, err)
			objs = append(objs, extra...)
		}
		c := &Client{Kube: kube}
		for _, o := range objs {
			require.NoError(t, c.Create(t.Context(), o))
		}
		found, err := c.Leftovers(t.Context(), Scope{})
		require.NoError(t, err)
		require.Len(t, found.Items, len(objs))
		left, err := c.Sweep(t.Context(), found, sweepPatience)
		require.NoError(t, err)
		require.Empty(t, left)
		require.Len(t, deletions(kube), len(objs))
		for _, o := range theirs {
			require.ErrorIs(t, c.Free(t.Context(), o.(metav1.Object)), ErrTaken)
		}
	})
}

// Between the list that a person confirmed and the deletion, a name may become
// another object's, with our labels or without.
func TestSweepSparesWhatCameLater(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  *corev1.Pod
		left map[string]string
	}{
		{"the same name, not ours", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "NEW"}}, map[string]string{}},
		{"the same name, of the same run", &corev1.Pod{ObjectMeta: of("r", "ns", "p", func(m *metav1.ObjectMeta) { m.UID = "NEW" })},
			map[string]string{"pod ns/p": "it appeared during the deletion: is the run still alive?"}},
		{"the same name, of another run", &corev1.Pod{ObjectMeta: of("r2", "ns", "p", func(m *metav1.ObjectMeta) { m.UID = "NEW" })}, map[string]string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kube := server(&corev1.Pod{ObjectMeta: of("r", "ns", "p")})
				// Replaced when the first request for deletion is on its way.
				replaced := false
				kube.PrependReactor("delete", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
					if !replaced {
						replaced = true
						require.NoError(t, kube.Tracker().Update(gvr("v1", "pods"), tc.now, "ns"))
					}
					return false, nil, nil
				})
				left, err := sweepAll(t, t.Context(), kube, Scope{})
				require.NoError(t, err)
				require.Equal(t, tc.left, whys(left))
				p, err := kube.Tracker().Get(gvr("v1", "pods"), "ns", "p")
				require.NoError(t, err)
				require.EqualValues(t, "NEW", p.(*corev1.Pod).UID)
			})
		})
	}
}

func TestSweepSaysWhatIsLeftAndWhy(t *testing.T) {
	gone := func(*fake.Clientset) {}
	for _, tc := range []struct {
		name  string
		objs  []runtime.Object
		spoil func(*fake.Clientset)
		left  map[string]string // to a part of the reason
		err   string
		takes time.Duration // at most
	}{
		{name: "all gone", objs: []runtime.Object{&batchv1.Job{ObjectMeta: of("r", "ns", "j")}}, spoil: gone, takes: time.Second},
		{name: "a Job that may not be deleted keeps its pods, the rest goes at once",
			objs:  []runtime.Object{&batchv1.Job{ObjectMeta: of("r", "ns", "j")}, &corev1.Pod{ObjectMeta: of("r", "ns", "p", ownedBy("j"))}, &corev1.Service{ObjectMeta: of("r", "ns", "s")}},
			spoil: func(k *fake.Clientset) { forbid(k, "delete", "jobs") },
			left:  map[string]string{"job ns/j": "no rights", "pod ns/p": "job ns/j is still there"}, takes: time.Second},
		{name: "no garbage collector: the pods are deleted after its grace",
			objs:  []runtime.Object{&batchv1.Job{ObjectMeta: of("r", "ns", "j")}, &corev1.Pod{ObjectMeta: of("r", "ns", "p", ownedBy("j"))}},
			spoil: gone, takes: collectorGrace + 2*lastPause},
		{name: "the garbage collector is late, and what it takes is not the user's to delete",
			objs: []runtime.Object{&corev1.Service{ObjectMeta: of("r", "ns", "s")}, &discoveryv1.EndpointSlice{ObjectMeta: of("r", "ns", "sl", ownedBy("s"))}},
			spoil: func(k *fake.Clientset) {
				forbid(k, "delete", "endpointslices")
				collectAfter(k, 3*collectorGrace, "sl")
			}, takes: 3*collectorGrace + 2*lastPause},
		{name: "the garbage collector is late, and the owner is gone before the look",
			objs: []runtime.Object{&discoveryv1.EndpointSlice{ObjectMeta: of("r", "ns", "sl", ownedBy("s"))}},
			spoil: func(k *fake.Clientset) {
				forbid(k, "delete", "endpointslices")
				collectAfter(k, 3*collectorGrace, "sl")
			}, takes: 3*collectorGrace + 2*lastPause},
		{name: "no garbage collector, and what it takes is not the user's to delete",
			objs:  []runtime.Object{&corev1.Service{ObjectMeta: of("r", "ns", "s")}, &discoveryv1.EndpointSlice{ObjectMeta: of("r", "ns", "sl", ownedBy("s"))}},
			spoil: func(k *fake.Clientset) { forbid(k, "delete", "endpointslices") },
			left:  map[string]string{"endpointslice ns/sl": "no rights"}, takes: sweepPatience + time.Second},
		{name: "the right to look is lost",
			objs:  []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "c", dying)}},
			spoil: func(k *fake.Clientset) { loseAfter(k, "configmaps", time.Second, time.Hour) },
			left:  map[string]string{"configmap ns/c": "accepted"}, err: "may no longer list configmaps, and some were there: ", takes: sweepPatience + time.Second},
		{name: "the right to look is lost for a moment",
			objs: []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "c")}},
			spoil: func(k *fake.Clientset) {
				fail(k, "delete", "configmaps", 1)
				loseAfter(k, "configmaps", 50*time.Millisecond, 10*time.Second)
			}, takes: 15 * time.Second},
		{name: "held by a finalizer", objs: []runtime.Object{&corev1.Service{ObjectMeta: of("r", "ns", "s", dying, func(m *metav1.ObjectMeta) { m.Finalizers = []string{"x.io/y"} })}},
			spoil: gone, left: map[string]string{"service ns/s": "held by finalizers x.io/y"}, takes: sweepPatience + time.Second},
		{name: "an error that passes", objs: []runtime.Object{&rbacv1.ClusterRole{ObjectMeta: of("r", "", "c")}},
			spoil: func(k *fake.Clientset) { fail(k, "delete", "clusterroles", 3) }, takes: 5 * time.Second},
		{name: "an error that stays", objs: []runtime.Object{&rbacv1.ClusterRole{ObjectMeta: of("r", "", "c")}},
			spoil: func(k *fake.Clientset) { fail(k, "delete", "clusterroles", 1e6) },
			left:  map[string]string{"clusterrole c": "cannot delete it: server is ill"}, takes: sweepPatience + time.Second},
		{name: "the API server away for a while", objs: []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "c")}},
			spoil: func(k *fake.Clientset) { failAfter(k, "list", "configmaps", 2, 5) }, takes: 15 * time.Second},
		{name: "the API server away for a while, then something is left",
			objs:  []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "c", dying)}},
			spoil: func(k *fake.Clientset) { failAfter(k, "list", "configmaps", 2, 5) },
			left:  map[string]string{"configmap ns/c": "accepted"}, takes: sweepPatience + time.Second},
		{name: "the API server away for good", objs: []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "c")}},
			spoil: func(k *fake.Clientset) { failAfter(k, "list", "configmaps", 2, 1e6) },
			left:  map[string]string{"configmap ns/c": "accepted"}, err: "cannot list configmaps in all namespaces: server is ill", takes: sweepPatience + time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kube := server(tc.objs...)
				tc.spoil(kube)
				began := time.Now()
				left, err := sweepAll(t, t.Context(), kube, Scope{})
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.err)
				}
				require.LessOrEqual(t, time.Since(began), tc.takes)
				got := whys(left)
				require.Len(t, got, len(tc.left), "%v", got)
				for o, why := range tc.left {
					require.Contains(t, got[o], why, o)
				}
			})
		})
	}
}

// collectAfter has the garbage collector come to an EndpointSlice so late.
func collectAfter(kube *fake.Clientset, late time.Duration, name string) {
	began := time.Now()
	kube.PrependReactor("list", "endpointslices", func(k8stesting.Action) (bool, runtime.Object, error) {
		if time.Since(began) >= late {
			kube.Tracker().Delete(gvr("discovery.k8s.io/v1", "endpointslices"), "ns", name)
		}
		return false, nil, nil
	})
}

// loseAfter takes the right to list a kind away after a time, for another.
func loseAfter(kube *fake.Clientset, resource string, after, span time.Duration) {
	began := time.Now()
	kube.PrependReactor("list", resource, func(k8stesting.Action) (bool, runtime.Object, error) {
		if d := time.Since(began); d < after || d > after+span {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no rights"))
	})
}

// A right that is lost during the run leaves it unknown what is left of what was
// created; one that the user never had and never needed is nothing to say.
func TestClearSaysWhatItMayNotSee(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lost    []string
		span    time.Duration
		created []runtime.Object
		err     string
		left    []string // in the cluster
	}{
		{name: "of what was created", lost: []string{"clusterroles", "clusterrolebindings", "namespaces"}, span: time.Hour,
			created: []runtime.Object{&rbacv1.ClusterRole{ObjectMeta: of("r", "", "c")}, &rbacv1.ClusterRoleBinding{ObjectMeta: of("r", "", "b")}, &corev1.ConfigMap{ObjectMeta: of("r", "ns", "cm")}},
			err:     "this user may no longer list clusterrolebindings, clusterroles, and some were there: ",
			left:    []string{"clusterrolebinding b", "clusterrole c"}},
		{name: "for a moment", lost: []string{"configmaps"}, span: refusalPatience / 2,
			created: []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "cm")}}},
		{name: "of nothing that was created", lost: []string{"clusterroles", "clusterrolebindings", "namespaces"}, span: time.Hour,
			created: []runtime.Object{&corev1.ConfigMap{ObjectMeta: of("r", "ns", "cm")}}},
		{name: "of everything, and nothing was created", lost: []string{"*"}, span: time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kube := server()
				c := &Client{Kube: kube}
				for _, o := range tc.created {
					require.NoError(t, c.Create(t.Context(), o.(metav1.Object)))
				}
				for _, k := range tc.lost {
					loseAfter(kube, k, 0, tc.span)
				}
				left, err := c.Clear(t.Context(), Scope{Run: "r", Namespace: "ns", Within: true}, time.Minute)
				require.Empty(t, left)
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.err)
				}
				time.Sleep(tc.span + time.Second)
				found, err := c.Leftovers(t.Context(), Scope{})
				require.NoError(t, err)
				require.Equal(t, tc.left, names(found.Items))
			})
		})
	}
}

// Another process that was given the same run id keeps what it has created, and
// what controllers made of it.
func TestClearSparesAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := []runtime.Object{&corev1.Namespace{ObjectMeta: of("r", "", "lag-r")}, &rbacv1.ClusterRole{ObjectMeta: of("r", "", "c")},
			&batchv1.Job{ObjectMeta: of("r", "ns", "lag-r-t002")}, &corev1.Pod{ObjectMeta: of("r", "ns", "lag-r-t002-0", ownedBy("lag-r-t002"))},
			&batchv1.Job{ObjectMeta: of("r", "team-b", "lag-r-t001")}}
		kube := server(theirs...)
		c := &Client{Kube: kube}
		require.NoError(t, c.Create(t.Context(), &batchv1.Job{ObjectMeta: of("r", "ns", "lag-r-t001")}))
		require.NoError(t, kube.Tracker().Add(&corev1.Pod{ObjectMeta: of("r", "ns", "lag-r-t001-0", ownedBy("lag-r-t001"))}))
		// As kubectl delete --cascade=orphan leaves one.
		orphan := &corev1.Pod{ObjectMeta: of("r", "ns", "lag-r-t000-0")}
		orphan.Labels["job-name"] = "lag-r-t001"
		require.NoError(t, kube.Tracker().Add(orphan))
		left, err := c.Clear(t.Context(), Scope{Run: "r", Namespace: "ns", Within: true}, time.Minute)
		require.NoError(t, err)
		require.Empty(t, left)
		require.Equal(t, []string{"jobs ns/lag-r-t001", "pods ns/lag-r-t000-0", "pods ns/lag-r-t001-0"}, deletions(kube))
	})
}

func TestSweepIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithTimeout(t.Context(), 3*time.Second)
		defer interrupt()
		kube := server(&corev1.Pod{ObjectMeta: of("r", "ns", "p", dying)}, &corev1.Service{ObjectMeta: of("r", "ns", "s")})
		left, err := sweepAll(t, ctx, kube, Scope{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"pod ns/p"}, names(left))
	})
}

// fail makes the first n requests fail.
func fail(kube *fake.Clientset, verb, resource string, n int) { failAfter(kube, verb, resource, 0, n) }

// failAfter makes n requests fail after some have not.
func failAfter(kube *fake.Clientset, verb, resource string, ok, n int) {
	seen := 0
	kube.PrependReactor(verb, resource, func(k8stesting.Action) (bool, runtime.Object, error) {
		if seen++; seen > ok && seen <= ok+n {
			return true, nil, errors.New("server is ill")
		}
		return false, nil, nil
	})
}

func gvr(version, resource string) schema.GroupVersionResource {
	gv, _ := schema.ParseGroupVersion(version)
	return gv.WithResource(resource)
}

func gvk(version, kind string) schema.GroupVersionKind {
	gv, _ := schema.ParseGroupVersion(version)
	return gv.WithKind(kind)
}
