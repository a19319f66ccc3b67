package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const (
	// outagePause is between attempts: an API server needs a few seconds to
	// start, and is not to be kept from it.
	outagePause = 500 * time.Millisecond
	// refusalPatience is for refusals. An API server that has just started
	// refuses who has every right for a second or two, until it has read the
	// accounts and the roles; what is refused for longer is.
	refusalPatience = 10 * time.Second
)

// IsTransient tells whether an error may be over in a moment, because the API
// server is away, starting or has too much to do: the request that failed would
// then be answered if it were repeated.
func IsTransient(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return refusal(err) || code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
	}
	var op *net.OpError
	var request *url.Error
	return errors.As(err, &op) || errors.As(err, &request) && errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		utilnet.IsTimeout(err) || utilnet.IsHTTP2ConnectionLost(err) || utilnet.IsConnectionReset(err) ||
		utilnet.IsProbableEOF(err)
}

// refusal tells whether the API server refused the user, and not what the user
// wanted: nothing is created in a namespace that is being deleted, by nobody.
func refusal(err error) bool {
	return apierrors.IsUnauthorized(err) ||
		apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// RetryTransient repeats what fails for a reason that may pass, until it succeeds or
// patience runs out, and returns its last error.
func RetryTransient(ctx context.Context, patience time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var refused time.Time
	for {
		err := do(ctx)
		switch {
		case err == nil, !IsTransient(err):
			return err
		case !refusal(err):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) > refusalPatience:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(outagePause):
		}
	}
}

// WaitReady waits until the API server says that it is ready, or patience runs
// out. One that does not let this user ask counts as ready.
func (c *Client) WaitReady(ctx context.Context, patience time.Duration) error {
	err := RetryTransient(ctx, patience, func(ctx context.Context) error {
		return c.Kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	switch {
	case err == nil, apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("the API server at %s is not ready: %w", c.Host, err)
}
