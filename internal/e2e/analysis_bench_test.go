package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// TestBenchAnalysis makes the report of 1,000 trials of 16 pods from their
// records: half of them with every pod asking for every pod, half workers.
func TestBenchAnalysis(t *testing.T) {
	if os.Getenv("LAB_BENCH") == "" {
		t.Skip("this measures; `make bench` runs it")
	}
	settings := plan.Defaults()
	settings.Pods = 16
	p, err := plan.Build(plan.Options{Name: "default", Run: "bench", Seed: 7, Blocks: 250, Settings: settings,
		DNS: []plan.DNS{plan.Kubeadm131}, Names: []plan.Names{plan.Fresh},
		Extras: []plan.Extra{plan.ExtraNone, plan.ExtraService}, Observers: []record.Observer{record.PeersServer, record.Solo}})
	require.NoError(t, err)
	require.Len(t, p.Trials, 1000)
	f, err := results.Create(t.TempDir(), time.Now())
	require.NoError(t, err)
	require.NoError(t, f.WritePlan(p))
	for i, pt := range p.Trials {
		w := synth.Of(pt.ID, pt.Arm, settings.Pods)
		w.Seed = uint64(i)
		tr := w.Trial().End()
		tr.Plan = pt
		require.NoError(t, f.Append(*tr))
	}
	require.NoError(t, f.Close())
	info, err := os.Stat(filepath.Join(f.Dir(), results.TrialsFile))
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(root(t), "bin", "repro"), "report", f.Dir())
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	require.NoError(t, err, "%s", out)
	resident := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10 // Linux counts in KiB
	figure(t, fmt.Sprintf("report of 1,000 trials of 16 pods (%d MB of records)", info.Size()>>20), "< 10 s, < 500 MB", "%s, %d MB resident", took.Round(10*time.Millisecond), resident)
	require.Less(t, took, 10*time.Second)
	require.Less(t, resident, int64(500))
}
