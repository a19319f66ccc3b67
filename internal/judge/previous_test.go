package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// What decides is each worker's first answer: one old address makes the trial
// old, whatever the others were told.
func TestFirstAnswer(t *testing.T) {
	joined := synth.Worker{Timeout: time.Second, Joined: time.Second}
	old := synth.Worker{Timeout: time.Second, Stale: 1, Silence: time.Second, Joined: 2 * time.Second}
	denied := func(tr *synth.Trial, i int) {
		tr.Ask(i, 0, synth.Answer{Class: record.NXDomain, First: ms, Last: ms, Count: 1})
	}
	for _, tc := range []struct {
		name    string
		workers []synth.Worker
		denied  []int
		want    judge.FirstAnswer
	}{
		{"all asked late", []synth.Worker{joined, joined}, nil, judge.FirstUnknown},
		{"one was denied", []synth.Worker{joined, joined}, []int{2}, judge.FirstWithdrawn},
		{"one was told the old address", []synth.Worker{joined, old}, nil, judge.FirstOld},
		{"the old address weighs more than a denial", []synth.Worker{old, joined}, []int{2}, judge.FirstOld},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := synth.Solo("t001", plan.Uncached, plan.ExtraNone, tc.workers...)
			for _, i := range tc.denied {
				denied(b, i)
			}
			tr := b.End()
			tr.Plan.Arm.Previous = plan.Ran
			tr.Primer.Ended = int64(7 * time.Second)
			tr.Primer.Events = append(tr.Primer.Events, results.Event{T: int64(8400 * time.Millisecond), Object: "service",
				Name: tr.Plan.Service, What: results.Deleted})
			v := judge.Judge(tr)
			require.NotNil(t, v.Previous)
			require.Equal(t, tc.want, v.Previous.First)
			require.Equal(t, 1400*time.Millisecond, v.Previous.Deleted)
			require.InDelta(t, (tr.Run.Zero.Sub(tr.Primer.Zero) - 7*time.Second + v.Moments[0].Started.Value).Seconds(),
				v.Previous.Started.Seconds(), 1e-6)
		})
	}
}
