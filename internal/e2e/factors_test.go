package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// TestByAddressAndOrder carries out both orders of creation, by name and by
// address, where nothing is cached: whatever is slow then is the network's or
// the hand-over's doing.
func TestByAddressAndOrder(t *testing.T) {
	beside(t)
	o := repro(t, "--dns", "kubeadm-1.32", "--names", "fresh", "--extra", "none", "--observer", "solo",
		"--order", "service-first,job-first", "--connect", "name,address", "--publish-not-ready", "true",
		"--pods", "3", "--connect-timeouts", "5s", "--deadline", "20s")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	trials := trialsOf(t, o.dir)
	require.Len(t, trials, 4)
	for _, tr := range trials {
		require.Equal(t, results.Complete, tr.Status, tr.Reason)
		byAddress := tr.Plan.Arm.Connect == plan.ByAddress
		for _, p := range tr.Run.Pods[1:] {
			last := record.Answer{}
			for _, l := range p.Lines {
				if l.Answer != nil {
					last = *l.Answer
					require.Equal(t, byAddress, last.View == record.Given, "%s: %+v", tr.Plan.Arm, last)
				}
			}
			require.Equal(t, tr.Run.Pods[0].IPs[:1], last.Addrs, "%s: what led to index 0 is its address", tr.Plan.Arm)
		}
	}
}

// TestGaps compares the gap between two lives of a name that was asked for with
// the one that there was. A gap of 0 s is as short as a pod's start.
func TestGaps(t *testing.T) {
	onLab(t)
	o := repro(t, "--dns", "kubeadm-1.32", "--names", "reused", "--extra", "none", "--observer", "solo",
		"--gap", "0s,5s,no-wait", "--pods", "3", "--connect-timeouts", "5s", "--deadline", "20s")
	require.Equal(t, 0, o.code)
	nothingLeft(t)
	list := verdicts(t, o.dir)
	require.Len(t, list, 3)
	for _, v := range list {
		require.NotNil(t, v.Gap, v.Trial.Arm)
		t.Logf("%s: %s", v.Trial.Arm, *v.Gap)
		switch v.Trial.Arm.Gap {
		case "5s":
			// It is planned by what the primer's pods took to start, and 0 s is
			// told apart from it.
			require.InDelta(t, 5*time.Second, *v.Gap, float64(2*time.Second))
		case "0s":
			require.Positive(t, *v.Gap)
			require.Less(t, *v.Gap, 3*time.Second)
		default: // the primer's pods may well outlive the first question
			require.Less(t, *v.Gap, 3*time.Second)
		}
	}
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
