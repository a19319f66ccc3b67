package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"headless-job-dns/manifests"
)

// StuckGrace is how long a pod may report that it cannot start before it is
// believed: a pull error right after creation can heal.
const StuckGrace = 5 * time.Second

// background lets a Job's deletion return at once; the garbage collector
// removes its pods.
var background = metav1.DeletePropagationBackground

// ErrTaken says that an object of the wanted name exists already.
var ErrTaken = errors.New("name is already taken")

// Create creates one object in its namespace.
func (c *Client) Create(ctx context.Context, o metav1.Object) error {
	k, a, err := c.kindOf(o)
	if err != nil {
		return err
	}
	dressed, err := c.dressed(o)
	if err != nil {
		return fmt.Errorf("%s %s: %w", k.name, fullName(o), err)
	}
	_, err = a.create(ctx, dressed, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) && !apierrors.IsForbidden(err) { // it is there, or may be: an answer can be lost
		c.created.add(k.name, o)
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s %s: %w", k.name, fullName(o), ErrTaken)
	default:
		return fmt.Errorf("cannot create %s %s: %w", k.name, fullName(o), err)
	}
}

// Free reports, as ErrTaken, an object that exists under the name that o is to
// have. It is asked before anything is created, so that an object that is not
// ours stops the run while there is nothing to undo. What may not be read
// counts as free: creating it will tell.
func (c *Client) Free(ctx context.Context, o metav1.Object) error {
	k, a, err := c.kindOf(o)
	if err != nil {
		return err
	}
	switch err := a.get(ctx, o.GetName()); {
	case err == nil:
		return fmt.Errorf("%s %s: %w", k.name, fullName(o), ErrTaken)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	default:
		return fmt.Errorf("cannot look up %s %s: %w", k.name, fullName(o), err)
	}
}

// DryRun tries to create an object: the server authorizes, admits and fills in
// as for a creation, and keeps nothing. It returns the object as it would be,
// or the server's error.
func (c *Client) DryRun(ctx context.Context, o metav1.Object) (metav1.Object, error) {
	_, a, err := c.kindOf(o)
	if err != nil {
		return nil, err
	}
	dressed, err := c.dressed(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fullName(o), err)
	}
	return a.create(ctx, dressed, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

func fullName(o metav1.Object) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}

// CreateAnew is Create for names that a previous life of the object may still
// hold: it tries again until the name is free or patience runs out. sent is
// just before its last request was.
func (c *Client) CreateAnew(ctx context.Context, o metav1.Object, patience time.Duration) (sent time.Time, err error) {
	// 50 ms: short against the trial's resolution of what follows, long
	// enough to stay far below the client's rate limit.
	const pause = 50 * time.Millisecond
	var last error
	err = wait.PollUntilContextTimeout(ctx, pause, patience, true, func(ctx context.Context) (bool, error) {
		sent = time.Now()
		last = c.Create(ctx, o)
		if errors.Is(last, ErrTaken) {
			return false, nil
		}
		return true, last
	})
	if wait.Interrupted(err) && last != nil && ctx.Err() == nil {
		return sent, fmt.Errorf("after %s: %w", patience, last)
	}
	return sent, err
}

// notOwned leaves a Job's pods to the garbage collector. A Job controller that
// saw them go before it saw the Job go would create others in their place.
const notOwned = ",!batch.kubernetes.io/controller-uid"

// DeleteTrial deletes every object in the namespace that carries the run's and
// the trial's label. It returns when the requests were accepted, not when the
// objects are gone.
func (c *Client) DeleteTrial(ctx context.Context, namespace, run, trial string) error {
	list := metav1.ListOptions{LabelSelector: Selector(run, trial)}
	loose := metav1.ListOptions{LabelSelector: list.LabelSelector + notOwned}
	// The default grace period holds: a probe exits on SIGTERM at once.
	opt := metav1.DeleteOptions{PropagationPolicy: &background}
	err := errors.Join(
		c.Kube.BatchV1().Jobs(namespace).DeleteCollection(ctx, opt, list),
		c.Kube.CoreV1().Pods(namespace).DeleteCollection(ctx, opt, loose),
		c.deleteServices(ctx, namespace, list))
	if err != nil {
		return fmt.Errorf("cannot delete objects labelled %s in namespace %s: %w", list.LabelSelector, namespace, err)
	}
	return nil
}

// DropPods deletes a trial's pods without a grace period: they are gone from
// the API at once, and the kubelet ends them on hearing of it. Left to the
// grace period it hears, ends them, notices a second later that they ended and
// reports that, before they are gone. Call it once their Job is gone.
func (c *Client) DropPods(ctx context.Context, namespace, run, trial string) error {
	list := metav1.ListOptions{LabelSelector: Selector(run, trial)}
	now := int64(0)
	err := c.Kube.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, list)
	if err != nil {
		return fmt.Errorf("cannot delete pods labelled %s in namespace %s: %w", list.LabelSelector, namespace, err)
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
		err := c.Kube.CoreV1().Services(namespace).Delete(ctx, s.Name,
			metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &s.UID}})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Selector selects what carries the run's label, and the trial's unless empty.
func Selector(run, trial string) string {
	return manifests.Owner{Run: run, Trial: trial}.Selector()
}

// WaitAvailable waits until every pod of a Deployment or a DaemonSet is
// available. It gives up early on a missing right, and when stuck has said for
// StuckGrace that a pod cannot start.
func (c *Client) WaitAvailable(ctx context.Context, o metav1.Object, patience time.Duration,
	stuck func() string) error {
	k, _, err := c.kindOf(o)
	if err != nil {
		return err
	}
	var last string
	var since time.Time
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		have, want, err := c.available(ctx, o)
		if apierrors.IsForbidden(err) {
			return false, err
		}
		if err != nil {
			last = err.Error()
			return false, nil
		}
		switch why := stuck(); {
		case why == "":
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > StuckGrace:
			return false, errors.New(c.WithAnswer(ctx, why))
		}
		last = fmt.Sprintf("%d of %d pods available", have, want)
		return have >= want, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		err = fmt.Errorf("not available after %s: %s", patience, last)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", k.name, fullName(o), err)
	}
	return nil
}

// available tells how many pods of a Deployment or a DaemonSet serve, and how
// many are wanted. A DaemonSet wants one on each node that takes it; none at all
// counts as not available.
func (c *Client) available(ctx context.Context, o metav1.Object) (have, want int32, err error) {
	if _, ok := o.(*appsv1.DaemonSet); ok {
		d, err := c.Kube.AppsV1().DaemonSets(o.GetNamespace()).Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil || d.Status.ObservedGeneration < d.Generation {
			return 0, 1, err
		}
		return d.Status.NumberAvailable, max(1, d.Status.DesiredNumberScheduled), nil
	}
	d, err := c.Kube.AppsV1().Deployments(o.GetNamespace()).Get(ctx, o.GetName(), metav1.GetOptions{})
	if err != nil {
		return 0, 1, err
	}
	have, want = Replicas(d)
	return have, want, nil
}

// Replicas tells how many pods of a Deployment as it is now serve, and how many
// are wanted.
func Replicas(d *appsv1.Deployment) (have, want int32) {
	if d.Status.ObservedGeneration < d.Generation {
		return 0, 1
	}
	want = 1 // the default
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	return d.Status.AvailableReplicas, want
}
