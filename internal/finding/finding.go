// Package finding writes the project's own finding, REPORT.md, from the results
// folders of the runs that it names. Its prose is a template; every figure in it
// that was measured is looked up in the records, and the sentences that depend
// on a figure say what they need: where the records do not have it, nothing is
// written.
package finding

import (
	"bytes"
	_ "embed"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/report"
)

//go:embed finding.md.tmpl
var prose string

// Render writes the finding from results folders, which the prose calls by
// their base names. An error says what the records do not have or do not
// support.
func Render(dirs ...string) ([]byte, error) { return render(prose, dirs...) }

func render(prose string, dirs ...string) ([]byte, error) {
	runs := runs{}
	for _, dir := range dirs {
		r, err := report.Load(dir)
		if err != nil {
			return nil, err
		}
		runs[filepath.Base(dir)] = r
	}
	t, err := template.New("finding").Funcs(runs.queries()).Parse(prose)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return nil, err
	}
	return []byte(wrap(b.String())), nil
}

// runs are reports by the names of their folders.
type runs map[string]*report.Report

func (r runs) run(name string) (*report.Report, error) {
	if run, ok := r[name]; ok {
		return run, nil
	}
	return nil, fmt.Errorf("no run is called %q", name)
}

// queries are what the prose can ask. Arms are patterns of report.Lags.
func (r runs) queries() template.FuncMap {
	lags := func(say func(report.Lags) string) any {
		return func(run, arms, outcome string) (string, error) {
			l, err := r.lags(run, arms, outcome)
			if err != nil {
				return "", err
			}
			return say(l), nil
		}
	}
	return template.FuncMap{
		// said marks a figure that is quoted or a setting, not measured here.
		"said": func(s string) string { return s },

		"median":  lags(report.Lags.Median),
		"spread":  lags(report.Lags.Range),
		"longest": lags(report.Lags.Longest),
		"late":    lags(report.Lags.Late),
		"count":   r.count,
		"share":   r.share,
		"joins":   r.joins,
		"seed":    r.seed,
		"plan":    r.plan,

		"verdict":  r.say(func(f analysis.Finding) string { return string(f.Verdict) }),
		"effect":   r.say(effect),
		"p":        r.say(func(f analysis.Finding) string { return fmt.Sprintf("%.2g", f.Adjusted) }),
		"lateWith": r.say(func(f analysis.Finding) string { return fraction(f.Treated) }),
		"lateOf":   r.say(func(f analysis.Finding) string { return fraction(f.Control) }),
		"decision": r.decision,

		// What a sentence needs to be true. They print nothing.
		"needs": r.needs,
		"is":    func(got, want string) (string, error) { return "", same(got, want) },
	}
}

func same(got, want string) error {
	if got != want {
		return fmt.Errorf("the prose says %q, the records %q", want, got)
	}
	return nil
}

func (r runs) lags(run, arms, outcome string) (report.Lags, error) {
	rep, err := r.run(run)
	if err != nil {
		return report.Lags{}, err
	}
	l, err := rep.Lags(arms, outcome)
	if err != nil {
		return l, fmt.Errorf("run %s: %w", run, err)
	}
	return l, nil
}

// needs fails unless every lag, in seconds, was seen and lies between two
// bounds, ends included.
func (r runs) needs(run, arms, outcome string, least, most float64) (string, error) {
	l, err := r.lags(run, arms, outcome)
	if err != nil {
		return "", err
	}
	low, high, censored := l.Bounds()
	if censored > 0 || low < least || high > most {
		return "", fmt.Errorf("run %s, %s, %s: %s, of which %d censored; the prose says %g to %g s", run, arms, outcome, l.Range(), censored, least, most)
	}
	return "", nil
}

