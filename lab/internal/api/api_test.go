package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPoll(t *testing.T) {
	calls := 0
	require.NoError(t, Poll(context.Background(), func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	require.Equal(t, 3, calls)

	late := errors.New("it took too long")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*pollInterval, late)
	defer cancel()
	err := Poll(ctx, func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("node1 is not Ready")
	})
	require.ErrorIs(t, err, late)
	require.Equal(t, "node1 is not Ready: it took too long", err.Error())
}

func TestClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.Method + " " + r.URL.Path {
		case "GET /api/v1/nodes/ready":
			_, _ = io.WriteString(w, `{"status": {"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}}`)
		case "GET /api/v1/nodes/new":
			_, _ = io.WriteString(w, `{"status": {}}`)
		case "GET /readyz":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "[-]etcd failed")
		case "PATCH /api/v1/x":
			_ = json.NewEncoder(w).Encode(map[string]string{
				"type": r.Header.Get("Content-Type"), "manager": r.URL.Query().Get("fieldManager"), "body": string(body),
			})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	c := &Client{base: server.URL, http: &http.Client{Timeout: 30 * time.Second}}
	ctx := context.Background()

	ready, err := c.NodeReady(ctx, "ready")
	require.NoError(t, err)
	require.True(t, ready)
	ready, err = c.NodeReady(ctx, "new")
	require.NoError(t, err)
	require.False(t, ready)
	_, err = c.NodeReady(ctx, "none")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, c.Ready(ctx), "[-]etcd failed")
	require.NoError(t, c.Apply(ctx, "/api/v1/x", []byte("kind: X")))
}
