package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const (
	// largePeers are as many as each pod of a large Job asks for.
	largePeers = 8
	// largeDeadline is for Jobs whose pods start over a minute or more: the first
	// one waits for the last, and for a denial that is kept for 30 s.
	largeDeadline = 4 * time.Minute
	// largeMemory is what the runner may have resident at most, MiB.
	largeMemory = 300
)

// TestLargeJob runs one trial of a Job in which not every pod asks for every
// other: it ends, nothing is censored, each pod asked for whom it was to ask, no
// more often than the plan said, and the runner stayed small.
func TestLargeJob(t *testing.T) {
	onLab(t)
	largeJob(t, 40)
}

// TestBenchLargeJob has as many pods as two nodes of 110 take beside what the
// cluster itself runs, with room to spare.
func TestBenchLargeJob(t *testing.T) {
	onBench(t)
	largeJob(t, 150)
}

func largeJob(t *testing.T, largePods int) {
	cmd, dir := command(t, context.Background(), "--plan", "quick", "--dns", "cache-30", "--extra", "none", "--observer", "peers+server",
		"--pods", fmt.Sprint(largePods), "--peers", fmt.Sprint(largePeers), "--deadline", largeDeadline.String(), "--seed", "117819")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	ended := make(chan struct{})
	peak := make(chan float64)
	go func() { peak <- peakMemory(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	most := <-peak
	o := finish(t, cmd, dir, &out, &errs, err)
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)

	t.Logf("SCALE runner: %.0f MiB resident at most (%d allowed)", most, largeMemory)
	require.Positive(t, most)
	require.Less(t, most, float64(largeMemory))

	r, err := results.Load(dir)
	require.NoError(t, err)
	require.Equal(t, record.Sample{Peers: largePeers, Seed: 117819}, r.Plan.Trials[0].Sample)
	trials := trialsOf(t, dir)
	require.Len(t, trials, 1)
	tr := &trials[0]
	require.Equal(t, results.Complete, tr.Status, tr.Reason)
	require.Len(t, tr.Run.Pods, largePods)
	v := judge.Judge(tr)
	require.Equal(t, results.Complete, v.Status, v.Reasons)
	t.Logf("SCALE resolved %+v on servers %+v connected %+v notes %v", v.Resolved, v.OnServer, v.Connected, v.Notes)
	require.Len(t, v.Pairs, largePods*largePeers)
	for _, p := range v.Pairs {
		require.True(t, p.Resolved.Lag.Known() && !p.Resolved.Lag.Censored, "%d asks for %d: %+v", p.Client, p.Peer, p.Resolved.Lag)
		require.True(t, p.Connected.Lag.Known() && !p.Connected.Lag.Censored, "%d asks for %d: %+v", p.Client, p.Peer, p.Connected.Lag)
	}
	withinBudget(t, r.Plan, tr, largePods)
}

// peakMemory returns the most that a process had resident until it ended, in
// MiB. The kernel keeps the peak; what the last 50 ms added to it is not seen.
func peakMemory(pid int, ended <-chan struct{}) float64 {
	most := 0.0
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		var kB float64
		fmt.Sscan(rest, &kB)
		most = max(most, kB/1024)
		select {
		case <-ended:
			return most
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// withinBudget compares whom the pods asked for, and how often in all, with what
// the plan said of them.
func withinBudget(t *testing.T, pl plan.Plan, tr *results.Trial, largePods int) {
	t.Helper()
	budget, _ := pl.Load()
	ring := tr.Plan.Sample.Ring(pl.Settings.Pods)
	var first, last int64 // of all probes' questions, wall clock
	clients, uncached, replicas := 0, 0, 1
	for _, p := range tr.Run.Pods {
		start, done := p.Lines[0].Start, p.Lines[len(p.Lines)-1].Done
		require.NotNil(t, done, p.Name)
		require.Equal(t, tr.Plan.Sample, start.Sample)
		replicas = max(replicas, len(start.Replicas))
		if first == 0 || start.Wall < first {
			first = start.Wall
		}
		clients += done.Questions[string(record.Client)]
		uncached += done.Questions[string(record.Uncached)]
		asked := map[int]bool{}
		for _, l := range p.Lines {
			if l.Answer != nil && l.Answer.View == record.Client {
				asked[l.Answer.Peer] = true
				last = max(last, start.Wall+l.T)
			}
		}
		require.Len(t, asked, pl.Settings.Peers)
		for _, peer := range ring.Asked(p.Index) {
			require.True(t, asked[peer], "%s did not ask for index %d", p.Name, peer)
		}
	}
	took := time.Duration(last - first)
	// Each stream's first question comes on top; looks go to each replica.
	here := clients - largePods*largePeers + uncached/replicas
	allowed := float64(budget) * took.Seconds()
	t.Logf("SCALE questions: %d of clients, %d past caches to %d replicas, in %s; %d beyond the first ones at a replica at most, %.0f within the budget of %d a second",
		clients, uncached, replicas, took.Round(time.Second), here, allowed, budget)
	require.Positive(t, uncached)
	require.LessOrEqual(t, float64(here), allowed)
}
