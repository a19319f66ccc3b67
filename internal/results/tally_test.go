package results

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
)

// blocksOf makes a plan of so many blocks of so many trials each.
func blocksOf(blocks, trials int) plan.Plan {
	p := plan.Plan{V: plan.PlanVersion}
	for b := 1; b <= blocks; b++ {
		for range trials {
			n := len(p.Trials) + 1
			p.Trials = append(p.Trials, plan.Trial{ID: fmt.Sprintf("t%03d", n), Seq: n, Block: b, Expected: plan.Duration(time.Second)})
		}
	}
	return p
}

// carriedOut runs a plan whose trials come to an end as end says, from where
// tally stands, and returns the attempts in order. stop ends it after so many.
func carriedOut(t *testing.T, p plan.Plan, tally *Tally, stop int, end func(id string, attempt int) Status) (order []string) {
	t.Helper()
	for len(order) < stop {
		next, attempt, ok := tally.Next(p)
		if !ok {
			return order
		}
		order = append(order, fmt.Sprintf("%s.%d", next.ID, attempt))
		tally.Add(Trial{Plan: next, Status: end(next.ID, attempt)})
		require.Less(t, len(order), 3*len(p.Trials), "it ends")
	}
	return order
}

func TestInvalidTrialsAreRunOnceMore(t *testing.T) {
	invalid := func(ids ...string) func(string, int) Status {
		return func(id string, attempt int) Status {
			for _, i := range ids {
				if i == id || i == fmt.Sprintf("%s.%d", id, attempt) {
					return Invalid
				}
			}
			return Complete
		}
	}
	p := blocksOf(2, 3)
	for name, tc := range map[string]struct {
		end  func(string, int) Status
		want []string
	}{
		"none":                 {invalid(), []string{"t001.1", "t002.1", "t003.1", "t004.1", "t005.1", "t006.1"}},
		"at the block's end":   {invalid("t001.1"), []string{"t001.1", "t002.1", "t003.1", "t001.2", "t004.1", "t005.1", "t006.1"}},
		"once":                 {invalid("t002"), []string{"t001.1", "t002.1", "t003.1", "t002.2", "t004.1", "t005.1", "t006.1"}},
		"two in all":           {invalid("t001.1", "t003.1", "t004.1"), []string{"t001.1", "t002.1", "t003.1", "t001.2", "t003.2", "t004.1", "t005.1", "t006.1"}},
		"censored is no error": {func(string, int) Status { return Censored }, []string{"t001.1", "t002.1", "t003.1", "t004.1", "t005.1", "t006.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var whole Tally
			require.Equal(t, tc.want, carriedOut(t, p, &whole, 100, tc.end))
			require.Equal(t, 6, whole.Trials())
			require.Zero(t, whole.Left(p))
			// Interrupted anywhere and resumed from what is on disk, it is the
			// same.
			for stop := range tc.want {
				var before Tally
				first := carriedOut(t, p, &before, stop, tc.end)
				after := before
				require.Equal(t, tc.want, append(first, carriedOut(t, p, &after, 100, tc.end)...))
			}
		})
	}
	require.Equal(t, 17, blocksOf(10, 17).MaxRepeats())
	require.Equal(t, 2, blocksOf(1, 8).MaxRepeats())
}

func TestTally(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(dir, now)
	require.NoError(t, err)
	require.NoError(t, f.WritePlan(testPlan("t001", "t002")))
	bad := testTrial("t001")
	bad.Status = Invalid
	require.NoError(t, f.Append(bad))
	again := testTrial("t001")
	again.Attempt = 2
	require.NoError(t, f.Append(again))
	require.NoError(t, f.Close())
	r, err := Load(f.Dir())
	require.NoError(t, err)
	tally, err := r.Tally()
	require.NoError(t, err)
	require.Equal(t, 1, tally.Trials())
	next, attempt, ok := tally.Next(r.Plan)
	require.True(t, ok)
	require.Equal(t, "t002", next.ID)
	require.Equal(t, 1, attempt)
	require.NoError(t, os.WriteFile(filepath.Join(f.Dir(), TrialsFile), []byte("{}\n"), 0o600))
	_, err = r.Tally()
	require.Error(t, err)
}

// TestOneProcessAdds: while a folder is added to nobody else may; reading it
// and making its report does not wait.
func TestOneProcessAdds(t *testing.T) {
	f, err := Create(t.TempDir(), now)
	require.NoError(t, err)
	_, err = Resume(f.Dir())
	var input *plan.InputError
	require.ErrorAs(t, err, &input)
	require.ErrorContains(t, err, "another process is adding to it; accepted: the results folder of a run that has ended")
	report, err := Open(f.Dir())
	require.NoError(t, err)
	require.NoError(t, report.Write(ReportFile, []byte("x")))
	require.NoError(t, report.Close())
	require.NoError(t, f.Close())
	again, err := Resume(f.Dir())
	require.NoError(t, err)
	require.NoError(t, again.Append(testTrial("t001")))
	require.NoError(t, again.Close())
	require.NoError(t, (*Folder)(nil).Close())
	_, err = Resume(filepath.Join(f.Dir(), TrialsFile))
	require.ErrorAs(t, err, &input)
}
