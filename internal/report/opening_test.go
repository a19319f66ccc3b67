package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

var (
	// armPath is how tables and the program name a combination.
	armPath   = regexp.MustCompile(`/(fresh|reused)\b`)
	boldLines = regexp.MustCompile(`(?m)^- \*\*([^*]+)\.\*\* (.)`)
)

// requireOpening checks what holds of the opening of any report.
func requireOpening(t *testing.T, text string) {
	t.Helper()
	require.True(t, strings.HasPrefix(text, "**"), "the lead comes first")
	require.Equal(t, 1, strings.Count(text, "**Times**: zero is when"))
	require.NotRegexp(t, armPath, text)
	for _, broken := range []string{"%!", "NaN", "  ", " ,", " .", "..", ": ;", "()", "kubeadm-1", "Kubeadm"} {
		for _, line := range strings.Split(text, "\n") {
			if !strings.HasPrefix(line, "|") {
				require.NotContains(t, line, broken)
			}
		}
	}
	lines := boldLines.FindAllStringSubmatch(text, -1)
	if len(lines) == 0 {
		require.Contains(t, text, "nothing can be said")
		return
	}
	var names []string
	for _, l := range lines {
		names = append(names, l[1])
		require.Regexp(t, `[A-Z0-9]|k|\*`, l[2], "a line begins as a sentence: %s", l[0])
	}
	require.Equal(t, []string{"Why", "What helps", "What does not fit or is not settled", "The extra object", "Where it does not happen"}, names)
	// Two minutes' reading, the table aside.
	words := 0
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			words += len(strings.Fields(line))
		}
	}
	require.Less(t, words, 800)
}

func openingOf(t *testing.T, r *Report) string {
	t.Helper()
	var d document
	r.opening(&d, true)
	text := string(d.fit(formLimit))
	requireOpening(t, text)
	return text
}

// TestOpenings: the opening says what the records of any plan say.
func TestOpenings(t *testing.T) {
	build := func(o plan.Options) plan.Plan {
		settings, blocks := plan.Preset(o.Name)
		if o.Blocks == 0 {
			o.Blocks = blocks
		}
		o.Run, o.Seed, o.Settings = "abc123", 7, settings
		p, err := plan.Build(o)
		require.NoError(t, err)
		return p
	}
	quick := func(dns ...plan.DNS) plan.Plan { return build(plan.Options{Name: "quick", DNS: dns}) }
	whole := func(*results.Trial) {}
	for name, tc := range map[string]struct {
		plan  plan.Plan
		spoil func(*results.Trial)
	}{
		"one block":           {build(plan.Options{Name: "default"}), whole},
		"one DNS":             {quick(plan.Cache30), whole},
		"the cluster's":       {quick(plan.ClusterDNS), whole},
		"cluster's and other": {quick(plan.ClusterDNS, plan.Cache30), whole},
		"nothing slow":        {quick(plan.Uncached, plan.KubeDNS), whole},
		"all invalid":         {quick(), func(t *results.Trial) { t.Status, t.Reason = results.Invalid, "a node went away" }},
		"extras":              {build(plan.Options{Name: "extras", Blocks: 6}), whole},
		"timeouts":            {build(plan.Options{Name: "timeouts"}), whole},
		"only further": {build(plan.Options{Name: "mine", Blocks: 1, Arms: []plan.Arm{
			{DNS: plan.Uncached, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Peers, Publish: true},
			{DNS: plan.Uncached, Names: plan.Reused, Extra: plan.ExtraNone, Observer: record.Solo, Gap: "10s"},
		}}), whole},
		"every factor": {build(plan.Options{Name: "quick", DNS: plan.AllDNS[1:], Names: plan.AllNames, Extras: []plan.Extra{plan.ExtraNone},
			Orders: []plan.Order{plan.ServiceFirst, plan.JobFirst}, Gaps: []plan.Gap{"2s", plan.NoWait}}), whole},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(tc.plan, testEnvironment(t))
			for _, planned := range tc.plan.Trials {
				trial := simulated(tc.plan, planned)
				tc.spoil(trial)
				r.Add(trial)
			}
			golden(t, "opening-"+strings.NewReplacer(" ", "-", "'", "").Replace(name)+".md", []byte(openingOf(t, r)))
			requireForms(t, r)
		})
	}
}

// TestOpeningOfGoldens: what the other tests render keeps to the same.
func TestOpeningOfGoldens(t *testing.T) {
	for _, name := range []string{"default", "extras"} {
		r, err := Load("../../records/" + name)
		require.NoError(t, err)
		openingOf(t, r)
	}
}

