package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

// eachTrial calls do whenever a trial begins.
type eachTrial struct {
	bytes.Buffer
	do func()
}

func (e *eachTrial) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "to go\n") {
		e.do()
	}
	return e.Buffer.Write(b)
}

// TestNothingGrows carries out a plan of many trials within the test's process
// and counts, between trials, what each may have left behind there: goroutines,
// memory, open files. The soak on the lab does it with real ones and from
// outside.
func TestNothingGrows(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 15 s")
	}
	klog.SetLogger(logr.Discard()) // as main does
	f := newFakeAPI(t)
	path := filepath.Join(t.TempDir(), "config")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
`, f.URL, base64.StdEncoding.EncodeToString(ca)), 0o600))

	type sample struct {
		goroutines, files int
		heap              uint64
	}
	var samples []sample
	stderr := &eachTrial{do: func() {
		// What ends with a trial has ended a moment later.
		time.Sleep(50 * time.Millisecond)
		var m runtime.MemStats
		debug.FreeOSMemory()
		runtime.ReadMemStats(&m)
		s := sample{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
		if open, err := os.ReadDir("/proc/self/fd"); err == nil {
			s.files = len(open)
		}
		f.forget()
		samples = append(samples, s)
	}}
	const trials = 20
	err := run(context.Background(), []string{"--kubeconfig", path, "--results", t.TempDir(), "--plan", "quick", "--dns", "cluster",
		"--extra", "none", "--observer", "peers", "--pods", "3", "--blocks", fmt.Sprint(trials)}, &bytes.Buffer{}, stderr)
	require.NoError(t, err, stderr.String())
	require.Len(t, samples, trials)
	first := samples[4] // those before open connections
	// What stays with every trial is there after each of the last ones; what a
	// busy machine ends late is not.
	last := samples[trials-1]
	for _, s := range samples[trials-3:] {
		last = sample{min(last.goroutines, s.goroutines), min(last.files, s.files), min(last.heap, s.heap)}
	}
	t.Logf("after 4 trials %+v, after %d %+v", first, trials-1, last)
	// One goroutine that stays per trial would be 13.
	require.Less(t, last.goroutines, first.goroutines+5)
	require.Less(t, last.files, first.files+5)
	// The tally and the pods' addresses are kept: well below a kilobyte a trial.
	require.Less(t, float64(last.heap), float64(first.heap)+512*1024)
}
