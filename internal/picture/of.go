package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// Of is what there is to draw of a plan: its analysis, and one of its trials,
// or nil, as a waterfall.
func Of(p plan.Plan, a *analysis.Analysis, trial *judge.Verdict) Input {
	in := Input{
		Joins:   ofJoins(a.Joins()),
		ECDF:    ofViews(a.Views()),
		Effects: ofFindings(a.Findings(), time.Duration(p.Margin)),
	}
	if trial != nil {
		in.Waterfall = ofTrial(trial)
	}
	return in
}

// Slowest is the rather drawn of two trials: a complete one rather than a
// censored one, then the one that took longer until all were connected, then
// the first. An invalid one is never drawn, nor is nil. What is returned has no
// pairs, so that it can be kept.
func Slowest(kept, v *judge.Verdict) *judge.Verdict {
	if v.Status == results.Invalid {
		return kept
	}
	if kept != nil {
		if a, b := v.Status == results.Complete, kept.Status == results.Complete; a != b && b ||
			a == b && v.Connected.Since.Value <= kept.Connected.Since.Value {
			return kept
		}
	}
	out := *v
	out.Pairs = nil
	return &out
}

// ofTrial is one trial as a waterfall.
func ofTrial(v *judge.Verdict) *Waterfall {
	w := &Waterfall{
		Trial: fmt.Sprintf("Trial %s, %s", v.Trial.ID, v.Trial.Arm),
		Stages: []string{"created", "scheduled", "pod IP reported", "process started", "ready", "in EndpointSlice",
			"on DNS servers", "client's answers current", "connected"},
	}
	for _, m := range v.Moments {
		p := WaterfallPod{Name: fmt.Sprintf("index %d", m.Index)}
		for _, o := range []judge.Measurement{m.Created, m.Scheduled, m.Addressed, m.Started, m.Ready, m.InSlice, m.OnServer, m.Resolved, m.Connected} {
			if !o.Known() {
				p.At = append(p.At, nil)
				continue
			}
			p.At = append(p.At, &stats.Time{At: o.Value.Seconds(), Censored: o.Censored})
		}
		w.Pods = append(w.Pods, p)
	}
	return w
}

// ofJoins draws the solo arms' joins, one plot for what else differs than the
// extra.
func ofJoins(all []analysis.Join) *Joins {
	out := &Joins{
		Title: "Join time by connect timeout, with and without an extra",
		Axis:  "seconds until the worker joined",
	}
	var timeouts []plan.Duration
	var arms, regimes []plan.Arm
	extras := []string{}
	for _, j := range all {
		if !slices.Contains(timeouts, j.Timeout) {
			timeouts = append(timeouts, j.Timeout)
		}
		if extra := extraName(j.Arm); !slices.Contains(extras, extra) {
			extras = append(extras, extra)
		}
		if r := withoutExtra(j.Arm); !slices.Contains(regimes, r) {
			regimes = append(regimes, r)
		}
		arms = append(arms, j.Arm)
	}
	slices.SortFunc(timeouts, func(a, b plan.Duration) int {
		switch {
		case a == b:
			return 0
		case a == 0 || b != 0 && a > b:
			return -1
		}
		return 1
	})
	// A plan with all extras, each twice, has more than there are shapes for.
	out.Arms = extras[:min(len(extras), len(shapes))]
	if left := len(extras) - len(out.Arms); left > 0 {
		out.Foot = fmt.Sprintf("Not drawn: %s.", strings.Join(extras[len(out.Arms):], "; "))
	}
	for _, t := range timeouts {
		out.Names = append(out.Names, plan.TimeoutName(t))
	}
	names, same := armNames(regimes)
	out.Head = "0 = worker and leader both exist." + same
	for _, name := range names {
		p := JoinsPanel{Name: name}
		for range timeouts {
			p.Cells = append(p.Cells, make([]Cell, len(out.Arms)))
		}
		out.Panels = append(out.Panels, p)
	}
	for _, j := range all {
		arm := slices.Index(out.Arms, extraName(j.Arm))
		if arm < 0 {
			continue
		}
		p := out.Panels[slices.Index(regimes, withoutExtra(j.Arm))]
		p.Cells[slices.Index(timeouts, j.Timeout)][arm] = ofArm(j.Joined)
	}
	return out
}

// ofArm takes over an arm's times and, where it is known, their median.
func ofArm(a analysis.Arm) Cell {
	c := Cell{Times: a.Times}
	if a.Median == a.AtLeast { // not where either is NaN
		c.Median = &Estimate{a.Median, a.Interval}
	}
	return c
}

func withoutExtra(a plan.Arm) plan.Arm {
	a.Extra, a.Copy = "", 0
	return a
}

// extraName is what the key calls an extra. "none" alone would be taken for a
// connect timeout.
func extraName(a plan.Arm) string {
	name := "with " + string(a.Extra)
	if a.Extra == plan.ExtraNone {
		name = "without extra"
	}
	if a.Copy != 0 {
		name += ", again"
	}
	return name
}

// armNames names arms by what tells them apart, and says in a sentence what is
// the same in all of them.
func armNames(arms []plan.Arm) (names []string, same string) {
	if len(arms) == 0 {
		return nil, ""
	}
	var parts [][]string
	for _, a := range arms {
		parts = append(parts, strings.Split(a.String(), "/"))
	}
	for i, what := range []string{"dns", "names", "extra", "observer"} {
		differs := slices.ContainsFunc(parts, func(p []string) bool { return p[i] != parts[0][i] })
		if differs || i == 0 && len(parts) > 1 {
			continue
		}
		if parts[0][i] != "" {
			same += fmt.Sprintf(" %s: %s.", what, parts[0][i])
		}
		for _, p := range parts {
			p[i] = ""
		}
	}
	for _, p := range parts {
		p = slices.DeleteFunc(p, func(s string) bool { return s == "" })
		names = append(names, strings.Join(p, "/"))
	}
	return names, same
}

// ofViews draws the arms that look at names through clients and on the servers
// both; where no arm does, those that look at all.
func ofViews(views []analysis.View) *ECDF {
	both := slices.DeleteFunc(slices.Clone(views), func(v analysis.View) bool {
		return len(v.Client.Times) == 0 || len(v.Server.Times) == 0
	})
	if len(both) > 0 {
		views = both
	}
	var arms []plan.Arm
	for _, v := range views {
		arms = append(arms, v.Arm)
	}
	out := &ECDF{}
	names, same := armNames(arms)
	out.Head = strings.TrimSpace(same)
	for i, v := range views {
		out.Panels = append(out.Panels, ECDFPanel{Name: names[i], Client: v.Client.Times, Server: v.Server.Times})
	}
	return out
}

// ofFindings draws the declared contrasts.
func ofFindings(findings []analysis.Finding, margin time.Duration) *Effects {
	out := &Effects{Margin: margin.Seconds()}
	for _, f := range findings {
		e := Effect{Name: f.Name, Primary: f.Primary, Blocks: f.Blocks, Verdict: string(f.Verdict), Control: f.Control.Late, With: f.Treated.Late}
		switch s := f.Stats; {
		case s == nil:
		case s.Shift != nil:
			e.Shift, e.Interval = &s.Shift.Estimate, &s.Shift.Interval
		case s.Restricted != nil:
			e.Shift, e.Mean = &s.Restricted.Difference, true
		}
		out.Rows = append(out.Rows, e)
	}
	return out
}
