package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// TestOrder carries out both orders of creation.
func TestOrder(t *testing.T) {
	beside(t)
	o := repro(t, "--dns", "uncached", "--names", "fresh", "--extra", "none", "--observer", "solo",
		"--order", "service-first,job-first", "--publish-not-ready", "true",
		"--pods", "3", "--connect-timeouts", "5s", "--deadline", "20s")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	trials := trialsOf(t, o.dir)
	require.Len(t, trials, 2)
	for _, tr := range trials {
		require.Equal(t, results.Complete, tr.Status, tr.Reason)
		for _, p := range tr.Run.Pods[1:] {
			last := record.Answer{}
			for _, l := range p.Lines {
				if l.Answer != nil {
					last = *l.Answer
				}
			}
			require.Equal(t, tr.Run.Pods[0].IPs[:1], last.Addrs, "%s: what led to index 0 is its address", tr.Plan.Arm)
		}
	}
}

// TestGaps compares the gap between two lives of a name that was asked for with
// the one that there was. A gap of 0 s is as short as a pod's start, and a gap is
// planned by what the first run's pods took to start.
func TestGaps(t *testing.T) {
	beside(t)
	const gap = 15 * time.Second
	o := repro(t, "--dns", "uncached", "--names", "reused", "--extra", "none", "--observer", "solo",
		"--gap", "0s,"+gap.String()+",no-wait", "--pods", "3", "--connect-timeouts", "5s", "--deadline", "20s")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	list := verdicts(t, o.dir)
	require.Len(t, list, 3)
	gaps := map[plan.Gap]time.Duration{}
	for _, v := range list {
		require.NotNil(t, v.Gap, v.Trial.Arm)
		gaps[v.Trial.Arm.Gap] = *v.Gap
	}
	t.Logf("%v", gaps)
	require.Positive(t, gaps["0s"])
	require.Less(t, gaps["0s"]+gap/2, gaps[plan.Gap(gap.String())])
	require.Less(t, gaps["no-wait"], gaps[plan.Gap(gap.String())], "the first run's pods may well outlive the first question")
}

func trialsOf(t *testing.T, dir string) (list []results.Trial) {
	t.Helper()
	r, err := results.Load(dir)
	require.NoError(t, err)
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		list = append(list, tr)
	}
	return list
}
