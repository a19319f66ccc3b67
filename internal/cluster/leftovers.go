package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/manifests"
)

// kind is one kind of object that a run creates, or that the cluster derives
// from one and labels alike.
type kind struct {
	name        string // as kubectl writes it
	clusterWide bool
	at          func(k kubernetes.Interface, namespace string) api
}

// api is what is needed of a kind's typed client.
type api struct {
	holds  func(metav1.Object) bool // the object is of this kind
	create func(context.Context, metav1.Object, metav1.CreateOptions) (metav1.Object, error)
	get    func(context.Context, string) error
	list   func(context.Context, metav1.ListOptions) (runtime.Object, error)
	delete func(context.Context, string, metav1.DeleteOptions) error
}

func typed[O metav1.Object, L runtime.Object](c interface {
	Create(context.Context, O, metav1.CreateOptions) (O, error)
	Get(context.Context, string, metav1.GetOptions) (O, error)
	List(context.Context, metav1.ListOptions) (L, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}) api {
	return api{
		holds: func(o metav1.Object) bool { _, ok := o.(O); return ok },
		create: func(ctx context.Context, o metav1.Object, how metav1.CreateOptions) (metav1.Object, error) {
			return c.Create(ctx, o.(O), how)
		},
		get: func(ctx context.Context, name string) error {
			_, err := c.Get(ctx, name, metav1.GetOptions{})
			return err
		},
		list:   func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return c.List(ctx, o) },
		delete: c.Delete,
	}
}

// kinds are the kinds of everything in manifests/ and what is derived from it,
// in the order of deletion: what creates other objects goes before them, or it
// would create them anew, and a namespace goes last, so that what stood in it
// is reported by name. Endpoints carry the labels too; they go with their
// Service, and to list them is deprecated.
var kinds = []kind{
	{"job", false, func(k kubernetes.Interface, ns string) api { return typed(k.BatchV1().Jobs(ns)) }},
	{"deployment", false, func(k kubernetes.Interface, ns string) api { return typed(k.AppsV1().Deployments(ns)) }},
	{"daemonset", false, func(k kubernetes.Interface, ns string) api { return typed(k.AppsV1().DaemonSets(ns)) }},
	{"replicaset", false, func(k kubernetes.Interface, ns string) api { return typed(k.AppsV1().ReplicaSets(ns)) }},
	{"pod", false, func(k kubernetes.Interface, ns string) api { return typed(k.CoreV1().Pods(ns)) }},
	{"service", false, func(k kubernetes.Interface, ns string) api { return typed(k.CoreV1().Services(ns)) }},
	{"endpointslice", false, func(k kubernetes.Interface, ns string) api { return typed(k.DiscoveryV1().EndpointSlices(ns)) }},
	{"configmap", false, func(k kubernetes.Interface, ns string) api { return typed(k.CoreV1().ConfigMaps(ns)) }},
	{"serviceaccount", false, func(k kubernetes.Interface, ns string) api { return typed(k.CoreV1().ServiceAccounts(ns)) }},
	{"clusterrolebinding", true, func(k kubernetes.Interface, _ string) api { return typed(k.RbacV1().ClusterRoleBindings()) }},
	{"clusterrole", true, func(k kubernetes.Interface, _ string) api { return typed(k.RbacV1().ClusterRoles()) }},
	{"namespace", true, func(k kubernetes.Interface, _ string) api { return typed(k.CoreV1().Namespaces()) }},
}

// kindOf finds the kind of an object and its client in the object's namespace.
func (c *Client) kindOf(o metav1.Object) (kind, api, error) {
	for _, k := range kinds {
		if a := k.at(c.Kube, o.GetNamespace()); a.holds(o) {
			return k, a, nil
		}
	}
	return kind{}, api{}, fmt.Errorf("a %T is nothing that a run creates", o)
}

// Leftover is an object that carries our labels.
type Leftover struct {
	Kind, Namespace, Name string

	UID      types.UID
	Run      string
	Created  time.Time
	Deleting bool   // its deletion was accepted
	Active   bool   // a Job with pods that have not ended
	Derived  bool   // a controller made it from another leftover and deletes it with that
	Why      string // what holds it

	owner types.UID // of its controller; empty without one
	job   string    // that made the pod, by its label: an owner can be taken away
}

// String names the object as kubectl does.
func (l Leftover) String() string {
	if l.Namespace == "" {
		return l.Kind + " " + l.Name
	}
	return l.Kind + " " + l.Namespace + "/" + l.Name
}

