package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/manifests"
)

// lookers is how many namespaces are looked in side by side: enough for the
// answers of a distant API server to overlap, few enough for a busy one not to
// notice.
const lookers = 8

// place is where objects of one kind stand; without a namespace, cluster-wide
// or in all namespaces.
type place struct{ kind, namespace string }

// look is a look for leftovers under way.
type look struct {
	c       *Client
	options metav1.ListOptions

	mu      sync.Mutex
	items   []Leftover
	seen    int             // lists that this user may read
	refused map[place]error // those that may not be read
	failed  error           // the first other error, in one of the others

	narrowed []kind   // that this user may not list in all namespaces
	near     []string // namespaces in which those were looked for, kind by kind
	known    bool     // whether others is all the other namespaces
	others   []string // in which they were looked for as well
}

// look looks for everything in scope. What this user may not list in all
// namespaces is looked for in the scope's namespace, in those that are ours and
// in the given ones; nil: in all that there are.
func (c *Client) look(ctx context.Context, s Scope, namespaces []string) (*look, error) {
	l := &look{c: c, refused: map[place]error{}, options: metav1.ListOptions{LabelSelector: manifests.LabelManagedBy + "=" + manifests.ManagedBy + "," + manifests.LabelRun}}
	if s.Run != "" {
		l.options.LabelSelector = Selector(s.Run, "")
	}
	if s.Namespace != "" {
		l.near = append(l.near, s.Namespace)
	}
	for _, k := range slices.Backward(kinds) { // namespaces first: ours are places to look in
		where := metav1.NamespaceAll
		switch {
		case k.clusterWide:
		case s.ClusterWide:
			continue
		case s.Within:
			where = s.Namespace
		}
		allowed, err := l.list(ctx, k, where)
		if err != nil {
			return nil, err
		}
		if !allowed && !k.clusterWide && !s.Within {
			l.narrowed = append(l.narrowed, k)
		}
	}
	if len(l.narrowed) == 0 {
		return l, nil
	}
	slices.Reverse(l.narrowed)
	for _, i := range l.items {
		if i.Kind == "namespace" {
			l.near = append(l.near, i.Name)
		}
	}
	l.near = append(l.near, namespaces...)
	slices.Sort(l.near)
	l.near = slices.Compact(l.near)
	for _, ns := range l.near {
		for _, k := range l.narrowed {
			if _, err := l.list(ctx, k, ns); err != nil {
				return nil, err
			}
		}
	}
	if namespaces != nil || l.refused[place{"namespace", ""}] != nil {
		return l, nil
	}
	if err := l.elsewhere(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// elsewhere looks in all the other namespaces that there are. A cluster may have
// hundreds, most of them closed to this user: where the first kind may not be
// listed, Jobs as a rule, without which there is no run, the others are not
// asked for.
func (l *look) elsewhere(ctx context.Context) error {
	all, err := l.c.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("cannot list namespaces: %w", err)
	}
	l.known = true
	for _, ns := range all.Items {
		if !slices.Contains(l.near, ns.Name) {
			l.others = append(l.others, ns.Name)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan string)
	var wg sync.WaitGroup
	for range lookers {
		wg.Go(func() {
			for ns := range todo {
				for i, k := range l.narrowed {
					allowed, err := l.list(ctx, k, ns)
					if err != nil {
						l.fail(err)
						cancel()
					}
					if err != nil || i == 0 && !allowed {
						break
					}
				}
			}
		})
	}
	for _, ns := range l.others { // after a failure each of them fails at once
		todo <- ns
	}
	close(todo)
	wg.Wait()
	return l.failed
}

func (l *look) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
}

// list adds the leftovers of one kind; false says that this user may not list
// them there.
func (l *look) list(ctx context.Context, k kind, namespace string) (allowed bool, err error) {
	list, err := k.at(l.c.Kube, namespace).list(ctx, l.options)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case apierrors.IsForbidden(err):
		l.refused[place{k.name, namespace}] = err
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

// blind returns why it cannot be told whether something is left of what stood in
// one of the places; nil: it can be.
func (l *look) blind(places []place) error {
	var lost []string
	var why error
	for _, k := range kinds {
		for _, p := range places {
			err := l.refused[p]
			if p.kind != k.name || err == nil || slices.Contains(lost, k.name+"s") {
				continue
			}
			lost, why = append(lost, k.name+"s"), err
		}
	}
	if why == nil {
		return nil
	}
	return fmt.Errorf("this user may no longer list %s, and some were there: %w", strings.Join(lost, ", "), why)
}

// unseen says where this user may not look.
func (l *look) unseen() []string {
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
	var out []string
	if names := refused("", true); names != "" {
		out = append(out, "this user may not list "+names+unknown)
	}
	closed := 0
	for _, ns := range slices.Concat(l.near, l.others) {
		if refused(ns, false) != "" {
			closed++
		}
	}
	if names := refused("", false); names != "" && (closed > 0 || !l.known) {
		where := "in no namespace (name one with -n)"
		switch near := strings.Join(l.near, ", "); {
		case l.known:
			where = fmt.Sprintf("in each of %d, of which %d may not be looked at, or not for all of these%s", len(l.near)+len(l.others), closed, unknown)
		case near != "":
			where = "in namespace " + near + " only (name another with -n)"
		}
		out = append(out, fmt.Sprintf("this user may not list %s in all namespaces: looked for them %s", names, where))
	}
	for _, ns := range l.near {
		if names := refused(ns, false); names != "" {
			out = append(out, fmt.Sprintf("this user may not list %s in namespace %s%s", names, ns, unknown))
		}
	}
	return out
}
