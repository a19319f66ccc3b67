// Package api speaks to the apiserver in the few words that the lab needs. A
// real client would bring a minute of compilation to every `go run`.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"headless-job-dns/lab/internal/layout"
)

// Client is an administrator's.
type Client struct {
	http *http.Client
	base string
}

// requestTimeout bounds one answer; those asked for here take milliseconds.
const requestTimeout = 5 * time.Second

// New makes a client from the keys in the state folder.
func New(state layout.State) (*Client, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(state.PKI(), "admin.crt"), filepath.Join(state.PKI(), "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("load the administrator's key: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(state.PKI(), "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("load the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &Client{
		base: layout.APIServer(),
		http: &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{
				// Proxy stays nil, whatever the environment says: the
				// address exists on this machine only.
				TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12},
			},
		},
	}, nil
}

// Close gives the connections up.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrNotFound is the apiserver's 404.
var ErrNotFound = errors.New("not found")

// Get reads an object into v, or the plain answer if v is a *string.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, v)
}

// Apply creates or changes the object at path (server-side apply).
func (c *Client) Apply(ctx context.Context, path string, yaml []byte) error {
	path += "?fieldManager=" + layout.Name + "&force=true"
	return c.do(ctx, http.MethodPatch, path, "application/apply-patch+yaml", yaml, nil)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, ErrNotFound)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(answer))
	}
	switch v := v.(type) {
	case nil:
		return nil
	case *string:
		*v = string(answer)
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// pollInterval is short against the half second that matters to somebody who
// waits, and costs the apiserver nothing worth counting.
const pollInterval = 50 * time.Millisecond

// Poll asks until ok returns nil. When ctx ends first, the last error says
// what was still missing, and the context's cause why there is no more time.
func Poll(ctx context.Context, ok func() error) error {
	var missing error
	for {
		err := ok()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || missing == nil { // else it only says that ctx has ended
			missing = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%v: %w", missing, context.Cause(ctx))
		case <-time.After(pollInterval):
		}
	}
}

// Ready says whether the apiserver has come up with all its parts.
func (c *Client) Ready(ctx context.Context) error {
	var answer string
	return c.Get(ctx, "/readyz", &answer)
}

// NodeReady says whether a node is there and ready.
func (c *Client) NodeReady(ctx context.Context, name string) (bool, error) {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if err := c.Get(ctx, "/api/v1/nodes/"+name, &node); err != nil {
		return false, err
	}
	for _, cond := range node.Status.Conditions {
		if cond.Type == "Ready" {
			return cond.Status == "True", nil
		}
	}
	return false, nil
}
