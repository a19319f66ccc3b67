package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// TestEmptied: how an address went, and that it is in no other number.
func TestEmptied(t *testing.T) {
	arm := plan.Arm{DNS: plan.ClusterDNS, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.EmptyService}
	a := New(plan.Plan{Arms: []plan.Arm{arm}})
	for _, tc := range []struct {
		falls, censored bool
		seconds         float64
		want            Ending
	}{
		{false, false, 0, WithdrawnAtOnce}, {false, false, 3, WithdrawnAtOnce}, {false, false, 3.1, WithdrawnLater},
		{false, true, 60, NeverWithdrawn}, {false, true, 1, NeverWithdrawn},
		{true, false, 0, WithdrawnAtOnce}, {true, false, 25, KeptByCache}, {true, true, 60, KeptByCache},
	} {
		s := judge.Stay{For: time.Duration(tc.seconds * float64(time.Second)), Censored: tc.censored}
		a.Add(&judge.Verdict{Trial: plan.Trial{ID: "t001", Arm: arm},
			Kept: &judge.Kept{TTL: 30, Falls: tc.falls, Pod: s, Service: &s}})
		want := Stay{tc.want, stats.Time{At: tc.seconds, Censored: tc.censored}}
		require.Equal(t, Emptied{ID: "t001", DNS: plan.ClusterDNS, PodGone: want, ServiceGone: &want, TTL: 30, Falls: tc.falls},
			a.Emptied()[0])
		require.Equal(t, map[Ending]Decision{NeverWithdrawn: Supported, WithdrawnAtOnce: Refuted, WithdrawnLater: Refuted,
			KeptByCache: NotTestable}[tc.want], a.stays(plan.ClusterDNS).Decision)
	}
	require.Equal(t, NotTestable, a.stays(plan.RecordWriter).Decision)
	require.Len(t, a.Emptied(), 1, "later attempts take the place of earlier ones")
	a.Add(&judge.Verdict{Trial: plan.Trial{ID: "t002", Arm: arm}, Status: results.Invalid,
		Reasons: []string{"the pod did not go"}})
	require.Equal(t, Emptied{ID: "t002", DNS: plan.ClusterDNS, Invalid: "invalid: the pod did not go"}, a.Emptied()[1])
	require.Empty(t, a.Trials())
	require.Empty(t, a.Arms())
	require.Empty(t, a.Summary().Cells)
	require.Equal(t, 1, a.Summary().Invalid)
}
