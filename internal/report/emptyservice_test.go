package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

func TestEmptied(t *testing.T) {
	never := analysis.Stay{Ending: analysis.NeverWithdrawn, For: stats.Time{At: 60.2, Censored: true}}
	list := []analysis.Emptied{
		{DNS: plan.ClusterDNS, TTL: 30, Falls: true,
			PodGone: analysis.Stay{Ending: analysis.KeptByCache, For: stats.Time{At: 24.71}}},
		{DNS: plan.RecordWriter, TTL: 30, PodGone: never, ServiceGone: &never},
		{DNS: plan.Uncached, TTL: 5, PodGone: analysis.Stay{Ending: analysis.WithdrawnAtOnce}},
		{DNS: plan.Cache30, Invalid: "invalid: the pod did not go"},
	}
	require.Equal(t, [][]string{
		{"DNS", "the last pod gone, the Service there", "the Service gone as well", "TTL"},
		{"this cluster", "kept by a cache: 24.7 s", "-", "30 s, falls"},
		{"record-writer", "never withdrawn, watched for 60 s", "never withdrawn, watched for 60 s", "30 s"},
		{"uncached", "withdrawn at once", "-", "5 s"},
		{"cache-30", "invalid", "-", "-"},
	}, emptiedRows(list))
	require.Equal(t, "The address of a headless Service's last pod, after that pod was gone: "+
		"this cluster: kept by a cache: 24.7 s; record-writer: never withdrawn, watched for 60 s; uncached: withdrawn at once.", emptiedSentence(list))
	require.Equal(t, "Nothing is known: no trial counts.", emptiedSentence(list[3:]))
}
