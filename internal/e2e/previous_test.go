package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/results"
)

// TestPreviousRan has a Job run to its end before each trial, on a DNS that never
// withdraws a Service's last record. What decides is made certain: a Service that is
// deleted before the record writer has waited out its pause leaves the old record,
// extra pod or not; workers that outlive pod 0 have it withdrawn.
func TestPreviousRan(t *testing.T) {
	beside(t)
	file := filepath.Join(t.TempDir(), "plan.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
name: previous
settings: { pods: 3, connect_timeouts: [1s], run_length: 2s, gap: 5.3s }
arms:
  - { dns: record-writer, names: reused, extra: member-pod, observer: solo, previous: ran, delete_after: 50ms }
  - { dns: record-writer, names: reused, extra: none, observer: solo, previous: ran, delete_after: 4s, workers_outlive: 3s }
`), 0o600))
	o := repro(t, "--plan", file)
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	for _, v := range verdicts(t, o.dir) {
		require.Equal(t, results.Complete, v.Status, v.Reasons)
		want, after := judge.FirstOld, 50*time.Millisecond
		if v.Trial.Arm.Outlive > 0 {
			want, after = judge.FirstWithdrawn, 4*time.Second
		}
		require.Equal(t, want, v.Previous.First, v.Trial.Arm)
		require.GreaterOrEqual(t, v.Previous.Deleted, after)
		require.Greater(t, v.Previous.Started, 5*time.Second, "never before the gap is over")
	}
}
