package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSoak runs as many trials as LAB_SOAK says, one after another. What the
// program holds must not grow with their number. (That goroutines do not grow is
// tested in repro, within the process.)
func TestSoak(t *testing.T) {
	trials := os.Getenv("LAB_SOAK")
	if trials == "" {
		t.Skip("LAB_SOAK says how many trials; `make soak` runs 200")
	}
	beside(t)
	cmd, dir := command(t, context.Background(), "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers",
		"--pods", "2", "--blocks", trials, "--seed", "7")
	said := newTranscript()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	ended := make(chan struct{})
	var err error
	go func() {
		err = cmd.Wait()
		close(ended)
	}()
	held := map[string][]float64{}
	for n := 2; said.waits(ended, fmt.Sprintf("t%03d ", n)); n++ { // a trial lies behind it
		for what, v := range holds(t, cmd.Process.Pid) {
			held[what] = append(held[what], v)
		}
	}
	<-ended
	require.NoError(t, err, "%s", said)
	outcome{dir: dir}.nothingLeft(t)

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
		v = v[len(v)/5:] // while it warms up
		growth := theilSen(v) * float64(len(v))
		t.Logf("SOAK %s: median %.4g %s, most %.4g; by trend %+.2g over %d trials (at most %g)", what.name, median(v), what.unit, slices.Max(v), growth, len(v), what.most)
		if growth > what.most {
			t.Errorf("%s grow: %v", what.name, v)
		}
	}
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
