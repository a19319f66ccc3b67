package main

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// smallPlan is two trials that need nothing cluster-wide.
var smallPlan = []string{"--deliver", "preloaded", "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers", "--blocks", "2", "--pods", "2"}

// jobOf puts a Job of a run into the server, as another process would.
func (f *fakeAPI) jobOf(run, namespace, name string) {
	labels := map[string]any{}
	for k, v := range (manifests.Owner{Run: run, Trial: "t001"}).Labels() {
		labels[k] = v
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store(placeOf("/apis/batch/v1/namespaces/"+namespace+"/jobs/"+name), map[string]any{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": labels}, "status": map[string]any{"active": 2}})
}

// created tells whether a request makes an object of a resource.
func created(r *http.Request, resource string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/"+resource) && r.URL.Query().Get("dryRun") == ""
}

// TestRunIDOfAnother: where a run of the same id is seen nothing begins; where it
// cannot be seen it is left alone.
func TestRunIDOfAnother(t *testing.T) {
	const theirs = "jobs team-b/lag-nightly-t001"
	for _, tc := range []struct {
		name string
		in   []string
		role bool // in demo alone
		code int
	}{
		{"in a namespace", []string{"-n", "demo"}, false, exitInput},
		{"in one of its own", nil, false, exitInput},
		{"unseen", []string{"-n", "demo"}, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFakeAPI(t)
			f.theNamespace("demo")
			f.theNamespace("team-b")
			f.jobOf("nightly", "team-b", "lag-nightly-t001")
			if tc.role {
				f.grants = granting(t, "rbac.yaml", "demo")
			}
			_, stderr, code, dir := againstFake(t, f, append(append([]string{"--run-id", "nightly"}, tc.in...), smallPlan...)...)
			require.Equal(t, tc.code, code, stderr)
			require.Equal(t, []string{theirs}, f.ours())
			if tc.code == 0 {
				return
			}
			require.Equal(t, "repro: --run-id nightly: objects of a run of that id are there (first of them job team-b/lag-nightly-t001), perhaps of one that still runs; accepted: another id, or after `repro clean --run nightly`", lastLine(stderr))
			require.NoDirExists(t, dir)
		})
	}
}

// TestResumeBesideWhatIsLeft: a killed run's Job may still be asking, and what
// it asks changes what the others are answered.
func TestResumeBesideWhatIsLeft(t *testing.T) {
	f := newFakeAPI(t)
	f.theNamespace("demo")
	f.theNamespace("other")
	config, into := kubeconfigOf(t, f.URL), t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	jobs := 0
	f.after = func(r *http.Request) {
		if created(r, "jobs") {
			if jobs++; jobs == 2 { // the first is the look at the cluster's DNS
				interrupt()
			}
		}
	}
	var out bytes.Buffer
	err := run(ctx, append([]string{"--kubeconfig", config, "-n", "demo", "--run-id", "r", "--results", into}, smallPlan...), &out, &out)
	require.ErrorIs(t, err, context.Canceled, out.String())
	require.Empty(t, f.ours())
	f.after = nil
	dir, err := filepath.EvalSymlinks(filepath.Join(into, results.Latest))
	require.NoError(t, err)

	f.jobOf("r", "demo", "lag-r-t001")
	for _, namespace := range []string{"demo", "other"} {
		_, stderr, code := try(t, "--kubeconfig", config, "-n", namespace, "--resume", dir)
		require.Equal(t, exitInput, code, stderr)
		require.Equal(t, "repro: --resume "+dir+": job demo/lag-r-t001 is there, perhaps what the interrupted run left; accepted: after `repro clean --run r`", lastLine(stderr))
		require.Equal(t, []string{"jobs demo/lag-r-t001"}, f.ours())
	}
	_, stderr, code := try(t, "clean", "--yes", "--run", "r", "--kubeconfig", config)
	require.Equal(t, 0, code, stderr)
	_, stderr, code = try(t, "--kubeconfig", config, "-n", "other", "--resume", dir)
	require.Equal(t, 0, code, stderr)
	require.Empty(t, f.ours())
}

// TestTheRightToLookIsLost during a run: what it created of that kind may be
// left, and the program does not say otherwise.
func TestTheRightToLookIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 10 s")
	}
	t.Parallel()
	for _, tc := range []struct{ name, dns, want string }{
		{"of a kind that was created", "uncached", "this user may no longer list clusterrolebindings, clusterroles, and some were there: "},
		{"of one that was not", "cluster", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // it waits
			f := newFakeAPI(t)
			f.theNamespace("demo")
			var lost atomic.Bool
			f.after = func(r *http.Request) {
				if created(r, "jobs") {
					lost.Store(true)
				}
			}
			f.grants = func(verb, _, resource, _ string) bool {
				return !(lost.Load() && verb == "list" && strings.HasPrefix(resource, "clusterrole"))
			}
			_, stderr, code := try(t, append([]string{"--kubeconfig", kubeconfigOf(t, f.URL), "-n", "demo", "--results", t.TempDir(), "--run-id", "r",
				"--plan", "quick", "--extra", "none", "--observer", "peers", "--pods", "2"}, "--dns", tc.dns)...)
			if tc.want == "" {
				require.Equal(t, 0, code, stderr)
				require.Empty(t, f.ours())
				return
			}
			require.Equal(t, 1, code, stderr)
			require.Contains(t, lastLine(stderr), tc.want)
			require.Contains(t, lastLine(stderr), "`repro clean --run r` tries again")
			require.Len(t, f.ours(), 2)
		})
	}
}