// TestLagShares: what held a trial up adds up to its time, and nothing of it is
// from before both existed.
func TestLagShares(t *testing.T) {
	at := func(d time.Duration) judge.Measurement { return judge.Measurement{Value: d, Lo: d} }
	pair := func(lag, since time.Duration, shares ...judge.StageTime) judge.Pair {
		return judge.Pair{Client: 1, Connected: judge.Timing{Lag: at(lag), Since: at(since)}, StageTimes: shares}
	}
	share := func(p judge.Stage, d time.Duration) judge.StageTime { return judge.StageTime{Stage: p, Took: d} }
	start, ready, denial := judge.StageStart, judge.StageReady, judge.StageDenial
	for name, tc := range map[string]struct {
		pairs []judge.Pair
		want  []judge.StageTime
	}{
		"none": {},
		"a slow start is no part of the lag": {
			[]judge.Pair{pair(6*second, 18*second, share(start, 12*second), share(ready, second), share(denial, 5*second))},
			[]judge.StageTime{share(ready, second), share(denial, 5*second)},
		},
		"both existed while one still started": {
			[]judge.Pair{pair(8*second, 18*second, share(start, 12*second), share(ready, second), share(denial, 5*second))},
			[]judge.StageTime{share(start, 2*second), share(ready, second), share(denial, 5*second)},
		},
		"the slowest pair, not the last": {
			[]judge.Pair{pair(6*second, 7*second, share(start, second), share(denial, 6*second)), pair(2*second, 9*second, share(start, 9*second))},
			[]judge.StageTime{share(denial, 6*second)},
		},
		"not a pod with itself": {
			[]judge.Pair{{Self: true, Connected: judge.Timing{Lag: at(second), Since: at(second)}, StageTimes: []judge.StageTime{share(start, second)}}},
			nil,
		},
		"a lag before the request": {
			[]judge.Pair{pair(second, second/2, share(denial, second/2))},
			[]judge.StageTime{share(denial, second/2)},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, lagShares(&judge.Verdict{Pairs: tc.pairs})) })
	}
}

// TestCells: a median stands only where a trial can have had it.
func TestCells(t *testing.T) {
	for _, tc := range []struct {
		times series
		want  string
	}{
		{of(0.2, 0.3, 0.4), "0.30 s, 0/3"},
		{of(30, 31, 31), "31.00 s, **3/3**"},
		{of(30.2, 5, 30, 5), "2 × 5.00 s, 2 × 30.00 to 30.20 s, **4/4**"},
		{of(5, 5, 30), "5.00 s, **3/3**"},
		{of(0.3, 30, 0.1), "**1/3**: 2 × 0.10 to 0.30 s, 1 × 30.00 s"},
		{of(0.2, 1.1, 30, 30), "**3/4**: 2 × 0.20 to 1.10 s, 2 × 30.00 s"},
		{of(0.9, 0.95, 1.1), "0.95 s, **1/3**"},
		{of(0.1, 39, -40), "**2/3**: 1 × 0.10 s, 2 × 39.00 to >40.00 s"},
		{of(-40, -40), ">40.00 s, **2/2**"},
	} {
		f := seen{connected: tc.times}
		f.late, f.undecided = f.connected.delayed(late)
		require.Equal(t, tc.want, f.cell())
	}
	require.Equal(t, "-", seen{}.cell())
	require.Equal(t, "not known", seen{trials: make([]trial, 1)}.cell())
}

// TestUpTo: a time that some trial may have exceeded is not given as the most
// where that is the longest.
func TestUpTo(t *testing.T) {
	require.Equal(t, "up to 133.50 s", upTo(of(133.5, -40)))
	require.Equal(t, "more than 40.00 s", upTo(of(30, -40)))
	require.Equal(t, "up to 30.00 s", upTo(of(30)))
}

// TestLeading: one long trial does not choose the DNS that the opening is
// about, and the cluster's own comes first.
func TestLeading(t *testing.T) {
	case_ := func(dns plan.DNS, late int) seen {
		return seen{regime: regime{DNS: dns, Names: plan.Fresh, Observer: record.Solo}, late: late}
	}
	require.Equal(t, plan.Cache30, leading([]seen{case_(plan.NodeLocalUncached, 1), case_(plan.Cache30, 9)}))
	require.Equal(t, plan.NodeLocalUncached, leading([]seen{case_(plan.NodeLocalUncached, 9), case_(plan.Cache30, 9)}))
	require.Equal(t, plan.ClusterDNS, leading([]seen{case_(plan.Cache30, 9), case_(plan.ClusterDNS, 1)}))
}

// TestOpeningIsBounded: the table of cases has at most so many rows and columns,
// whatever the plan, and says how much more there is.
func TestOpeningIsBounded(t *testing.T) {
	r := spoiled(t, "x", 30, 60, 1)
	var d document
	r.opening(&d, true)
	text := d.fit(formLimit)
	require.Less(t, len(text), 9000)
	rows := bytes.Count(text, []byte("\n|")) - 2
	require.LessOrEqual(t, rows, mostRows)
	require.Contains(t, string(text), "14 more DNS configurations below.") // every third trial is invalid
}
