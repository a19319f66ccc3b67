package preflight

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/privatedns"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// cluster that a test makes up.
type world struct {
	kube *fake.Clientset
	deny []string // rights that are not granted: "create pods demo", "list nodes"

	mu    sync.Mutex
	asked []string // rights, in the same words
	// refuse answers a dry run with an error; nil: it is admitted.
	refuse func(o manifests.Object) error
	// admit changes what is admitted.
	admit func(o manifests.Object)
	s     Subject
}

// theWorld is a cluster on which nothing stands in the way: two nodes, CoreDNS,
// every right, a namespace "demo".
func theWorld(t *testing.T, levels plan.Levels, objs ...runtime.Object) *world {
	t.Helper()
	p, err := plan.Named("private")
	require.NoError(t, err)
	p.Run, p.Seed = "abc", 1
	p, err = plan.Build(p, with(plan.Levels{"names": "fresh", "extra": "none,service"}, levels))
	require.NoError(t, err)
	base := []runtime.Object{aNode("n1"), aNode("n2"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}}
	w := &world{kube: fake.NewClientset(append(base, objs...)...)}
	w.kube.PrependReactor("create", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		create := a.(k8stesting.CreateActionImpl)
		if review, ok := create.GetObject().(*authorizationv1.SelfSubjectAccessReview); ok {
			of := review.Spec.ResourceAttributes
			resource := of.Resource
			if of.Subresource != "" {
				resource += "/" + of.Subresource
			}
			asked := strings.TrimSpace(of.Verb + " " + resource + " " + of.Namespace)
			w.mu.Lock()
			w.asked = append(w.asked, asked)
			w.mu.Unlock()
			review.Status.Allowed = !slices.Contains(w.deny, asked) && !slices.Contains(w.deny, "everything")
			return true, review, nil
		}
		require.Equal(t, []string{"All"}, create.GetCreateOptions().DryRun, "nothing is created")
		o := create.GetObject().(manifests.Object)
		if w.refuse != nil {
			if err := w.refuse(o); err != nil {
				return true, nil, err
			}
		}
		if svc, ok := o.(*corev1.Service); ok {
			svc.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
		}
		if w.admit != nil {
			w.admit(o)
		}
		return true, o, nil
	})
	owner := manifests.Owner{Run: p.Run, Namespace: "demo"}
	env := &environment.Environment{NodeCount: 2, Server: environment.Server{GitVersion: "v1.36.3"}}
	env.DNS = environment.DNS{Provider: environment.CoreDNS, Service: "kube-system/kube-dns", ClusterIPs: []string{"10.96.0.10"}, Replicas: []string{"10.1.0.2:53", "10.1.0.3:53"}}
	w.s = Subject{
		Client: &cluster.Client{Kube: w.kube}, Env: env, Plan: p, Namespace: "demo",
		DNS: func(dns plan.DNS) ([]manifests.Object, error) {
			return privatedns.Objects(dns, privatedns.Params{Owner: owner})
		},
		Trial: func(tr plan.Trial) ([]manifests.Object, error) {
			return (&trial.Runner{Plan: p, Namespace: "demo"}).Objects(tr)
		},
	}
	return w
}

// make lets the run make its namespace.
func (w *world) make(t *testing.T) {
	ns, err := manifests.Namespace(manifests.Owner{Run: "abc", Namespace: "demo"})
	require.NoError(t, err)
	w.s.Made, w.s.Lasting = true, []manifests.Object{ns}
}

func aNode(name string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
	n.Status.NodeInfo.Architecture = "amd64"
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("4Gi")}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, c := range change {
		c(n)
	}
	return n
}

// lines are the conditions as they are printed, without those of the rights
// that are had.
func lines(r Report) []string {
	var list []string
	for _, c := range r.Conditions {
		list = append(list, c.String())
	}
	return list
}

var onCluster = plan.Levels{"dns": "cluster", "extra": "none", "observer": "solo"}

// with returns levels with others in their place.
func with(levels, others plan.Levels) plan.Levels {
	levels = maps.Clone(levels)
	maps.Copy(levels, others)
	return levels
}

func forbidden(resource, why string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "lag-abc-t001", errors.New(why))
}