// Scope says where to look for leftovers.
type Scope struct {
	Run string // only of this run; empty: of all runs
	// Namespace is looked in although nothing in it may be labelled, where this
	// user may not list all namespaces' objects.
	Namespace string
	// ClusterWide leaves out what stands in namespaces: three cheap requests.
	ClusterWide bool
	// Within leaves out what stands in any other namespace than Namespace.
	Within bool
}

// Leftovers are the objects of ours that a look found.
type Leftovers struct {
	Items []Leftover // in the order of deletion
	// Unseen has a sentence for each place where this user may not look.
	Unseen []string
}

// ErrNothingSeen says that this user may not look anywhere.
var ErrNothingSeen = errors.New("this user may list nothing of what runs create")

// Leftovers looks for everything that carries our labels. What this user may
// not list in all namespaces is looked for namespace by namespace. An error means
// that the look is not complete for another reason than a lack of rights, or is
// ErrNothingSeen.
func (c *Client) Leftovers(ctx context.Context, s Scope) (Leftovers, error) {
	l, err := c.look(ctx, s, nil)
	if err != nil {
		return Leftovers{}, err
	}
	if l.seen == 0 {
		return Leftovers{}, fmt.Errorf("%w, neither cluster-wide nor in namespace %q: name another namespace with -n, or ask for the rights that `kubectl auth can-i --list` shows missing", ErrNothingSeen, s.Namespace)
	}
	return Leftovers{Items: l.sorted(), Unseen: l.unseen()}, nil
}

func leftover(kind string, m metav1.Object) Leftover {
	l := Leftover{
		Kind: kind, Namespace: m.GetNamespace(), Name: m.GetName(), UID: m.GetUID(),
		Run: m.GetLabels()[manifests.LabelRun], Created: m.GetCreationTimestamp().Time,
		Deleting: m.GetDeletionTimestamp() != nil,
	}
	if kind == "pod" {
		l.job = cmp.Or(m.GetLabels()[batchv1.JobNameLabel], m.GetLabels()["job-name"]) // the latter before 1.27
	}
	if owner := metav1.GetControllerOf(m); owner != nil {
		l.owner = owner.UID
	}
	if job, ok := m.(*batchv1.Job); ok {
		l.Active = job.Status.Active > 0 && !l.Deleting
	}
	if l.Deleting {
		l.Why = holding(m)
	}
	return l
}

// holding says what an object waits for whose deletion was accepted.
func holding(m metav1.Object) string {
	const accepted = "its deletion was accepted, "
	switch o := m.(type) {
	case *corev1.Namespace:
		for _, c := range o.Status.Conditions {
			if c.Status == corev1.ConditionTrue && c.Message != "" {
				return accepted + "but: " + c.Message
			}
		}
	case *corev1.Pod:
		if node := o.Spec.NodeName; node != "" && len(o.Finalizers) == 0 {
			return accepted + "but node " + node + " has not confirmed that it ended: is the node there?"
		}
	}
	if f := m.GetFinalizers(); len(f) > 0 {
		return accepted + "but it is held by finalizers " + strings.Join(f, ", ")
	}
	return accepted + "but it is still there"
}

// Run is what is left of one run.
type Run struct {
	ID    string
	Items []Leftover // in the order of deletion
	Since time.Time  // creation of the oldest
}

// Runs returns what was found by run, the oldest run first.
func (l Leftovers) Runs() []Run {
	runs := map[string]*Run{}
	for _, i := range l.Items {
		r := runs[i.Run]
		if r == nil {
			r = &Run{ID: i.Run, Since: i.Created}
			runs[i.Run] = r
		}
		r.Items = append(r.Items, i)
		if i.Created.Before(r.Since) {
			r.Since = i.Created
		}
	}
	var out []Run
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		out = append(out, *runs[id])
	}
	slices.SortStableFunc(out, func(a, b Run) int { return a.Since.Compare(b.Since) })
	return out
}

// quiet is how long a run that goes on creates nothing, at most: a trial that
// is followed to its end with everything that its allowances add.
const quiet = 10 * time.Minute

// Alive returns what suggests that the run still goes on; empty: nothing does.
func (r Run) Alive(now time.Time) string {
	for _, i := range r.Items {
		if i.Active {
			return i.String() + " is active"
		}
	}
	for _, i := range r.Items {
		if !i.Deleting && now.Sub(i.Created) < quiet {
			return i.String() + " is new"
		}
	}
	return ""
}
