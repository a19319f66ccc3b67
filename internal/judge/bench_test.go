package judge_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
)

// BenchmarkJudge judges 1,000 trials of 16 pods, as the analysis of a large
// experiment does: one after the other, keeping of each what Verdict holds
// without its pairs.
func BenchmarkJudge(b *testing.B) {
	const trials, pods = 1000, 16
	t := synth.Peers("t001", plan.Cache30, plan.ExtraNone, pods, 300*ms, 30*time.Second, true).End()
	b.ReportAllocs()
	var kept []*judge.Verdict
	for b.Loop() {
		kept = kept[:0]
		for range trials {
			v := judge.Judge(t)
			v.Pairs = nil
			kept = append(kept, v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/1000trials")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB-kept/1000trials")
	runtime.KeepAlive(kept)
}

// BenchmarkPairs shows that the cost grows with the number of pairs and not
// faster.
func BenchmarkPairs(b *testing.B) {
	for _, pods := range []int{16, 50, 100, 300} {
		b.Run(fmt.Sprint(pods, "pods"), func(b *testing.B) {
			t := synth.Peers("t001", plan.Cache30, plan.ExtraNone, pods, 300*ms, 30*time.Second, true).End()
			b.ReportAllocs()
			for b.Loop() {
				judge.Judge(t)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pods*pods), "ns/pair")
		})
	}
}
