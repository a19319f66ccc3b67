package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Job that ran ends by itself: the run length after the last join pod 0 closes
// the connections, its workers end with that or outlive it, and all exit with 0.
func TestJobThatRan(t *testing.T) {
	t.Parallel()
	const pods = 3
	z := newZone()
	z.set(fqdn(0), podAddr(0))
	s := serveDNS(t, z.handle)
	port := freePort(t)
	job := func(index int, more ...string) *pod {
		return start(t, append(append(args(t, index, pods, port, s.addr), "--observer=solo", "--run-length=300ms"), more...)...)
	}
	leader := job(0)
	first := job(1)
	time.Sleep(200 * time.Millisecond)
	last := job(2, "--workers-outlive=400ms")
	ended := map[*pod]time.Time{}
	var joined time.Time // the last worker's
	for _, p := range []*pod{leader, first, last} {
		require.NoError(t, <-p.ended) // by itself: nobody released it
		log := readLog(t, p.out.text())
		done, at := log.Done()
		require.Equal(t, "complete", done.Reason)
		ended[p] = time.Unix(0, log.Start().Wall+at)
		if d := dials(log); len(d) > 0 {
			joined = time.Unix(0, log.Start().Wall+d[len(d)-1].Dial.WhoAt)
		}
	}
	// The run length counts from the last join, not the first.
	require.GreaterOrEqual(t, ended[first].Sub(joined), 290*time.Millisecond)
	require.GreaterOrEqual(t, ended[leader].Sub(ended[first]), leaderGoesOn-100*time.Millisecond)
	require.GreaterOrEqual(t, ended[last].Sub(ended[first]), 300*time.Millisecond)
}
