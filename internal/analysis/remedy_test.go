package analysis

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

func TestRemedies(t *testing.T) {
	paused, later, uncached := none, none, none
	paused.Gap = "35s"
	later.First = plan.Duration(5 * sec)
	uncached.DNS = plan.NoSuccessCache
	p := planOf(6, none, member, paused, later, uncached)
	p.Settings.Gap = plan.Duration(2 * sec)
	for _, c := range []struct {
		what string
		with plan.Arm
	}{{plan.RemedyPause, paused}, {"by hand", later}, {plan.RemedyNoSuccess, uncached}, {"", member}} {
		p.Secondary = append(p.Secondary, plan.Contrast{Name: c.what, Remedy: c.what, Control: none, With: c.with, Outcome: join5})
	}
	remedies := filled(p, func(p plan.Trial) *judge.Verdict {
		switch p.Arm {
		case paused:
			return joins(p, at(ms*time.Duration(p.Block*p.Block%7)))
		case later:
			return joins(p, beyond(40*sec))
		case uncached:
			return nil
		}
		return joins(p, at(20*sec+ms*time.Duration(p.Block)))
	}).Remedies()
	var what []string
	for _, r := range remedies {
		what = append(what, r.What)
	}
	require.Equal(t, append(slices.Clone(plan.Remedies), "by hand"), what)
	row := func(what string) Remedy {
		return remedies[slices.IndexFunc(remedies, func(r Remedy) bool { return r.What == what })]
	}

	pause := row(plan.RemedyPause)
	require.InDelta(t, 20, pause.Saves.Seconds, 0.01)
	require.Less(t, pause.Saves.Interval.Lo, pause.Saves.Seconds)
	require.Greater(t, pause.Saves.Interval.Hi, pause.Saves.Seconds)
	require.False(t, pause.Saves.Restricted)
	require.Equal(t, [2]int{6, 0}, [2]int{pause.LateBefore.K, pause.LateAfter.K})
	require.Equal(t, "the pause itself, 35s instead of 2s before the names are used again, comes before the lag begins", pause.Beside)
	require.Equal(t, pause.Finding.Verdict, pause.Verdict)

	wait := row("by hand")
	require.Nil(t, wait.Saves.Interval)
	require.True(t, wait.Saves.Restricted)
	require.InDelta(t, 20.0035-40, wait.Saves.Seconds, 1e-9, "it costs")
	require.Empty(t, wait.Beside)

	lost := row(plan.RemedyNoSuccess)
	require.NotNil(t, lost.Finding, "declared, and nothing came of it")
	require.Nil(t, lost.Saves)
	require.Equal(t, stats.Inconclusive, lost.Verdict)
	require.Equal(t, Remedy{What: plan.RemedyPublish}, row(plan.RemedyPublish), "not measured")
}

func TestSavingIsNeverMinusZero(t *testing.T) {
	p := planOf(6, none, member)
	p.Primary.Remedy = "the extra"
	remedies := filled(p, func(p plan.Trial) *judge.Verdict { return joins(p, at(sec)) }).Remedies()
	r := remedies[len(remedies)-1]
	require.Equal(t, "the extra", r.What)
	for _, x := range []float64{r.Saves.Seconds, r.Saves.Interval.Lo, r.Saves.Interval.Hi} {
		require.False(t, math.Signbit(x))
	}
}
