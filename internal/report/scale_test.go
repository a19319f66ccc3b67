package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// BenchmarkPairs takes the records of one trial of up to 300 pods, in which
// every pod asked for every pod, from the disk to the report. What it costs has
// to grow with the number of ordered pairs and not faster.
func BenchmarkPairs(b *testing.B) {
	for _, pods := range []int{50, 100, 300} {
		settings := plan.Defaults()
		settings.Pods, settings.QPS = pods, 100_000
		p, err := plan.Build(plan.Options{Name: "default", Seed: 7, Blocks: 1, Settings: settings, Extras: []plan.Extra{plan.ExtraNone},
			DNS: []plan.DNS{plan.Cache30}, Names: []plan.Names{plan.Fresh}, Observers: []record.Observer{record.PeersServer}})
		require.NoError(b, err)
		t := synth.Peers(p.Trials[0].ID, plan.Cache30, plan.ExtraNone, pods, 300*ms, 30*time.Second, true)
		t.Plan = p.Trials[0]
		f, err := results.Create(b.TempDir(), time.Now())
		require.NoError(b, err)
		require.NoError(b, f.WritePlan(p))
		require.NoError(b, f.Append(*t.End()))
		require.NoError(b, f.Close())
		info, err := os.Stat(filepath.Join(f.Dir(), results.TrialsFile))
		require.NoError(b, err)
		var read results.Trial
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"read", func() {
				r, err := results.Load(f.Dir())
				require.NoError(b, err)
				for t, err := range r.Trials() {
					require.NoError(b, err)
					read = t
				}
			}},
			{"judge", func() { judge.Judge(&read) }},
			{"report", func() {
				r, err := Load(f.Dir())
				require.NoError(b, err)
				require.NotEmpty(b, r.Markdown())
			}},
		} {
			b.Run(fmt.Sprintf("%s/%dpods", step.name, pods), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					step.do()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pods*pods), "ns/pair")
				b.ReportMetric(float64(info.Size())/float64(pods*pods), "disk-B/pair")
			})
		}
	}
}
