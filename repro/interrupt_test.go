package main

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/results"
)

// finished lists the trials on disk.
func finished(t *testing.T, into string) (list []string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(filepath.Join(into, results.Latest))
	require.NoError(t, err)
	r, err := results.Load(dir)
	require.NoError(t, err)
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		list = append(list, tr.Plan.ID+" "+string(tr.Status)+" "+tr.Reason)
	}
	return list
}

// TestInterruptWhileDeleting: what a trial's probes have said counts, though
// Ctrl-C comes before its objects are gone; also in the plan's last trial.
func TestInterruptWhileDeleting(t *testing.T) {
	for trial, want := range map[string]struct {
		finished []string
		says     bool // how the plan is completed
	}{
		"t001": {[]string{"t001 complete "}, true},
		"t002": {[]string{"t001 complete ", "t002 complete "}, false},
	} {
		t.Run(trial, func(t *testing.T) {
			t.Parallel()
			f := newFakeAPI(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			f.after = func(r *http.Request) {
				of := r.URL.Query().Get("labelSelector")
				if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/jobs") && strings.Contains(of, trial) {
					interrupt()
				}
			}
			into := t.TempDir()
			var out bytes.Buffer
			err := run(ctx, []string{"--kubeconfig", kubeconfigOf(t, f.URL), "--results", into, "--plan", "quick", "--dns", "uncached",
				"--extra", "none", "--observer", "peers", "--pods", "2", "--blocks", "2"}, &out, &out)
			require.Equal(t, exitInterrupted, exitCode(err), "%v: %s", err, out.String())
			require.Equal(t, want.finished, finished(t, into), out.String())
			require.Equal(t, want.says, strings.Contains(out.String(), "completes the plan"), out.String())
			require.Empty(t, f.ours())
		})
	}
}

// TestTrialIsLeft: a trial that cannot be deleted in time is kept, the plan goes
// on, and what is left goes at its end.
func TestTrialIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for as long as a refusal may last, 10 s")
	}
	t.Parallel()
	f := newFakeAPI(t)
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete || !strings.Contains(r.URL.Query().Get("labelSelector"), "t001") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	into := t.TempDir()
	var out bytes.Buffer
	err := run(t.Context(), []string{"--kubeconfig", kubeconfigOf(t, f.URL), "--results", into, "--plan", "quick", "--dns", "cluster",
		"--extra", "none", "--observer", "peers", "--pods", "2", "--blocks", "2"}, &out, &out)
	require.NoError(t, err, out.String())
	require.Contains(t, out.String(), "t001: objects of the trial are left: cannot delete objects labelled ")
	require.Equal(t, []string{"t001 complete ", "t002 complete "}, finished(t, into))
	require.Empty(t, f.ours())
}
