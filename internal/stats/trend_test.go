package stats

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// With two doses the test is Fisher's exact one, with the table of his tea
// tasting: 3 of 4 against 1 of 4, two-sided p = 34/70.
func TestTrendOfTwoDosesIsFishers(t *testing.T) {
	tr, err := NewTrend([]Dose{{Score: 0, K: 1, N: 4}, {Score: 1, K: 3, N: 4}})
	require.NoError(t, err)
	require.InDelta(t, 34.0/70, tr.P, 1e-12)
	require.True(t, tr.Rising)
}

// Against every way of dealing the outcomes out to the trials.
func TestTrendAgainstEveryTable(t *testing.T) {
	doses := []Dose{{600, 0, 3}, {1000, 1, 3}, {1400, 2, 2}, {5000, 2, 3}}
	var scores []int
	sum, k := 0, 0
	for _, d := range doses {
		for range d.N {
			scores = append(scores, d.Score)
		}
		sum, k = sum+d.Score*d.K, k+d.K
	}
	total := 0
	for _, s := range scores {
		total += s
	}
	mean := float64(total) * float64(k) / float64(len(scores))
	off := func(s int) float64 { return max(float64(s)-mean, mean-float64(s)) }
	all, far := 0, 0
	for set := range 1 << len(scores) {
		n, s := 0, 0
		for i, score := range scores {
			if set>>i&1 == 1 {
				n, s = n+1, s+score
			}
		}
		if n != k {
			continue
		}
		all++
		if off(s) >= off(sum)-1e-9 {
			far++
		}
	}
	tr, err := NewTrend(doses)
	require.NoError(t, err)
	require.InDelta(t, float64(far)/float64(all), tr.P, 1e-12)
	require.True(t, tr.Rising)
}

func TestTrendRefuses(t *testing.T) {
	for _, doses := range [][]Dose{nil, {{1, 1, 2}}, {{1, 0, 2}, {2, 0, 2}}, {{1, 2, 2}, {2, 2, 2}}, {{1, 3, 2}, {2, 0, 2}}} {
		_, err := NewTrend(doses)
		require.Error(t, err)
	}
}
