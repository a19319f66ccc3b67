package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"headless-job-dns/manifests"
)

// background lets a Job's deletion return at once; the garbage collector
// removes its pods.
var background = metav1.DeletePropagationBackground

// ErrTaken says that an object of the wanted name exists already.
var ErrTaken = errors.New("name is already taken")

// Create creates one object in its namespace.
func (c *Client) Create(ctx context.Context, o metav1.Object) error {
	var err error
	k, ns, opt := c.Kube, o.GetNamespace(), metav1.CreateOptions{}
	kind := ""
	switch o := o.(type) {
	case *corev1.Namespace:
		kind = "namespace"
		_, err = k.CoreV1().Namespaces().Create(ctx, o, opt)
	case *corev1.Service:
		kind = "service"
		_, err = k.CoreV1().Services(ns).Create(ctx, o, opt)
	case *corev1.Pod:
		kind = "pod"
		_, err = k.CoreV1().Pods(ns).Create(ctx, o, opt)
	case *corev1.ConfigMap:
		kind = "configmap"
		_, err = k.CoreV1().ConfigMaps(ns).Create(ctx, o, opt)
	case *corev1.ServiceAccount:
		kind = "serviceaccount"
		_, err = k.CoreV1().ServiceAccounts(ns).Create(ctx, o, opt)
	case *appsv1.Deployment:
		kind = "deployment"
		_, err = k.AppsV1().Deployments(ns).Create(ctx, o, opt)
	case *batchv1.Job:
		kind = "job"
		_, err = k.BatchV1().Jobs(ns).Create(ctx, o, opt)
	case *rbacv1.ClusterRole:
		kind = "clusterrole"
		_, err = k.RbacV1().ClusterRoles().Create(ctx, o, opt)
	case *rbacv1.ClusterRoleBinding:
		kind = "clusterrolebinding"
		_, err = k.RbacV1().ClusterRoleBindings().Create(ctx, o, opt)
	default:
		return fmt.Errorf("cannot create a %T", o)
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s %s: %w", kind, fullName(o), ErrTaken)
	}
	return fmt.Errorf("cannot create %s %s: %w", kind, fullName(o), err)
}

func fullName(o metav1.Object) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}

// CreateAnew is Create for names that a previous life of the object may still
// hold: it tries again until the name is free or patience runs out.
func (c *Client) CreateAnew(ctx context.Context, o metav1.Object, patience time.Duration) error {
	// 50 ms: short against the trial's resolution of what follows, long
	// enough to stay far below the client's rate limit.
	const pause = 50 * time.Millisecond
	var last error
	err := wait.PollUntilContextTimeout(ctx, pause, patience, true, func(ctx context.Context) (bool, error) {
		last = c.Create(ctx, o)
		if errors.Is(last, ErrTaken) {
			return false, nil
		}
		return true, last
	})
	if wait.Interrupted(err) && last != nil && ctx.Err() == nil {
		return fmt.Errorf("after %s: %w", patience, last)
	}
	return err
}

// notOwned leaves to the garbage collector what a Job or a ReplicaSet made. A
// controller that saw its pods go before it saw its own object go would create
// others in their place.
const notOwned = ",!batch.kubernetes.io/controller-uid,!pod-template-hash"

// DeleteTrial deletes every object in the namespace that carries the run's and
// the trial's label; an empty trial means all of the run's. It returns when
// the requests were accepted, not when the objects are gone.
func (c *Client) DeleteTrial(ctx context.Context, namespace, run, trial string) error {
	list := metav1.ListOptions{LabelSelector: Selector(run, trial)}
	loose := metav1.ListOptions{LabelSelector: list.LabelSelector + notOwned}
	// The default grace period holds: a probe exits on SIGTERM at once.
	opt := metav1.DeleteOptions{PropagationPolicy: &background}
	k := c.Kube
	errs := []error{k.BatchV1().Jobs(namespace).DeleteCollection(ctx, opt, list)}
	if trial == "" {
		errs = append(errs,
			k.AppsV1().Deployments(namespace).DeleteCollection(ctx, opt, list),
			k.CoreV1().ConfigMaps(namespace).DeleteCollection(ctx, opt, list),
			k.CoreV1().ServiceAccounts(namespace).DeleteCollection(ctx, opt, list))
	}
	errs = append(errs,
		k.CoreV1().Pods(namespace).DeleteCollection(ctx, opt, loose),
		c.deleteServices(ctx, namespace, list))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot delete objects labelled %s in namespace %s: %w", list.LabelSelector, namespace, err)
	}
	return nil
}

// WaitPodsGone waits until no pod of the run is left in the namespace: pods go
// last, after whatever made them.
func (c *Client) WaitPodsGone(ctx context.Context, namespace, run string, patience time.Duration) error {
	left := 0
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		pods, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: Selector(run, "")})
		if err != nil {
			return false, nil // an API server that is busy answers the next time
		}
		left = len(pods.Items)
		return left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%d pods labelled %s in namespace %s were not gone after %s", left, Selector(run, ""), namespace, patience)
	}
	return nil
}

// deleteServices deletes one by one: older servers have no deletecollection
// for services.
func (c *Client) deleteServices(ctx context.Context, namespace string, list metav1.ListOptions) error {
	svcs, err := c.Kube.CoreV1().Services(namespace).List(ctx, list)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range svcs.Items {
		err := c.Kube.CoreV1().Services(namespace).Delete(ctx, s.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &s.UID}})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DeleteClusterScoped removes the cluster roles and bindings of the run.
func (c *Client) DeleteClusterScoped(ctx context.Context, run string) error {
	list := metav1.ListOptions{LabelSelector: Selector(run, "")}
	err := errors.Join(
		c.Kube.RbacV1().ClusterRoleBindings().DeleteCollection(ctx, metav1.DeleteOptions{}, list),
		c.Kube.RbacV1().ClusterRoles().DeleteCollection(ctx, metav1.DeleteOptions{}, list))
	if err != nil {
		return fmt.Errorf("cannot delete cluster roles labelled %s: %w", list.LabelSelector, err)
	}
	return nil
}

// DeleteNamespace deletes a namespace that carries the run's label and waits
// until it is gone.
func (c *Client) DeleteNamespace(ctx context.Context, name, run string, patience time.Duration) error {
	ns, err := c.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("cannot read namespace %s: %w", name, err)
	case ns.Labels[manifests.LabelRun] != run:
		return fmt.Errorf("namespace %s does not carry the label of run %s: left alone", name, run)
	}
	err = c.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &ns.UID}})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("cannot delete namespace %s: %w", name, err)
	}
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, err := c.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		return fmt.Errorf("namespace %s was still terminating after %s: `kubectl get all -n %s` shows what holds it", name, patience, name)
	}
	return nil
}

// Selector selects what carries the run's label, and the trial's unless empty.
func Selector(run, trial string) string {
	return manifests.Owner{Run: run, Trial: trial}.Selector()
}

// WaitDeployment waits until every replica of a Deployment is available.
func (c *Client) WaitDeployment(ctx context.Context, namespace, name string, patience time.Duration) error {
	var last string
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		d, err := c.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			last = err.Error()
			return false, nil
		}
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		last = fmt.Sprintf("%d of %d replicas available", d.Status.AvailableReplicas, want)
		return d.Status.ObservedGeneration >= d.Generation && d.Status.AvailableReplicas >= want, nil
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("deployment %s/%s was not available after %s: %s", namespace, name, patience, last)
	}
	return err
}
