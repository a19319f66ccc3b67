package cluster

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// assigner is the API group of OpenShift's SecurityContextConstraints. The
// default ones give each pod a user id of its namespace's range, and refuse a
// pod that names another.
const assigner = "security.openshift.io"

// groupsTimeout is for one small list of a server that has just answered.
const groupsTimeout = 10 * time.Second

// FindAssigner finds out whether the cluster gives pods their user ids, and says
// so. From then on nothing that is created names one.
func (c *Client) FindAssigner(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, groupsTimeout)
	defer cancel()
	// Discovery's interface takes no context. Where it cannot be read the user
	// ids of manifests/ are tried.
	var list metav1.APIGroupList
	if err := c.Kube.Discovery().RESTClient().Get().AbsPath("/apis").Do(ctx).Into(&list); err != nil {
		return false
	}
	for _, g := range list.Groups {
		c.assigned = c.assigned || g.Name == assigner
	}
	return c.assigned
}

// dressed is the object as the cluster takes it.
func (c *Client) dressed(o metav1.Object) metav1.Object {
	if !c.assigned {
		return o
	}
	var spec *corev1.PodSpec
	switch own := o.(type) {
	case *corev1.Pod:
		own = own.DeepCopy()
		o, spec = own, &own.Spec
	case *batchv1.Job:
		own = own.DeepCopy()
		o, spec = own, &own.Spec.Template.Spec
	case *appsv1.Deployment:
		own = own.DeepCopy()
		o, spec = own, &own.Spec.Template.Spec
	case *appsv1.DaemonSet:
		own = own.DeepCopy()
		o, spec = own, &own.Spec.Template.Spec
	}
	if spec != nil && spec.SecurityContext != nil {
		spec.SecurityContext.RunAsUser = nil
	}
	return o
}
