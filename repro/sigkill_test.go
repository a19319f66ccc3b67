package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// start prepares a process of the program and what it says.
func start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	return cmd, &said
}

// changes tells whether a request changes what the cluster holds.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == "" && !strings.HasSuffix(r.URL.Path, "accessreviews")
}

// ours lists what the cluster holds of the program's.
func (f *fakeAPI) ours() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, o := range f.objects {
		if o.GetLabels()[manifests.LabelRun] != "" {
			list = append(list, fmt.Sprint(at.resource, " ", at.namespace, "/", at.name))
		}
	}
	return list
}

// trialOver is the line that says what came of a trial; that it began says "about".
var trialOver = regexp.MustCompile(`(?m)^(t\d+) [^:\n]+: [^a\n]`)

// TestKilledBetweenAnyTwoSteps ends the program with SIGKILL after its first
// change to the cluster, after its second, and so on to the last, each time in
// a plan begun anew. The lab does it at moments that are drawn; this leaves none
// out. A trial that is over is on disk, --resume refuses to go on beside what is
// left, `repro clean` finds all of it, and then --resume completes the plan.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the program a hundred times")
	}
	for _, namespace := range []string{"", "theirs"} { // its own; one that is there
		steps := killedAfter(t, 0, namespace)
		t.Logf("%d changes to the cluster", steps)
		require.Greater(t, steps, 20)
		every := 1
		if namespace != "" {
			every = 3 // what differs is the namespace, at the beginning and the end
		}
		for n := 1; n <= steps; n += every {
			t.Run(fmt.Sprintf("%d of %d %s", n, steps, namespace), func(t *testing.T) {
				t.Parallel()
				killedAfter(t, n, namespace)
			})
		}
	}
}

// killedAfter kills the program after its nth change, 0: never, and returns how
// many it made.
func killedAfter(t *testing.T, n int, namespace string) (changed int) {
	f := newFakeAPI(t)
	config := kubeconfigOf(t, f.URL)
	if namespace != "" {
		f.mu.Lock()
		f.store(placeOf("/api/v1/namespaces/"+namespace), map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}})
		f.mu.Unlock()
	}
	into := t.TempDir()
	in := []string{"--kubeconfig", config}
	if namespace != "" {
		in = append(in, "-n", namespace)
	}
	args := append([]string{"--results", into, "--plan", "quick", "--dns", "uncached", "--extra", "member-pod", "--observer", "peers", "--pods", "2", "--blocks", "2"}, in...)
	cmd, said := start(args...)
	f.mu.Lock()
	f.after = func(r *http.Request) {
		if changes(r) {
			if changed++; changed == n {
				cmd.Process.Kill()
			}
		}
	}
	err := cmd.Start()
	f.mu.Unlock()
	require.NoError(t, err)
	err = cmd.Wait()
	f.mu.Lock()
	f.after = nil
	f.mu.Unlock()
	if changed < n || n == 0 { // how often it deletes depends on what is gone already
		require.NoError(t, err, said.String())
		require.Empty(t, f.ours())
		return changed
	}
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "%v after change %d: %s", err, n, said)

	var kept []byte
	dir, err := filepath.EvalSymlinks(filepath.Join(into, results.Latest))
	begun := err == nil
	if begun {
		r, err := results.Load(dir)
		require.NoError(t, err, "after change %d", n)
		finished := map[string]bool{}
		for tr, err := range r.Trials() {
			require.NoError(t, err, "after change %d", n)
			require.Equal(t, results.Complete, tr.Status, tr.Reason)
			finished[tr.Plan.ID] = true
		}
		for _, m := range trialOver.FindAllStringSubmatch(said.String(), -1) {
			require.True(t, finished[m[1]], "after change %d: %s was said to be over: %s", n, m[1], said)
		}
		kept, err = os.ReadFile(filepath.Join(dir, results.TrialsFile))
		if !os.IsNotExist(err) { // before the first trial
			require.NoError(t, err)
		}
	}

	left := f.ours()
	if len(left) > 0 {
		if begun { // beside it nothing goes on
			_, errs, code := try(t, append([]string{"--resume", dir}, in...)...)
			require.Equal(t, exitInput, code, "after change %d: %s", n, errs)
			require.Regexp(t, "accepted: after `repro clean --run |the plan is finished", errs)
			require.ElementsMatch(t, left, f.ours(), "after change %d", n)
		}
		out, errs, code := try(t, "clean", "--yes", "--kubeconfig", config)
		require.Equal(t, 0, code, "after change %d: clean: %s%s", n, errs, out)
		require.Empty(t, f.ours(), "after change %d of %v", n, left)
	}
	if begun {
		resume, said := start(append([]string{"--resume", dir}, in...)...)
		err := resume.Run()
		code := resume.ProcessState.ExitCode()
		done, err2 := results.Load(dir)
		require.NoError(t, err2)
		tally, err2 := done.Tally()
		require.NoError(t, err2)
		_, _, more := tally.Next(done.Plan)
		require.False(t, more, "after change %d: %v: %s", n, err, said)
		// Whoever was killed at the very end has left nothing to do.
		if code != exitInput || !strings.Contains(said.String(), "the plan is finished") {
			require.Zero(t, code, "after change %d: %s", n, said)
		}
		now, err2 := os.ReadFile(filepath.Join(dir, results.TrialsFile))
		require.NoError(t, err2)
		require.True(t, bytes.HasPrefix(now, kept), "after change %d: what was on disk has changed", n)
	}
	require.Empty(t, f.ours(), "after change %d", n)
	return changed
}
