package preflight

import (
	"context"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// right is one verb on one resource. manifests/rbac.yaml and rbac-cluster.yaml
// grant every right that is asked for in this package; a test compares them.
type right struct {
	group, resource string // "pods/log": with a subresource
	verb            string
	namespace       string // empty: in all, or of what has none
}

const kubeSystem = "kube-system"

// grant returns the rights to do something with a resource.
func grant(namespace, group, resource string, verbs ...string) []right {
	var list []right
	for _, v := range verbs {
		list = append(list, right{group, resource, v, namespace})
	}
	return list
}

// always are the rights in the run's namespace that every plan needs, besides
// those on what it creates: watching a trial, reading what the probes wrote, and
// deleting by label.
func always(namespace string) []right {
	return slices.Concat(
		grant(namespace, "batch", "jobs", "watch", "deletecollection"),
		// A Job's pods are deleted with it; a controller that is late is helped.
		grant(namespace, "", "pods", "list", "watch", "delete", "deletecollection"),
		grant(namespace, "", "pods/log", "get"),
		grant(namespace, "", "services", "watch"),
		grant(namespace, "discovery.k8s.io", "endpointslices", "list", "watch"),
	)
}

// on are the rights on objects that the run creates, looks up and deletes.
func on(objs []manifests.Object) []right {
	var list []right
	add := func(r ...right) {
		for _, r := range r {
			if !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	for _, o := range objs {
		r := resourceOf(o)
		add(grant(o.GetNamespace(), r.Group, r.Resource, "create", "get", "list", "delete")...)
		if _, ok := o.(*appsv1.Deployment); ok {
			// What is left behind is found by label, ReplicaSets included.
			add(grant(o.GetNamespace(), "apps", "replicasets", "list")...)
		}
	}
	return list
}

// courtesy is a set of rights that a plan does without.
type courtesy struct {
	of      string
	rights  []right
	without string // what is so then
	file    string // in manifests, that grants them
}

// courtesies lists them for a run in a namespace: made is one of its own, in
// which there is nothing yet to look at.
func courtesies(namespace string, made bool) []courtesy {
	const role, clusterRoles = "rbac.yaml", "rbac-cluster.yaml"
	list := []courtesy{
		{"nodes", slices.Concat(grant("", "", "nodes", "list"), grant("", "", "services", "list"),
			grant("", "apps", "daemonsets", "list")),
			"which images the nodes have, for what architectures, and a DNS outside kube-system are not known beforehand",
			clusterRoles},
		{"environment", slices.Concat(
			grant(kubeSystem, "", "namespaces", "get"),
			grant(kubeSystem, "", "configmaps", "get"),
			grant(kubeSystem, "", "services", "get", "list"),
			grant(kubeSystem, "", "pods", "list"),
			grant(kubeSystem, "apps", "daemonsets", "list"),
			grant(kubeSystem, "discovery.k8s.io", "endpointslices", "list"),
		), "the report describes the cluster's DNS and network as far as its pods see them", clusterRoles},
	}
	if !made {
		list = append(list,
			courtesy{"pod security", grant(namespace, "", "namespaces", "get"), "which Pod Security level it enforces is not " +
				"known; the pods meet every level", role},
			courtesy{"network policies", grant(namespace, "networking.k8s.io", "networkpolicies", "list"), "whether there are " +
				"any is not known", role})
	}
	return list
}

// rights asks for what every arm needs, and for what would be good to have.
func (p *preflight) rights() error {
	need := slices.Concat(on(p.Lasting), always(p.Namespace))
	if p.Deliver != nil {
		pieces := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace}}
		need = append(need, on([]manifests.Object{pieces})...)
	}
	for _, t := range p.kinds() {
		objs, err := p.Trial(t)
		if err != nil {
			return err
		}
		need = append(need, on(objs)...)
	}
	missing, err := p.missing(need)
	if err != nil {
		p.say(environment.Untold, "rights", "this user's rights could not be asked for (%s); what is missing shows when it "+
			"is tried", reason(err))
		return nil
	}
	ofNamespaces := slices.DeleteFunc(slices.Clone(missing), func(r right) bool { return r.resource != "namespaces" })
	switch {
	case len(ofNamespaces) > 0:
		p.refuse("rights", "this user may not make a namespace for the run, which takes %s: name one with -n in which the "+
			"printed Role is granted (manifests/rbac.yaml)", words(ofNamespaces))
	case len(missing) > 0 && p.Made:
		p.refuse("rights", "this user may make namespace %s, but lacks in it %s: name one with -n in which the printed "+
			"Role is granted", p.Namespace, words(missing))
	case len(missing) > 0:
		p.refuse("rights", "this user lacks in namespace %s what the plan needs: %s: have the printed Role granted by "+
			"whoever administers it (manifests/rbac.yaml), or name another with -n", p.Namespace, words(missing))
	default:
		p.say(environment.Met, "rights", "all %d that every arm needs in namespace %s", len(p.asked), p.Namespace)
	}
	if len(missing) > 0 {
		p.report.Role, err = manifests.Text("rbac.yaml")
		return err
	}
	for _, c := range courtesies(p.Namespace, p.Made) {
		missing, err := p.missing(c.rights)
		if err != nil {
			return nil // done without
		}
		if len(missing) > 0 {
			p.say(environment.Untold, c.of, "this user lacks %s: %s (manifests/%s grants it)", words(missing), c.without, c.file)
		}
	}
	return nil
}

// Lacks says in words which of the rights on an object that a run creates this
// user does not have; empty: none, or they could not be asked for.
func Lacks(ctx context.Context, c *cluster.Client, o manifests.Object) string {
	p := &preflight{Subject: Subject{Client: c}, ctx: ctx, asked: map[right]bool{}}
	missing, err := p.missing(on([]manifests.Object{o}))
	if err != nil {
		return ""
	}
	return words(missing)
}

// kinds returns the first trial with each extra: they create the same, apart
// from names and the probes' flags.
func (p *preflight) kinds() []plan.Trial {
	seen := map[plan.Extra]bool{}
	var list []plan.Trial
	for _, t := range p.report.Plan.Trials {
		if !seen[t.Arm.Extra] {
			seen[t.Arm.Extra] = true
			list = append(list, t)
		}
	}
	return list
}

// maxReviews is how many questions for rights are under way at a time: some
// dozens one after another would take seconds on a distant cluster.
const maxReviews = 8

// missing returns which of the rights this user does not have, each once. What
// was asked before is not asked again.
func (p *preflight) missing(rights []right) ([]right, error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	slots := make(chan struct{}, maxReviews)
	var ask []right
	for _, r := range rights {
		if _, known := p.asked[r]; !known && !slices.Contains(ask, r) {
			ask = append(ask, r)
		}
	}
	for _, r := range ask {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			allowed, err := p.review(r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			p.asked[r] = allowed
		})
	}
	all.Wait()
	if failed != nil {
		return nil, failed
	}
	var list []right
	for _, r := range rights {
		if !p.asked[r] && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (p *preflight) review(r right) (allowed bool, err error) {
	resource, sub, _ := strings.Cut(r.resource, "/")
	of := &authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: resource,
		Subresource: sub}
	if resource == "namespaces" && r.namespace != "" {
		of.Name = r.namespace // as the API server asks for a request of this namespace
	}
	answer, err := p.Client.Kube.AuthorizationV1().SelfSubjectAccessReviews().Create(p.ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: of}},
		metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}

// may tells whether a right is granted, as far as it was asked for.
func (p *preflight) may(r []right) bool {
	return !slices.ContainsFunc(r, func(r right) bool { granted, asked := p.asked[r]; return asked && !granted })
}