// counted are the counts that the prose can ask for.
var counted = map[string]func(judge.Counts) int{
	"answers":            func(c judge.Counts) int { return c.Questions },
	"denials":            judge.Counts.Denials,
	"cached denials":     func(c judge.Counts) int { return c.ProvenCached },
	"stale answers":      judge.Counts.StaleAnswers,
	"silent connects":    func(c judge.Counts) int { return c.DialTimeouts },
	"silent right ones":  func(c judge.Counts) int { return c.SilentRight },
	"refused connects":   func(c judge.Counts) int { return c.DialRefused },
	"answers by another": func(c judge.Counts) int { return c.WrongPeer },
}

func (r runs) count(run, arms, what string) (int, error) {
	of, ok := counted[what]
	if !ok {
		return 0, fmt.Errorf("nothing that is called %q is counted", what)
	}
	rep, err := r.run(run)
	if err != nil {
		return 0, err
	}
	c, err := rep.Counts(arms)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", run, err)
	}
	return of(c), nil
}

// share is which part of the delayed trials' time, from the Job's creation on,
// went to a part, in per cent.
func (r runs) share(run, arms, part string) (string, error) {
	rep, err := r.run(run)
	if err != nil {
		return "", err
	}
	took, of, err := rep.Went(arms, judge.Part(part))
	switch {
	case err != nil:
		return "", fmt.Errorf("run %s: %w", run, err)
	case took == 0:
		return "", fmt.Errorf("run %s, %s: nothing went to %q", run, arms, part)
	}
	return fmt.Sprintf("%.0f %%", 100*took.Seconds()/of.Seconds()), nil
}

func (r runs) joins(run string) (string, error) {
	rep, err := r.run(run)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(rep.Joins(), "\n"), nil
}

func (r runs) seed(run string) (uint64, error) {
	rep, err := r.run(run)
	if err != nil {
		return 0, err
	}
	return rep.Plan().Seed, nil
}

// plan says what a run was: its plan, trials and blocks.
func (r runs) plan(run string) (string, error) {
	rep, err := r.run(run)
	if err != nil {
		return "", err
	}
	p := rep.Plan()
	blocks := "1 block"
	if p.Blocks != 1 {
		blocks = fmt.Sprintf("%d blocks", p.Blocks)
	}
	return fmt.Sprintf("plan `%s`, seed %d, %d trials in %s", p.Name, p.Seed, len(p.Trials), blocks), nil
}

// say makes a query about a contrast: "primary", or its name.
func (r runs) say(what func(analysis.Finding) string) any {
	return func(run, name string) (string, error) {
		rep, err := r.run(run)
		if err != nil {
			return "", err
		}
		list := rep.Findings()
		i := slices.IndexFunc(list, func(f analysis.Finding) bool { return f.Name == name || f.Primary && name == "primary" })
		switch {
		case i < 0:
			return "", fmt.Errorf("run %s states no comparison called %q", run, name)
		case list[i].Stats == nil:
			return "", fmt.Errorf("run %s, %q: %s", run, name, list[i].Why)
		}
		return what(list[i]), nil
	}
}

// effect is a contrast's estimate with its 95 % interval.
func effect(f analysis.Finding) string {
	sec := func(s float64) string {
		return fmt.Sprintf("%+.2f s", s)
	}
	if s := f.Stats.Shift; s != nil {
		return fmt.Sprintf("%s (%s to %s)", sec(s.Estimate), sec(s.Interval.Lo), sec(s.Interval.Hi))
	}
	d := f.Stats.Restricted
	return fmt.Sprintf("%s in the mean to %.0f s", sec(d.Difference), f.Deadline)
}

func fraction(a analysis.Arm) string {
	if a.Late == nil {
		return "of none known"
	}
	return fmt.Sprintf("%d of %d", a.Late.K, a.Late.N)
}

func (r runs) decision(run, id string) (string, error) {
	rep, err := r.run(run)
	if err != nil {
		return "", err
	}
	for _, d := range rep.Decisions() {
		if d.ID == id {
			return string(d.Status), nil
		}
	}
	return "", fmt.Errorf("run %s decides no %q", run, id)
}
