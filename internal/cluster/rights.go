package cluster

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/manifests"
)

// Refused asks the server by dry runs whether the ClusterRoles and bindings
// among the objects could be created, and returns why not; empty: they could,
// or trying will tell. A dry run knows what a list of rights does not: nobody
// can grant a right that he does not have.
func (c *Client) Refused(ctx context.Context, objs []manifests.Object) (why string, err error) {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	for _, o := range objs {
		var err error
		var kind string
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			kind = "clusterrole"
			_, err = c.Kube.RbacV1().ClusterRoles().Create(ctx, o, dry)
		case *rbacv1.ClusterRoleBinding:
			kind = "clusterrolebinding"
			_, err = c.Kube.RbacV1().ClusterRoleBindings().Create(ctx, o, dry)
		default:
			continue
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case apierrors.IsForbidden(err):
			return fmt.Sprintf("creating a %s is forbidden", kind), nil
		}
	}
	return "", nil
}
