package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
	// Namespace is where to look for what may not be listed in all namespaces.
	Namespace string
	// ClusterWide leaves out what stands in namespaces: three cheap requests.
	ClusterWide bool
}

// Leftovers are the objects of ours that a look found.
type Leftovers struct {
	Items []Leftover // in the order of deletion
	// Unseen has a sentence for each place where this user may not look.
	Unseen []string
}

// Leftovers looks for everything that carries our labels. What this user may
// not list in all namespaces is looked for in the scope's namespace and in
// those that are ours. An error means that the look is not complete for
// another reason than a lack of rights, or that there is no right at all.
func (c *Client) Leftovers(ctx context.Context, s Scope) (Leftovers, error) {
	l := &look{c: c, options: metav1.ListOptions{LabelSelector: manifests.LabelManagedBy + "=" + manifests.ManagedBy + "," + manifests.LabelRun}}
	if s.Run != "" {
		l.options.LabelSelector = Selector(s.Run, "")
	}
	var unlisted, narrowed []string
	places := map[string]bool{}
	if s.Namespace != "" {
		places[s.Namespace] = true
	}
	// Namespaces first: those that are ours are places to look in.
	for i, k := range slices.Backward(kinds) {
		if !k.clusterWide && s.ClusterWide {
			continue
		}
		allowed, err := l.list(ctx, i, metav1.NamespaceAll)
		switch {
		case err != nil:
			return Leftovers{}, err
		case allowed:
		case k.clusterWide:
			unlisted = append(unlisted, k.name+"s")
			continue
		default:
			narrowed = append(narrowed, k.name+"s")
			for ns := range places {
				if _, err := l.list(ctx, i, ns); err != nil {
					return Leftovers{}, err
				}
			}
		}
		if k.name == "namespace" {
			for _, ours := range l.items {
				places[ours.Name] = true
			}
		}
	}
	if l.seen == 0 {
		return Leftovers{}, fmt.Errorf("this user may list nothing of what runs create, neither cluster-wide nor in namespace %q: name another namespace with -n, or ask for the rights that `kubectl auth can-i --list` shows missing", s.Namespace)
	}
	return Leftovers{Items: l.sorted(), Unseen: l.unseen(unlisted, narrowed, slices.Sorted(maps.Keys(places)))}, nil
}

// look is a look under way.
type look struct {
	c         *Client
	options   metav1.ListOptions
	items     []Leftover
	seen      int                 // lists that this user may read
	forbidden map[string][]string // namespace -> kinds that may not be listed in it
}

// list adds the leftovers of one kind; false says that this user may not list
// them there.
func (l *look) list(ctx context.Context, i int, namespace string) (allowed bool, err error) {
	k := kinds[i]
	list, err := k.at(l.c.Kube, namespace).list(ctx, l.options)
	switch {
	case apierrors.IsForbidden(err):
		if namespace != metav1.NamespaceAll {
			if l.forbidden == nil {
				l.forbidden = map[string][]string{}
			}
			l.forbidden[namespace] = append(l.forbidden[namespace], k.name+"s")
		}
		return false, nil
	case apierrors.IsNotFound(err): // a server without this API holds no such object
		l.seen++
		return true, nil
	case err != nil:
		where := "in all namespaces"
		if k.clusterWide {
			where = "cluster-wide"
		} else if namespace != metav1.NamespaceAll {
			where = "in namespace " + namespace
		}
		return false, fmt.Errorf("cannot list %ss %s: %w", k.name, where, err)
	}
	l.seen++
	return true, meta.EachListItem(list, func(o runtime.Object) error {
		// An empty id is no run of ours, whatever else the labels say.
		if m, ok := o.(metav1.Object); ok && m.GetLabels()[manifests.LabelRun] != "" {
			l.items = append(l.items, leftover(k.name, m))
		}
		return nil
	})
}

func leftover(kind string, m metav1.Object) Leftover {
	l := Leftover{
		Kind: kind, Namespace: m.GetNamespace(), Name: m.GetName(), UID: m.GetUID(),
		Run: m.GetLabels()[manifests.LabelRun], Created: m.GetCreationTimestamp().Time,
		Deleting: m.GetDeletionTimestamp() != nil,
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

// sorted returns what was found in the order of deletion.
func (l *look) sorted() []Leftover {
	uids := map[types.UID]bool{}
	for _, i := range l.items {
		uids[i.UID] = true
	}
	for n := range l.items {
		l.items[n].Derived = uids[l.items[n].owner]
	}
	order := map[string]int{}
	for n, k := range kinds {
		order[k.name] = n
	}
	slices.SortFunc(l.items, func(a, b Leftover) int {
		if d := order[a.Kind] - order[b.Kind]; d != 0 {
			return d
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return l.items
}

func (l *look) unseen(unlisted, narrowed, places []string) []string {
	var out []string
	if len(unlisted) > 0 {
		slices.Reverse(unlisted)
		out = append(out, fmt.Sprintf("this user may not list %s: whether any are left, somebody who may can tell", strings.Join(unlisted, ", ")))
	}
	if len(narrowed) > 0 {
		slices.Reverse(narrowed)
		where := "in no namespace (name one with -n)"
		if len(places) > 0 {
			where = "in namespace " + strings.Join(places, ", ") + " only (name another with -n)"
		}
		out = append(out, fmt.Sprintf("this user may not list %s in all namespaces: looked for them %s", strings.Join(narrowed, ", "), where))
	}
	for _, ns := range places {
		if k := l.forbidden[ns]; len(k) > 0 {
			slices.Reverse(k)
			out = append(out, fmt.Sprintf("this user may not list %s in namespace %s: whether any are left, somebody who may can tell", strings.Join(k, ", "), ns))
		}
	}
	return out
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
