package e2e

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

// These are the finding, and that nothing is left, in their shortest form:
// `make test` runs no other tests on the lab.

// isLate lies between what names take that nothing denies, 0.2 s and a few seconds
// on a machine with other work, and the 30 s of a cache less what pods start
// apart.
const isLate = 10 * time.Second

// TestNewNames is the first half of the finding: names never asked for before.
// The DNS servers have every record after a moment; where denials are cached, the
// clients that asked too early wait for them to expire.
func TestNewNames(t *testing.T) {
	beside(t)
	o := repro(t, "--plan", "quick", "--dns", "cache-30,uncached", "--extra", "none", "--observer", "peers+server")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	list := verdicts(t, o.dir)
	require.Len(t, list, 2)
	for _, v := range list {
		require.Equal(t, results.Complete, v.Status, v.Reasons)
		require.True(t, v.OnServer.Lag.Known())
		require.Less(t, v.OnServer.Lag.Value, isLate)
		if v.Trial.Arm.DNS == plan.Uncached {
			require.Less(t, v.Connected.Lag.Value, isLate)
			require.Zero(t, v.Counts.ProvenCached)
			continue
		}
		require.Greater(t, v.Connected.Lag.Value, isLate)
		require.Positive(t, v.Counts.ProvenCached)
	}
	require.Equal(t, 0, reportAgain(t, o.dir).code)
}

// TestPreviousJob is the second half: names of a Job that ended just before.
// Where addresses are cached, a client dials the previous leader's.
func TestPreviousJob(t *testing.T) {
	beside(t)
	o := repro(t, "--dns", "cache-30", "--names", "reused", "--extra", "none", "--observer", "solo",
		"--pods", "3", "--connect-timeouts", "1s")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	list := verdicts(t, o.dir)
	require.Len(t, list, 1)
	require.Equal(t, results.Complete, list[0].Status, list[0].Reasons)
	require.Positive(t, list[0].Counts.StaleAnswers())
	require.Len(t, list[0].Workers, 2)
	for _, w := range list[0].Workers {
		require.True(t, w.Joined.Lag.Known() && !w.Joined.Lag.Censored)
	}
}

// TestCtrlC presses Ctrl-C in the second trial, with a reader that has gone away
// as `| tee` has: what was created is deleted, what was finished is kept.
func TestCtrlC(t *testing.T) {
	beside(t)
	interrupt(t, interruption{want: "t002 2/", wait: 200 * time.Millisecond, finished: 1,
		args: []string{"--plan", "quick", "--dns", "uncached", "--observer", "peers", "--extra", "none", "--blocks", "50", "--pods", "2"}})
}

// TestInterrupt presses Ctrl-C at other moments.
func TestInterrupt(t *testing.T) {
	for name, in := range map[string]interruption{
		"private DNS starts": {want: "starting a private DNS", wait: 300 * time.Millisecond, args: []string{"--plan", "quick", "--dns", "cache-30"}},
		"first trial begins": {want: "t001 1/", args: []string{"--plan", "quick", "--dns", "uncached"}},
		"primer":             {want: "t001 1/", wait: 2 * time.Second, args: []string{"--dns", "cluster", "--names", "reused", "--extra", "member-pod"}},
	} {
		t.Run(name, func(t *testing.T) {
			beside(t)
			interrupt(t, in)
		})
	}
}

// interruption is a moment in a run: a while after something was printed.
type interruption struct {
	want     string
	wait     time.Duration
	args     []string
	finished int // trials by then
}

func interrupt(t *testing.T, in interruption) {
	t.Helper()
	cmd, dir := command(t, t.Context(), in.args...)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = w, w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	text := ""
	for buf := make([]byte, 4096); !strings.Contains(text, in.want); {
		n, err := r.Read(buf)
		text += string(buf[:n])
		require.NotEqual(t, io.EOF, err, "ended before %q was printed: %s", in.want, text)
		require.NoError(t, err)
	}
	time.Sleep(in.wait)
	began := time.Now()
	require.NoError(t, r.Close())
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	err = cmd.Wait()
	t.Logf("%s\nended %s after the signal: %v", text, time.Since(began).Round(time.Millisecond), err)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 130, exit.ExitCode())
	outcome{dir: dir}.nothingLeft(t)
	list := verdicts(t, dir)
	require.GreaterOrEqual(t, len(list), in.finished)
	require.LessOrEqual(t, len(list), in.finished+1, "it ended soon")
	if in.finished > 0 {
		require.FileExists(t, filepath.Join(dir, results.ReportFile))
	}
}
