package cluster

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/manifests"
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

// dressed is the object as the cluster and the user want it.
func (c *Client) dressed(o metav1.Object) (metav1.Object, error) {
	if _, spec := manifests.PodSpec(o); spec == nil || !c.assigned && c.Patch == nil {
		return o, nil
	}
	own := o.(manifests.Object).DeepCopyObject().(manifests.Object)
	if _, spec := manifests.PodSpec(own); c.assigned && spec.SecurityContext != nil {
		spec.SecurityContext.RunAsUser = nil
	}
	return own, c.Patch.Apply(own)
}
