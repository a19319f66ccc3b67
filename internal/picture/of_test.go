package picture

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// recorded is what there is to draw of a folder of records.
func recorded(t testing.TB, dir string) Input {
	f, err := results.Load(dir)
	require.NoError(t, err)
	a := analysis.New(f.Plan)
	var slowest *judge.Verdict
	for trial, err := range f.Trials() {
		require.NoError(t, err)
		v := judge.Judge(&trial)
		a.Add(v)
		slowest = Slowest(slowest, v)
	}
	return Of(f.Plan, a, slowest)
}

func TestOfRecords(t *testing.T) {
	in := recorded(t, filepath.Join("..", "..", "records", "default"))
	check(t, in)
	j := in.Joins
	require.Equal(t, []string{"none", "30s", "5s", "1s"}, j.Names)
	require.Equal(t, []string{"without extra", "with service", "with member-pod"}, j.Arms)
	require.Equal(t, "0 = worker and leader both exist. observer: solo.", j.Head)
	var panels []string
	censored := 0
	for _, p := range j.Panels {
		panels = append(panels, p.Name)
		for _, cells := range p.Cells {
			for _, c := range cells {
				require.Len(t, c.Times, 1)
				if c.Times[0].Censored {
					censored++
				}
			}
		}
	}
	require.Equal(t, []string{"cache-30/fresh", "cache-30/reused", "uncached/fresh", "uncached/reused"}, panels)
	require.Equal(t, 2, censored, "the workers without a timeout that were not followed to their end")
	require.Len(t, in.ECDF.Panels, 6)
	require.Equal(t, "names: fresh. observer: peers+server.", in.ECDF.Head)
	require.Len(t, in.Waterfall.Pods, 5)
	require.Contains(t, in.Waterfall.Trial, "cache-30/reused/none/solo", "the one that was followed")
	require.Empty(t, in.Effects.Rows)
}

func arm(dns plan.DNS, extra plan.Extra, edit ...func(*plan.Arm)) plan.Arm {
	a := plan.Arm{DNS: dns, Names: plan.Reused, Extra: extra, Observer: record.Solo}
	for _, e := range edit {
		e(&a)
	}
	return a
}

func again(a *plan.Arm) { a.Copy = 2 }
func pause(a *plan.Arm) { a.Gap = "35s" }

func TestOfJoins(t *testing.T) {
	times := func(x float64) analysis.Arm { return analysis.Arm{Times: []stats.Time{at(x)}, Median: x, AtLeast: x} }
	unknown := analysis.Arm{Times: []stats.Time{until(40)}, Median: math.NaN(), AtLeast: 40}
	second := plan.Duration(time.Second)
	in := ofJoins([]analysis.Join{
		{Arm: arm("a", plan.ExtraNone), Timeout: 5 * second, Joined: times(1)},
		{Arm: arm("a", plan.ExtraNone), Timeout: 30 * second, Joined: times(2)},
		{Arm: arm("a", plan.ExtraNone, again), Timeout: 5 * second, Joined: times(3)},
		{Arm: arm("a", plan.ExtraMemberPod), Timeout: 0, Joined: unknown},
		{Arm: arm("a", plan.ExtraNone, pause), Timeout: 5 * second, Joined: times(4)},
		{Arm: arm("b", plan.ExtraNone), Timeout: second, Joined: times(5)},
	})
	require.Equal(t, []string{"none", "30s", "5s", "1s"}, in.Names)
	require.Equal(t, []string{"without extra", "without extra, again", "with member-pod"}, in.Arms)
	require.Equal(t, "0 = worker and leader both exist. names: reused. observer: solo.", in.Head)
	require.Equal(t, "a", in.Panels[0].Name)
	require.Equal(t, "a/gap=35s", in.Panels[1].Name)
	require.Equal(t, "b", in.Panels[2].Name)
	require.Equal(t, times(3).Times, in.Panels[0].Cells[2][1].Times)
	require.Equal(t, 3.0, in.Panels[0].Cells[2][1].Median.At)
	require.Nil(t, in.Panels[0].Cells[0][2].Median, "it was not reached")
	require.Equal(t, []int{0, 1, 2}, in.Panels[0].present())
	require.Equal(t, []int{0}, in.Panels[1].present())
	check(t, Input{Joins: in})
	check(t, Input{Joins: ofJoins(nil), ECDF: ofViews(nil), Effects: ofFindings(nil, 0)})

	// All extras, each twice, are more than there are shapes.
	var all []analysis.Join
	for _, e := range plan.Extras {
		all = append(all, analysis.Join{Arm: arm("a", e), Joined: times(1)}, analysis.Join{Arm: arm("a", e, again), Joined: times(1)})
	}
	in = ofJoins(all)
	require.Len(t, in.Arms, 6)
	require.Contains(t, in.Foot, "Not drawn: with pod; with pod, again;")
	check(t, Input{Joins: in})
}

func TestOfViews(t *testing.T) {
	both := analysis.View{Arm: arm("a", plan.ExtraNone), Client: analysis.Arm{Times: []stats.Time{at(1)}}, Server: analysis.Arm{Times: []stats.Time{at(2)}}}
	client := analysis.View{Arm: arm("b", plan.ExtraNone), Client: both.Client}
	in := ofViews([]analysis.View{client, both})
	require.Equal(t, []ECDFPanel{{Name: "", Client: both.Client.Times, Server: both.Server.Times}}, in.Panels)
	require.Equal(t, "dns: a. names: reused. extra: none. observer: solo.", in.Head)
	in = ofViews([]analysis.View{client, client})
	require.Len(t, in.Panels, 2, "none has both")
}

