package report

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// A job of 500 pods that ask for 16 others each goes from the disk to the
// report in memory that pays for 8,000 pairs, not for 250,000; and the report
// says what it is of.
func TestReportOfALargeSample(t *testing.T) {
	settings := plan.Defaults()
	settings.Pods, settings.Peers, settings.QPS = 500, 16, 20_000
	settings.Deadline = settings.Enough(settings.Pods)
	p, err := plan.Build(plan.Options{Name: "default", Run: "abc123", Seed: 117819, Blocks: 1, Settings: settings, Extras: []plan.Extra{plan.ExtraNone},
		DNS: []plan.DNS{plan.Cache30}, Names: []plan.Names{plan.Fresh}, Observers: []record.Observer{record.PeersServer}})
	require.NoError(t, err)
	require.Len(t, p.Trials, 1)
	w := synth.Of(p.Trials[0].ID, p.Trials[0].Arm, settings.Pods)
	w.Sample, w.Interval, w.Deadline = p.Trials[0].Sample, time.Duration(p.Settings.Interval), time.Duration(p.Settings.Deadline)
	tr := relabel(w.Trial(), p.Trials[0])
	f, err := results.Create(t.TempDir(), time.Now())
	require.NoError(t, err)
	require.NoError(t, f.WritePlan(p))
	require.NoError(t, f.Append(*tr))
	require.NoError(t, f.Close())
	tr, w = nil, synth.World{}

	runtime.GC()
	stop, most := make(chan struct{}), make(chan uint64)
	go func() { most <- mostHeap(stop) }()
	r, err := Load(f.Dir())
	require.NoError(t, err)
	text := r.Markdown()
	close(stop)
	heap := <-most >> 20
	info, err := os.Stat(filepath.Join(f.Dir(), results.TrialsFile))
	require.NoError(t, err)
	t.Logf("%d MB on disk, heap at most %d MB", info.Size()>>20, heap)
	require.Less(t, heap, uint64(200), "MB")

	for _, want := range []string{
		"every pod looks up 16 of its peers, and the test asks the DNS servers directly",
		"Sample: each of the 500 pods asks for 16 others and is asked for by as many, the same pairs in every trial, drawn from the seed. A pair that was not sampled is in no number; the slowest of all 249,500 pairs may be slower.",
		"its time is that of its slowest pair of asker and asked, of those that were sampled",
		"--peers 16",
	} {
		require.True(t, bytes.Contains(text, []byte(want)), "%s\n%s", want, text[:min(len(text), 3000)])
	}
	require.False(t, bytes.Contains(text, []byte("every peer")))
}

// mostHeap looks every 10 ms how much heap is in use, until it is stopped.
func mostHeap(stop <-chan struct{}) (most uint64) {
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
		select {
		case <-stop:
			return most
		case <-time.After(10 * time.Millisecond):
		}
	}
}
