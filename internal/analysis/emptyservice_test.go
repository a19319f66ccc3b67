package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// TestEmptied: what a trial showed in words, and that it is in no other number.
func TestEmptied(t *testing.T) {
	const s = time.Second
	arm := plan.Arm{DNS: plan.ClusterDNS, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.EmptyService}
	a := New(plan.Plan{Arms: []plan.Arm{arm}})
	add := func(id string, k judge.Kept) Emptied {
		a.Add(&judge.Verdict{Trial: plan.Trial{ID: id, Arm: arm}, Kept: &k})
		return a.Emptied()[len(a.Emptied())-1]
	}
	for want, stay := range map[string]judge.Stay{
		"withdrawn at once":                   {For: 3 * s},
		"withdrawn after 3.1 s":               {For: 3100 * time.Millisecond},
		"never withdrawn, watched for 60.0 s": {For: 60 * s, Censored: true},
	} {
		e := add("t001", judge.Kept{TTL: 30, Pod: stay, Service: &stay})
		require.Equal(t, want, e.PodGone)
		require.Equal(t, want, e.ServiceGone)
	}
	for want, stay := range map[string]judge.Stay{
		"withdrawn at once":                    {},
		"kept by a cache for 25.0 s":           {For: 25 * s},
		"kept by a cache for more than 60.0 s": {For: 60 * s, Censored: true},
	} {
		require.Equal(t, want, add("t001", judge.Kept{Falls: true, Pod: stay}).PodGone)
	}
	require.Len(t, a.Emptied(), 1, "later attempts take the place of earlier ones")
	a.Add(&judge.Verdict{Trial: plan.Trial{ID: "t002", Arm: arm}, Status: results.Invalid,
		Reasons: []string{"the pod did not go"}})
	require.Equal(t, Emptied{ID: "t002", DNS: plan.ClusterDNS, Invalid: "invalid: the pod did not go"}, a.Emptied()[1])
	require.Empty(t, a.Trials())
	require.Empty(t, a.Arms())
	require.Empty(t, a.Summary().Cells)
	require.Equal(t, 1, a.Summary().Invalid)
}
