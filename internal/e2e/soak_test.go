package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// soakTrials is how many trials a soak has at most.
const soakTrials = 200

// TestSoak runs quick trials, one after another, for as long as LAB_SOAK says.
// What the program holds must not grow with their number, and nothing is left.
// (That goroutines do not grow is tested in repro, within the process.)
func TestSoak(t *testing.T) {
	if os.Getenv("LAB_SOAK") == "" {
		t.Skip("this test takes what LAB_SOAK says, e.g. 60m; `make soak` runs it")
	}
	onLab(t)
	limit, err := time.ParseDuration(os.Getenv("LAB_SOAK"))
	require.NoError(t, err)
	cmd, dir := command(t, context.Background(), "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers",
		"--pods", "3", "--deadline", "10s", "--blocks", fmt.Sprint(soakTrials), "--seed", "7")
	said := newTranscript()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, said
	began := time.Now()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	ended := make(chan struct{})
	go func() {
		err = cmd.Wait()
		close(ended)
	}()
	held := map[string][]float64{}
	for n := 1; said.waits(ended, fmt.Sprintf("t%03d ", n)); n++ {
		if n > 1 { // a trial lies behind it
			for what, v := range holds(t, cmd.Process.Pid) {
				held[what] = append(held[what], v)
			}
		}
		if time.Since(began) > limit {
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
			break
		}
	}
	<-ended
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 130) {
		t.Errorf("the program ended with %v", err)
	}
	begun, _, _ := strings.Cut(said.String(), "t002 ")
	last := said.String()
	if i := strings.LastIndex(last, "deleting"); i >= 0 {
		last = last[i:]
	}
	t.Logf("%s\n...\n%s%s", begun, last, out.String())
	nothingLeft(t)

	for _, what := range []struct {
		name string
		unit string
		most float64 // that it may grow over the whole run
	}{
		// The Go runtime keeps what its collector has not asked back yet; the
		// run itself has to keep of a trial its name and its pods' addresses.
		{"memory", "MiB", 8},
		{"open files", "", 2},
		{"threads", "", 3},
	} {
		v := held[what.name]
		require.GreaterOrEqual(t, len(v), 10, "too short to tell")
		v = v[len(v)/10:] // while it warms up
		growth := theilSen(v) * float64(len(v))
		t.Logf("SOAK %s: median %.4g %s, most %.4g; by trend %+.2g over %d trials (at most %g)", what.name, median(v), what.unit, slices.Max(v), growth, len(v), what.most)
		if growth > what.most {
			t.Errorf("%s grow: %v", what.name, v)
		}
	}
	reportDrift(t, dir)
}

// holds reads what a process holds.
func holds(t *testing.T, pid int) map[string]float64 {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	h := map[string]float64{"open files": float64(len(files))}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		var n float64
		fmt.Sscan(value, &n)
		switch name {
		case "VmRSS":
			h["memory"] = n / 1024 // kB
		case "Threads":
			h["threads"] = n
		}
	}
	require.Len(t, h, 3)
	return h
}

// theilSen is the median slope between any two points, a step of 1 apart: a
// trend that a single peak does not make.
func theilSen(v []float64) float64 {
	var slopes []float64
	for i := range v {
		for j := i + 1; j < len(v); j++ {
			slopes = append(slopes, (v[j]-v[i])/float64(j-i))
		}
	}
	return median(slopes)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// reportDrift says how much later the second half's trials were than the first
// half's: whether the cluster or the program tires.
func reportDrift(t *testing.T, dir string) {
	t.Helper()
	r, err := results.Load(dir)
	require.NoError(t, err)
	var lags []float64
	n := map[results.Status]int{}
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		v := judge.Judge(&tr)
		n[v.Status]++
		if since := v.Connected.Since; v.Status == results.Complete && since.Known() {
			lags = append(lags, since.Value.Seconds())
		}
	}
	t.Logf("SOAK trials: %v", n)
	// Nothing disturbs the lab: a trial in ten that is not whole is the program's.
	require.Less(t, 10*(n[results.Censored]+n[results.Invalid]), n[results.Complete]+n[results.Censored]+n[results.Invalid])
	require.Greater(t, len(lags), 10)
	half := len(lags) / 2
	d, err := stats.TwoSample(lags[:half], lags[half:], 0.95)
	require.NoError(t, err)
	t.Logf("SOAK drift of the control arm: all connected, since the Job's creation, median %.2f s; second half against first %+.3f s (95 %% interval %+.3f to %+.3f), by trend %+.3f s over %d trials",
		median(lags), d.Estimate, d.Interval.Lo, d.Interval.Hi, theilSen(lags)*float64(len(lags)), len(lags))
	require.FileExists(t, filepath.Join(dir, results.ReportFile))
}
