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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/manifests"
)

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
	// Namespace is looked in besides those that runs made, where this user may
	// not list all namespaces' objects.
	Namespace string
	// ClusterWide leaves out what stands in namespaces: three cheap requests.
	ClusterWide bool
	// Within leaves out what stands in any other namespace than Namespace.
	Within bool
}

// place is where objects of one kind stand; without a namespace, cluster-wide
// or in all namespaces.
type place struct{ kind, namespace string }

// Leftovers are the objects of ours that a look found.
type Leftovers struct {
	Items []Leftover // in the order of deletion
	// Unseen has a sentence for each place where this user may not look.
	Unseen []string

	run     string          // only of this run; empty: of all runs
	seen    []place         // lists that this user may read
	refused map[place]error // those that may not be read
}

// ErrNothingSeen says that this user may not look anywhere.
var ErrNothingSeen = errors.New("this user may list nothing of what runs create")

// Leftovers looks for everything that carries our labels. What this user may
// not list in all namespaces is looked for in the scope's namespace and in those
// that runs made. An error means that the look is not complete for another
// reason than a lack of rights, or is ErrNothingSeen.
func (c *Client) Leftovers(ctx context.Context, s Scope) (Leftovers, error) {
	found, err := c.look(ctx, s)
	if err == nil && len(found.seen) == 0 {
		err = fmt.Errorf("%w, neither cluster-wide nor in namespace %q: name another namespace with -n, "+
			"or ask for the rights that `kubectl auth can-i --list` shows missing", ErrNothingSeen, s.Namespace)
	}
	return found, err
}

func (c *Client) look(ctx context.Context, s Scope) (Leftovers, error) {
	found := Leftovers{run: s.Run, refused: map[place]error{}}
	var narrowed []kind                        // that this user may not list in all namespaces
	for _, k := range slices.Backward(kinds) { // namespaces first: ours are places to look in
		where := metav1.NamespaceAll
		switch {
		case k.clusterWide:
		case s.ClusterWide:
			continue
		case s.Within:
			where = s.Namespace
		}
		if err := found.list(ctx, c, k, where); err != nil {
			return Leftovers{}, err
		}
		if !k.clusterWide && found.refused[place{k.name, metav1.NamespaceAll}] != nil {
			narrowed = append(narrowed, k)
		}
	}
	var namespaces []string
	for _, i := range found.Items {
		if i.Kind == "namespace" {
			namespaces = append(namespaces, i.Name)
		}
	}
	if s.Namespace != "" && !slices.Contains(namespaces, s.Namespace) {
		namespaces = append(namespaces, s.Namespace)
	}
	slices.Sort(namespaces)
	for _, ns := range namespaces {
		for _, k := range narrowed {
			if err := found.list(ctx, c, k, ns); err != nil {
				return Leftovers{}, err
			}
		}
	}
	found.sort()
	found.Unseen = found.unseen(namespaces)
	return found, nil
}

// list adds the leftovers of one kind in one place.
func (l *Leftovers) list(ctx context.Context, c *Client, k kind, namespace string) error {
	selector := manifests.LabelManagedBy + "=" + manifests.ManagedBy + "," + manifests.LabelRun
	if l.run != "" {
		selector = Selector(l.run, "")
	}
	list, err := k.at(c.Kube, namespace).list(ctx, metav1.ListOptions{LabelSelector: selector})
	at := place{k.name, namespace}
	switch {
	case apierrors.IsForbidden(err):
		l.refused[at] = err
		return nil
	case err != nil:
		return fmt.Errorf("cannot list %s: %w", at, err)
	}
	l.seen = append(l.seen, at)
	return meta.EachListItem(list, func(o runtime.Object) error {
		// An empty id is no run of ours, whatever else the labels say.
		if m, ok := o.(metav1.Object); ok && m.GetLabels()[manifests.LabelRun] != "" {
			l.Items = append(l.Items, leftover(k.name, m))
		}
		return nil
	})
}

func (p place) String() string {
	switch {
	case p.namespace != "":
		return p.kind + "s in namespace " + p.namespace
	case kinds[kindNumber(p.kind)].clusterWide:
		return p.kind + "s cluster-wide"
	}
	return p.kind + "s in all namespaces"
}

// kindNumber returns a kind's place in the order of deletion.
func kindNumber(name string) int {
	return slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
}

// sort brings what was found into the order of deletion.
func (l *Leftovers) sort() {
	uids := map[types.UID]bool{}
	for _, i := range l.Items {
		uids[i.UID] = true
	}
	for n := range l.Items {
		l.Items[n].Derived = uids[l.Items[n].owner]
	}
	slices.SortFunc(l.Items, func(a, b Leftover) int {
		return cmp.Or(kindNumber(a.Kind)-kindNumber(b.Kind), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
}

// blind returns why it cannot be told whether something is left of what stood in
// one of the places; nil: it can be.
func (l *Leftovers) blind(places []place) error {
	var lost []string
	var why error
	for _, k := range kinds {
		for _, p := range places {
			if err := l.refused[p]; p.kind == k.name && err != nil && !slices.Contains(lost, k.name+"s") {
				lost, why = append(lost, k.name+"s"), err
			}
		}
	}
	if why == nil {
		return nil
	}
	return fmt.Errorf("this user may no longer list %s, and some were there: %w", strings.Join(lost, ", "), why)
}

// unseen says where this user may not look. The namespaces are those that were
// looked in for what may not be listed in all of them.
func (l *Leftovers) unseen(namespaces []string) (out []string) {
	const unknown = ": whether any are left, somebody who may can tell"
	refused := func(namespace string, clusterWide bool) string {
		var names []string
		for _, k := range kinds {
			if l.refused[place{k.name, namespace}] != nil && k.clusterWide == clusterWide {
				names = append(names, k.name+"s")
			}
		}
		return strings.Join(names, ", ")
	}
	if names := refused(metav1.NamespaceAll, true); names != "" {
		out = append(out, "this user may not list "+names+unknown)
	}
	if names := refused(metav1.NamespaceAll, false); names != "" {
		where := "no namespace (name one with -n)"
		if len(namespaces) > 0 {
			where = "namespace " + strings.Join(namespaces, ", ") + " only (name another with -n)"
		}
		out = append(out, fmt.Sprintf("this user may not list %s in all namespaces: looked for them in %s", names, where))
	}
	for _, ns := range namespaces {
		if names := refused(ns, false); names != "" {
			out = append(out, fmt.Sprintf("this user may not list %s in namespace %s%s", names, ns, unknown))
		}
	}
	return out
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