func TestNothingInTheWay(t *testing.T) {
	w := theWorld(t, plan.Levels{})
	r, err := Run(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, w.s.Plan, r.Plan)
	require.Equal(t, w.s.Plan, r.Plan)
	require.Empty(t, r.Role)
	require.Equal(t, []string{
		"ok        version: Kubernetes v1.36.3",
		"ok        rights: all 18 that every arm needs in namespace demo",
		"ok        namespace: demo is used as it is; Pod Security enforces restricted, and the pods meet every level",
		"ok        admission: dry runs of what the plan creates were admitted (13)",
		"ok        dns: CoreDNS, 2 ready replicas; how it caches a pod finds out",
		"ok        addresses: IPv4 (by dry run); A is asked for",
	}, lines(r))

	_, err = w.kube.CoreV1().Namespaces().Update(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}, metav1.UpdateOptions{})
	require.NoError(t, err)
	r, err = Run(t.Context(), w.s)
	require.NoError(t, err)
	require.Contains(t, lines(r), "ok        namespace: demo is used as it is; Pod Security enforces no level of its own, and the pods meet every level")

	w = theWorld(t, onCluster)
	w.make(t)
	r, err = Run(t.Context(), w.s)
	require.NoError(t, err)
	require.Contains(t, lines(r), "ok        admission: dry runs of what the plan creates were admitted (1)")
	require.Contains(t, lines(r), "ok        addresses: IPv4 (as the DNS Service's address is); A is asked for")

	// Once the namespace is there the rest can be tried.
	r, err = Admit(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, []string{"ok        admission: dry runs of what the plan creates were admitted (4)"}, lines(r))
}

