package cluster

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// requestTimeout is how long an ordinary request may take. An API server ends one
// itself after a minute (its --request-timeout), so that whoever has not
// answered by then, a stopped server or a proxy in front of one, never will.
const requestTimeout = 75 * time.Second

// bounded ends requests that nobody answers. Watches, logs that are followed and
// commands in pods last as long as they last.
type bounded struct {
	http.RoundTripper
	after time.Duration
}

// timedOut is the error of a request that was ended: transient, as an error of
// the network.
type timedOut struct{ after time.Duration }

func (e timedOut) Error() string {
	return "the API server took the request and did not answer within " + e.after.String()
}
func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if lasting(r) {
		return b.RoundTripper.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), b.after)
	answer, err := b.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		if ctx.Err() != nil && r.Context().Err() == nil {
			err = timedOut{b.after}
		}
		cancel()
		return nil, err
	}
	answer.Body = released{answer.Body, cancel}
	return answer, nil
}

// lasting tells a request whose answer is a stream.
func lasting(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("watch") != "" || q.Get("follow") != "" || r.Header.Get("Upgrade") != "" ||
		strings.HasSuffix(r.URL.Path, "/exec")
}

// released lets a request's deadline go when its answer has been read.
type released struct {
	io.ReadCloser
	release context.CancelFunc
}

func (r released) Close() error {
	defer r.release()
	return r.ReadCloser.Close()
}
