package cluster

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Free reports, as ErrTaken, an object that exists under the name that o is to
// have. It is asked before anything is created, so that an object that is not
// ours stops the run while there is nothing to undo. What may not be read
// counts as free: creating it will tell.
func (c *Client) Free(ctx context.Context, o metav1.Object) error {
	var err error
	k, ns, name, get := c.Kube, o.GetNamespace(), o.GetName(), metav1.GetOptions{}
	kind := ""
	switch o.(type) {
	case *corev1.Namespace:
		kind = "namespace"
		_, err = k.CoreV1().Namespaces().Get(ctx, name, get)
	case *corev1.Service:
		kind = "service"
		_, err = k.CoreV1().Services(ns).Get(ctx, name, get)
	case *corev1.Pod:
		kind = "pod"
		_, err = k.CoreV1().Pods(ns).Get(ctx, name, get)
	case *corev1.ConfigMap:
		kind = "configmap"
		_, err = k.CoreV1().ConfigMaps(ns).Get(ctx, name, get)
	case *corev1.ServiceAccount:
		kind = "serviceaccount"
		_, err = k.CoreV1().ServiceAccounts(ns).Get(ctx, name, get)
	case *appsv1.Deployment:
		kind = "deployment"
		_, err = k.AppsV1().Deployments(ns).Get(ctx, name, get)
	case *batchv1.Job:
		kind = "job"
		_, err = k.BatchV1().Jobs(ns).Get(ctx, name, get)
	case *rbacv1.ClusterRole:
		kind = "clusterrole"
		_, err = k.RbacV1().ClusterRoles().Get(ctx, name, get)
	case *rbacv1.ClusterRoleBinding:
		kind = "clusterrolebinding"
		_, err = k.RbacV1().ClusterRoleBindings().Get(ctx, name, get)
	default:
		return fmt.Errorf("cannot look up a %T", o)
	}
	switch {
	case err == nil:
		return fmt.Errorf("%s %s: %w", kind, fullName(o), ErrTaken)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	}
	return fmt.Errorf("cannot look up %s %s: %w", kind, fullName(o), err)
}

// CheckNamespace tells whether a namespace that the user named can be used.
func (c *Client) CheckNamespace(ctx context.Context, name string) error {
	ns, err := c.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("namespace %s does not exist: create it, or leave -n out to have one made", name)
	case apierrors.IsForbidden(err):
		return nil // allowed to work in it, perhaps, without being allowed to read it
	case err != nil:
		return fmt.Errorf("cannot read namespace %s: %w", name, err)
	case ns.DeletionTimestamp != nil:
		return errors.New("namespace " + name + " is being deleted: wait until it is gone or name another")
	}
	return nil
}