// TestRefusals: each is provoked; what was tried, what happened, what to do.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		options plan.Levels
		objs    []runtime.Object
		change  func(t *testing.T, w *world)
		want    string
	}{
		"old version": {change: func(_ *testing.T, w *world) { w.s.Env.Server.GitVersion = "v1.21.14-gke.700" },
			want: "Kubernetes v1.21.14-gke.700 has no Indexed Jobs, which came with 1.22: choose another cluster with --context"},
		"rights in the namespace": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.deny = []string{"create jobs demo", "deletecollection jobs demo", "get pods/log demo"}
			},
			want: "this user lacks in namespace demo what the plan needs: jobs (create, deletecollection), pods/log (get): have the printed Role granted by whoever administers it (manifests/rbac.yaml), or name another with -n"},
		"right to an extra pod": {options: with(onCluster, plan.Levels{"extra": "member-pod"}),
			change: func(_ *testing.T, w *world) { w.deny = []string{"create pods demo"} },
			want:   "this user lacks in namespace demo what the plan needs: pods (create): have the printed Role granted by whoever administers it (manifests/rbac.yaml), or name another with -n"},
		"right to make a namespace": {options: onCluster,
			change: func(t *testing.T, w *world) {
				w.make(t)
				w.deny = []string{"create namespaces", "delete namespaces", "create jobs demo"}
			},
			want: "this user may not make a namespace for the run, which takes namespaces (create, delete) cluster-wide: name one with -n in which the printed Role is granted (manifests/rbac.yaml)"},
		"rights in one's own namespace": {options: onCluster,
			change: func(t *testing.T, w *world) { w.make(t); w.deny = []string{"watch endpointslices demo"} },
			want:   "this user may make namespace demo, but lacks in it endpointslices (watch): name one with -n in which the printed Role is granted"},
		"no namespace": {options: onCluster,
			change: func(t *testing.T, w *world) {
				require.NoError(t, w.kube.CoreV1().Namespaces().Delete(t.Context(), "demo", metav1.DeleteOptions{}))
			},
			want: "namespace demo does not exist: create it, or leave -n out to have one made"},
		"namespace on its way out": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.kube.PrependReactor("get", "namespaces", func(k8stesting.Action) (bool, runtime.Object, error) {
					now := metav1.Now()
					return true, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo", DeletionTimestamp: &now}}, nil
				})
			},
			want: "namespace demo is being deleted: wait until it is gone, or name another with -n"},
		"private dns only": {options: with(onCluster, plan.Levels{"dns": "uncached"}),
			change: func(_ *testing.T, w *world) { w.deny = []string{"create clusterroles"} },
			want:   "plan private: none of its arms can be had here: a private DNS takes what this user lacks (clusterroles (create) cluster-wide); accepted: --dns cluster or forwarding, or a cluster admin who grants manifests/rbac-cluster.yaml"},
		"private dns of a plan to resume": {options: plan.Levels{},
			change: func(_ *testing.T, w *world) { w.s.Fixed, w.deny = true, []string{"create clusterrolebindings"} },
			want:   "the plan to be resumed cannot go on here: a private DNS takes what this user lacks (clusterrolebindings (create) cluster-wide); accepted: the user who began it"},
		"webhook": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.refuse = func(o manifests.Object) error {
					if _, pod := o.(*corev1.Pod); pod {
						return apierrors.NewBadRequest(`admission webhook "validation.gatekeeper.sh" denied the request: [repos] container <probe> has an invalid image repo <localhost/headless-job-dns-probe:dev>, allowed repos are ["registry.example.com"]`)
					}
					return nil
				}
			},
			want: `a dry run of creating a pod of job demo/lag-abc-t001 was refused: "admission webhook \"validation.gatekeeper.sh\" denied the request: [repos] container <probe> has an invalid image repo <localhost/headless-job-dns-probe:dev>, allowed repos are [\"registry.example.com\"]"; choose another image for probe with --image, have that allowed, or name another namespace with -n`},
		"webhook that is down": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.refuse = func(manifests.Object) error {
					return apierrors.NewInternalError(errors.New(`failed calling webhook "policy.example.com": no endpoints available for service "policy"`))
				}
			},
			want: `a dry run of creating service demo/svc-abc-t001 was refused: "Internal error occurred: failed calling webhook \"policy.example.com\": no endpoints available for service \"policy\""; have that allowed, or name another namespace with -n`},
		"namespace by webhook": {options: onCluster,
			change: func(t *testing.T, w *world) {
				w.make(t)
				w.refuse = func(o manifests.Object) error {
					return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, o.GetName(), errors.New("every namespace needs the label team"))
				}
			},
			want: `a dry run of creating namespace demo was refused: "namespaces \"demo\" is forbidden: every namespace needs the label team"; have that allowed, or name a namespace with -n`},
		"Pod Security, of what a webhook adds": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.refuse = func(o manifests.Object) error {
					if _, pod := o.(*corev1.Pod); pod {
						return forbidden("pods", `violates PodSecurity "restricted:latest": unrestricted capabilities (container "istio-init" must not include "NET_ADMIN" in securityContext.capabilities.add)`)
					}
					return nil
				}
			},
			want: `a dry run of creating a pod of job demo/lag-abc-t001 was refused: "pods \"lag-abc-t001\" is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities (container \"istio-init\" must not include \"NET_ADMIN\" in securityContext.capabilities.add)"; have that allowed, or name another namespace with -n`},
		"limit range": {options: onCluster,
			change: func(_ *testing.T, w *world) {
				w.refuse = func(o manifests.Object) error {
					if _, pod := o.(*corev1.Pod); pod {
						return forbidden("pods", "minimum memory usage per Container is 64Mi, but request is 32Mi")
					}
					return nil
				}
			},
			want: `a dry run of creating a pod of job demo/lag-abc-t001 was refused: "pods \"lag-abc-t001\" is forbidden: minimum memory usage per Container is 64Mi, but request is 32Mi"; answer it by --pod-patch FILE, where FILE holds {"spec":{"containers":[{"resources":{"requests":{"memory":"64Mi"}}}]}}, have that allowed, or name another namespace with -n`},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options, tc.objs...)
			if tc.change != nil {
				tc.change(t, w)
			}
			r, err := Run(t.Context(), w.s)
			var in *plan.InputError
			require.ErrorAs(t, err, &in, "%s", strings.Join(lines(r), "\n"))
			require.Equal(t, tc.want, err.Error())
			last := r.Conditions[len(r.Conditions)-1]
			require.Equal(t, environment.Refused, last.State, "nothing is looked at after it")
			require.Equal(t, tc.want, last.Text)
		})
	}
}
