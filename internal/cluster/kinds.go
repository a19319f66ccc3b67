package cluster

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
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
	{"endpointslice", false, func(k kubernetes.Interface, ns string) api {
		return typed(k.DiscoveryV1().EndpointSlices(ns))
	}},
	{"configmap", false, func(k kubernetes.Interface, ns string) api { return typed(k.CoreV1().ConfigMaps(ns)) }},
	{"serviceaccount", false, func(k kubernetes.Interface, ns string) api {
		return typed(k.CoreV1().ServiceAccounts(ns))
	}},
	{"rolebinding", false, func(k kubernetes.Interface, ns string) api { return typed(k.RbacV1().RoleBindings(ns)) }},
	{"role", false, func(k kubernetes.Interface, ns string) api { return typed(k.RbacV1().Roles(ns)) }},
	{"clusterrolebinding", true, func(k kubernetes.Interface, _ string) api {
		return typed(k.RbacV1().ClusterRoleBindings())
	}},
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
