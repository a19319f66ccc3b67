package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
