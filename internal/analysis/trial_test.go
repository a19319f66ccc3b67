package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// TestRetry: the last attempt at a trial counts, in the place of the first.
func TestRetry(t *testing.T) {
	add := func(a *Analysis, w synth.World, status results.Status) {
		trial := w.Trial().End()
		trial.Status = status
		a.Add(judge.Judge(trial))
	}
	a := New(plan.Plan{})
	add(a, synth.Denied("t001", record.PeersServer, 3), results.Invalid)
	add(a, synth.Prompt("t002", record.PeersServer, 3), results.Complete)
	s := a.Summary()
	require.Equal(t, []int{1, 2}, []int{s.Invalid, len(s.Trials)})
	require.Equal(t, Verdict{
		Subject: plan.Cache30, Result: Unknown, Causes: []CauseCount{},
		Controls: []Control{{DNS: plan.Uncached, Trials: 1, Slowest: *s.Trials[1].Lag}},
	}, s.Verdict, "no trial of the subject counts")
	require.Zero(t, s.Cells[0].Trials)
	require.Equal(t, 1, s.Cells[0].Invalid)

	add(a, synth.Denied("t001", record.PeersServer, 3), results.Complete)
	s = a.Summary()
	require.Equal(t, []int{1, 0, 2}, []int{a.Retried, s.Invalid, len(s.Trials)})
	require.Equal(t, "t001", s.Trials[0].ID)
	require.Equal(t, Affected, s.Verdict.Result)
	require.Equal(t, []CauseCount{{KeptDenial, 1}}, s.Verdict.Causes)
}

// TestNumber: what had not happened is censored at the last moment at which it
// would have been seen, and is never a zero.
func TestNumber(t *testing.T) {
	const s = time.Second
	at := func(seconds, watched, width float64, censored bool) Lag {
		return Lag{Time: stats.Time{At: seconds, Censored: censored}, Watched: watched, Width: width}
	}
	for name, c := range map[string]struct {
		m    judge.Measurement // watched until 40 s
		want Lag
	}{
		"seen":                    {judge.Measurement{Value: 3 * s, Lo: 2 * s}, at(3, 40, 1, false)},
		"seen after the watch":    {judge.Measurement{Value: 50 * s, Lo: 50 * s}, at(50, 50, 0, false)},
		"the clock is off":        {judge.Measurement{Value: 3 * s, Lo: 3 * s, Clock: s}, at(3, 40, 2, false)},
		"before zero by a clock":  {judge.Measurement{Value: -s, Lo: -s, Clock: s}, at(0, 40, 2, false)},
		"not yet":                 {judge.Measurement{Value: 38 * s, Censored: true}, at(38, 38, 0, true)},
		"not yet after the watch": {judge.Measurement{Value: 45 * s, Censored: true}, at(45, 40, 0, true)},
		"never watched": {
			judge.Measurement{Censored: true}, Lag{Lost: "the client had stopped asking before both were there"},
		},
		"lost": {judge.Measurement{Lost: "no log"}, Lag{Lost: "no log"}},
	} {
		require.Equal(t, c.want, number(c.m, 40*s), name)
	}
}

// TestLate: a trial that was not watched for long enough is neither.
func TestLate(t *testing.T) {
	for _, c := range []struct {
		lag         Lag
		late, known bool
	}{
		{lag(0.2), false, true},
		{lag(1), false, true},
		{lag(1.01), true, true},
		{lag(40), true, true},
		{Lag{Time: stats.Time{At: 0.5, Censored: true}}, false, false},
		{Lag{Lost: "no log"}, false, false},
	} {
		late, known := Trial{Connected: c.lag}.Late()
		require.Equal(t, []bool{c.late, c.known}, []bool{late, known}, c.lag)
	}
	late, known := Trial{Connected: lag(30), Invalid: "lost"}.Late()
	require.Equal(t, []bool{false, false}, []bool{late, known})
}

// TestExplanations: supported by what was seen, refuted only where it would have
// been seen.
func TestExplanations(t *testing.T) {
	decide := func(worlds ...synth.World) map[string]Decision {
		a := New(plan.Plan{})
		for _, w := range worlds {
			trial := w.Trial().End()
			a.Add(judge.Judge(trial))
		}
		out := map[string]Decision{}
		for _, e := range a.Explanations() {
			out[e.What] = e.Decision
		}
		return out
	}
	const (
		s         = time.Second
		address   = "A DNS cache keeps the address of a deleted pod"
		denial    = "A DNS cache keeps \"does not exist\""
		withdrawn = "The record of a deleted pod is not withdrawn"
		service   = "The Service is created after its pods"
		lost      = "Questions to the DNS are lost"
		network   = "The network to a new pod is not ready"
		ready     = "The kubelet reports late that a pod runs"
		slice     = "The EndpointSlice controller fails and tries again later"
		servers   = "DNS servers get a record at different times"
	)
	dropped := synth.Dropped("t", record.Solo, 3, 8*s)
	dropped.Timeouts = []time.Duration{s, s} // without one a connect goes on, and does not end in silence
	none := decide()
	require.Len(t, none, 9)
	for what, d := range none {
		require.Equal(t, NotTestable, d, what)
	}
	type decided map[string]Decision
	for name, c := range map[string]struct {
		world synth.World
		want  decided
	}{
		"denied": {synth.Denied("t", record.PeersServer, 3), decided{
			denial: Supported, address: NotTestable, withdrawn: NotTestable, service: NotTestable, lost: Refuted,
			network: Refuted, ready: Refuted, slice: Refuted, servers: NotTestable}},
		"stale": {synth.Stale("t", plan.Cache30, s, 5*s), decided{
			address: Supported, withdrawn: Refuted, denial: Refuted, network: Refuted}},
		"well":       {synth.Prompt("t", record.PeersServer, 3), decided{denial: Refuted, servers: Refuted, lost: Refuted}},
		"lost":       {synth.Failing("t", record.PeersServer, 3, 8*s), decided{lost: Supported, denial: Refuted}},
		"dropped":    {dropped, decided{network: Supported}},
		"late slice": {synth.SliceLate("t", record.PeersServer, 3, 5*s), decided{slice: Supported, ready: Refuted}},
		"late Ready": {synth.ReadyLate("t", record.PeersServer, 3, 5*s), decided{ready: Supported, slice: Refuted}},
		"late Service": {
			synth.ServiceLate("t", plan.Uncached, record.PeersServer, 3, 6*s), decided{service: Supported}},
		"servers disagree": {synth.Apart("t", record.PeersServer, 3, 5*s), decided{servers: Supported}},
	} {
		got := decide(c.world)
		for what, d := range c.want {
			require.Equal(t, d, got[what], "%s: %s", name, what)
		}
	}
}
