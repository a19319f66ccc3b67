package analysis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

var (
	control = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Peers}
	treated = plan.Arm{DNS: plan.Uncached, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Peers}
)

// lag is one that was watched until 40 s; censored from then on.
func lag(at float64) Lag {
	return Lag{Time: stats.Time{At: min(at, 40), Censored: at >= 40}, Watched: 40}
}

// compared is an analysis of blocks with a trial of each arm, whose lags are
// given; a nil one was not run.
func compared(margin time.Duration, lags [2][]*Lag) *Analysis {
	p := plan.Plan{Margin: plan.Duration(margin), Primary: &plan.Contrast{Control: control, With: treated}}
	p.Primary.Outcome.Of = plan.Connected
	a := New(p)
	for i, arm := range []plan.Arm{control, treated} {
		for b, l := range lags[i] {
			id := fmt.Sprintf("t%d%02d", i, b+1)
			at := armBlock{arm, b + 1}
			a.planned[at] = append(a.planned[at], id)
			if l != nil {
				a.byID[id] = len(a.trials)
				a.trials = append(a.trials, Trial{ID: id, Block: b + 1, Arm: arm, Connected: *l})
			}
		}
	}
	return a
}

func lags(at ...float64) []*Lag {
	var out []*Lag
	for _, v := range at {
		l := lag(v)
		out = append(out, &l)
	}
	return out
}

// TestFindings: by hand. With n differences of one sign the signed-rank test has
// p = 2/2^n, and the Hodges-Lehmann shift is the median of the means of all pairs
// of them, each with itself too.
func TestFindings(t *testing.T) {
	f := compared(250*time.Millisecond, [2][]*Lag{lags(30, 30, 30, 30, 30, 30), lags(1, 2, 3, 4, 5, 6)}).Findings()[0]
	require.True(t, f.Primary)
	require.Equal(t, []int{6, 6}, []int{f.Planned, f.Blocks})
	require.InDelta(t, 2.0/64, f.Stats.P, 1e-12)
	require.InDelta(t, -26.5, f.Stats.Difference(), 1e-12) // differences -29 .. -24
	require.Equal(t, stats.Differs, f.Verdict)
	require.Equal(t, stats.Time{At: 30}, f.Control.Median)
	require.Equal(t, stats.Time{At: 3.5}, f.Treated.Median)
	require.Equal(t, []int{6, 5}, []int{f.Control.Late.K, f.Treated.Late.K}, "1.0 s is not later than 1 s")
	require.InDelta(t, 40, f.Deadline, 1e-12)

	// Five differences cannot reach 0.05: 2/32.
	f = compared(0, [2][]*Lag{lags(30, 30, 30, 30, 30), lags(1, 2, 3, 4, 5)}).Findings()[0]
	require.InDelta(t, 2.0/32, f.Stats.P, 1e-12)
	require.Equal(t, stats.Inconclusive, f.Verdict)

	// Equal within the margin, and without a margin nothing is.
	same := [2][]*Lag{lags(0.10, 0.12, 0.11, 0.13, 0.10, 0.12), lags(0.12, 0.11, 0.12, 0.11, 0.11, 0.11)}
	require.Equal(t, stats.Equivalent, compared(250*time.Millisecond, same).Findings()[0].Verdict)
	require.Equal(t, stats.Inconclusive, compared(0, same).Findings()[0].Verdict)
}

// TestIncomplete: a block counts with both its trials only, and the reason why
// it does not is kept.
func TestIncomplete(t *testing.T) {
	with := lags(0.1, 0.2, 0.1)
	with[1] = nil
	with[2].Lost = "no pair was observed"
	a := compared(0, [2][]*Lag{lags(30, 30, 30), with})
	a.trials[a.byID["t001"]].Invalid = "invalid: a node went away"
	f := a.Findings()[0]
	require.Equal(t, []int{3, 0}, []int{f.Planned, f.Blocks})
	require.Equal(t, stats.Inconclusive, f.Verdict)
	require.Nil(t, f.Stats)
	for _, f := range compared(0, [2][]*Lag{nil, nil}).Findings() {
		require.Equal(t, "the plan has no block with both arms", f.Why)
	}
}

// TestCensored: what is compared is restricted to a time until when all were
// watched.
func TestCensored(t *testing.T) {
	short := lags(40, 134, 20, 40)
	short[0].Watched = 38
	short[0].At = 38
	f := compared(0, [2][]*Lag{short, lags(0.1, 0.1, 0.1, 0.1)}).Findings()[0]
	require.InDelta(t, 38, f.Deadline, 1e-12)
	require.Nil(t, f.Stats.Shift, "no shift of times that are not known")
	require.InDelta(t, 0.1-(38+38+20+38)/4.0, f.Stats.Difference(), 1e-9)
	require.True(t, f.Control.Median.Censored)

	// Without a censored one nothing is restricted.
	late := lags(20, 30)
	late[1].At, late[1].Watched = 134, 134
	require.InDelta(t, 134, common([]Lag{*late[0], *late[1]}), 1e-12)
}

// TestHolm: R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06
// 0.02. The primary comparison and A/A stand alone; one without a result counts
// as tested with p = 1.
func TestHolm(t *testing.T) {
	p := func(p float64) Finding { return Finding{Stats: &stats.Contrast{P: p}} }
	f := []Finding{p(0.2), p(0.01), p(0.04), p(0.03), p(0.005), p(0.5)}
	f[0].Primary, f[5].Check = true, true
	adjusted := func() (out []float64) {
		correct(f)
		for _, f := range f {
			out = append(out, f.Adjusted)
		}
		return out
	}
	require.InDeltaSlice(t, []float64{0.2, 0.03, 0.06, 0.06, 0.02, 0.5}, adjusted(), 1e-12)
	f = append(f, Finding{})
	require.InDeltaSlice(t, []float64{0.2, 0.04, 0.09, 0.09, 0.025, 0.5, 1}, adjusted(), 1e-12)
}

// TestWorker: a worker's join is the last of those with its connect timeout.
func TestWorker(t *testing.T) {
	const five = plan.Duration(5 * time.Second)
	joined := func(timeout plan.Duration, l Lag) Joined { return Joined{Timeout: timeout, Lag: l} }
	lost := Lag{Lost: "its log was cut off"}
	for name, c := range map[string]struct {
		joined []Joined
		want   Lag
	}{
		"none":     {[]Joined{joined(0, lag(3))}, Lag{Lost: "no worker had the connect timeout 5s"}},
		"the last": {[]Joined{joined(five, lag(3)), joined(0, lag(30)), joined(five, lag(20))}, lag(20)},
		"censored": {[]Joined{joined(five, lag(40)), joined(five, lag(20))}, lag(40)},
		"lost":     {[]Joined{joined(five, lag(40)), joined(five, lost)}, lost},
	} {
		require.Equal(t, c.want, Trial{Joined: c.joined}.worker(five), name)
	}
}
