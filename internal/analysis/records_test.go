package analysis

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// TestStandardCells: arms that differ in more than copy or extra object are not
// pooled, and times that fall into two groups keep a median each.
func TestStandardCells(t *testing.T) {
	records, err := results.Load(filepath.Join("..", "..", "records", "standard"))
	require.NoError(t, err)
	a := New(records.Plan)
	for trial, err := range records.Trials() {
		require.NoError(t, err)
		a.Add(judge.Judge(&trial))
	}
	found := false
	for _, row := range a.Table().Cell {
		for _, c := range row {
			if c == nil || c.DNS != plan.Cache30 || c.Scenario != "new names, all look up pod 0" {
				continue
			}
			found = true
			require.Equal(t, []int{10, 7, 0}, []int{c.Trials, c.Late, c.Unknown})
			require.Len(t, c.Groups, 2)
			require.Equal(t, KeptDenial, c.Groups[0].Cause)
			require.Equal(t, []int{7, 3}, []int{c.Groups[0].Trials, c.Groups[1].Trials})
		}
	}
	require.True(t, found)
}

// TestStaircase: clients that were given an old address join when the staircase
// says, within 0.3 s. Counted from each client's first question, in place of its
// start, it is 280 of 300: on a busy machine some asked 0.3 s after their start.
func TestStaircase(t *testing.T) {
	all, right := 0, 0
	for _, name := range []string{"standard", "timeouts"} {
		records, err := results.Load(filepath.Join("..", "..", "records", name))
		require.NoError(t, err)
		for trial, err := range records.Trials() {
			require.NoError(t, err)
			arm := trial.Plan.Arm
			if arm.DNS != plan.Cache30 || arm.Names != plan.Reused || arm.Gap != "" {
				continue
			}
			v := judge.Judge(&trial)
			for i, j := range NewTrial(v).Joined {
				if j.Timeout == 0 { // the kernel's, of minutes
					continue
				}
				w := v.Workers[i]
				since := (w.Joined.Since.Value - v.Moments[w.Index].Started.Value).Seconds()
				all++
				if d := since - Stair(j.Old, time.Duration(j.Timeout).Seconds()); -0.3 < d && d < 0.3 {
					right++
				}
			}
		}
	}
	require.Equal(t, []int{269, 300}, []int{right, all})
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ in, sizes []float64 }{
		{nil, nil},
		{[]float64{30, 0.2, 29.8, 0.3}, []float64{2, 2}},
		{[]float64{0.1, 0.9}, []float64{2}}, // less than Late apart
		{[]float64{20, 38}, []float64{2}},   // less than twice
	} {
		var times []stats.Time
		for _, at := range c.in {
			times = append(times, stats.Time{At: at})
		}
		var sizes []float64
		for _, group := range split(times) {
			sizes = append(sizes, float64(len(group)))
		}
		require.Equal(t, c.sizes, sizes)
	}
}