func TestOfFindings(t *testing.T) {
	interval := stats.Interval{Lo: -2, Hi: 3, Level: 0.95}
	late, err := stats.NewProportion(1, 4, 0.95)
	require.NoError(t, err)
	in := ofFindings([]analysis.Finding{
		{Contrast: plan.Contrast{Name: "a"}, Primary: true, Blocks: 8, Verdict: stats.Differs,
			Stats: &stats.Contrast{Shift: &stats.Shift{Estimate: 1, Interval: interval}}, Control: analysis.Arm{Late: &late}},
		{Contrast: plan.Contrast{Name: "b"}, Blocks: 7, Verdict: stats.Inconclusive,
			Stats: &stats.Contrast{Restricted: &stats.RestrictedDifference{Difference: -4}}},
		{Contrast: plan.Contrast{Name: "c"}, Verdict: stats.Inconclusive},
	}, 250*time.Millisecond)
	one, four := 1.0, -4.0
	require.Equal(t, &Effects{Margin: 0.25, Rows: []Effect{
		{Name: "a", Primary: true, Blocks: 8, Shift: &one, Interval: &interval, Verdict: "differs", Control: &late},
		{Name: "b", Blocks: 7, Shift: &four, Mean: true, Verdict: "inconclusive"},
		{Name: "c", Verdict: "inconclusive"},
	}}, in)
	check(t, Input{Effects: in})
}

// The named plans' regimes have room in one picture.
func TestOfNamedPlans(t *testing.T) {
	for _, name := range []string{"standard", "timeouts", "default"} {
		o := plan.Options{Name: name, Seed: 1, Run: "r"}
		o.Settings, o.Blocks = plan.Preset(name)
		p, err := plan.Build(o)
		require.NoError(t, err)
		a := analysis.New(p)
		for i, trial := range p.Trials {
			v := &judge.Verdict{Trial: trial, Status: results.Complete}
			o := judge.Measurement{Value: time.Duration(i%31) * time.Second}
			v.Resolved.Lag, v.OnServer.Lag = o, judge.Measurement{Lost: judge.NotObserved}
			if trial.Arm.Observer == record.PeersServer {
				v.OnServer.Lag = o
			}
			for k, timeout := range p.Settings.ConnectTimeouts {
				reached := judge.Timing{Lag: o, Since: o}
				v.Pairs = append(v.Pairs, judge.Pair{Client: k + 1, Connected: reached, Timeout: time.Duration(timeout)})
				v.Workers = append(v.Workers, judge.Worker{Index: k + 1, Timeout: time.Duration(timeout), Joined: reached})
			}
			a.Add(v)
		}
		in := Of(p, a, nil)
		check(t, in)
		for _, f := range []func() (*figure, error){in.Joins.figure, in.ECDF.figure, in.Effects.figure} {
			one, err := f()
			require.NoError(t, err)
			if one != nil {
				require.NotContains(t, one.foot, "Not drawn", "%s: %s", name, one.title)
				require.Less(t, one.height, 3.7*height, one.title)
			}
		}
	}
}

func TestSlowest(t *testing.T) {
	trial := func(status results.Status, s int) *judge.Verdict {
		v := &judge.Verdict{Status: status, Pairs: make([]judge.Pair, 1)}
		v.Connected.Since.Value = time.Duration(s) * time.Second
		return v
	}
	var kept *judge.Verdict
	for i, step := range []struct {
		v    *judge.Verdict
		want int // seconds of the kept one
	}{
		{trial(results.Censored, 50), 50},
		{trial(results.Complete, 5), 5},
		{trial(results.Invalid, 500), 5},
		{trial(results.Complete, 31), 31},
		{trial(results.Complete, 30), 31},
		{trial(results.Censored, 60), 31},
	} {
		kept = Slowest(kept, step.v)
		require.Equal(t, time.Duration(step.want)*time.Second, kept.Connected.Since.Value, "step %d", i)
		require.Nil(t, kept.Pairs)
		require.NotNil(t, step.v.Pairs, "the caller's is left alone")
	}
	require.Nil(t, Slowest(nil, trial(results.Invalid, 1)))
}

func TestOfTrial(t *testing.T) {
	s := func(x float64) judge.Measurement { return judge.Measurement{Value: time.Duration(x * 1e9)} }
	v := &judge.Verdict{Moments: []judge.PodMoments{{
		Index: 3, Created: s(0.1), Scheduled: s(0.2), Addressed: s(0.3), Started: s(0.4), Ready: s(0.5), InSlice: s(0.6),
		OnServer: judge.Measurement{Lost: judge.NotObserved}, Resolved: s(30), Connected: judge.Measurement{Value: 40 * time.Second, Censored: true},
	}}}
	v.Trial.ID, v.Trial.Arm = "t007", arm("cache-30", plan.ExtraNone)
	in := ofTrial(v)
	require.Equal(t, "Trial t007, cache-30/reused/none/solo", in.Trial)
	require.Equal(t, "index 3", in.Pods[0].Name)
	end := until(40)
	require.Equal(t, []*stats.Time{known(0.1), known(0.2), known(0.3), known(0.4), known(0.5), known(0.6), nil, known(30), &end}, in.Pods[0].At)
	check(t, Input{Waterfall: in})
}
