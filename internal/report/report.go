// Package report shows what a run found, for people: the end on the terminal and
// a line a trial, report.md in the form of Kubernetes' bug reports, a shorter
// form as a comment on an issue, and summary.json. It takes every number from
// package analysis, and the environment as environment.json has it; its texts
// are fixed. It is pure: the same records give the same bytes. It knows nothing
// of where they come from and how they are delivered.
package report

import (
	"encoding/json"
	"io"
	"strings"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/plot"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/records/published"
)

// Report is a report in the making: trials are added one by one.
type Report struct {
	plan     plan.Plan
	env      environment.Environment // zero: none was written
	warnings []string                // about the records
	analysis *analysis.Analysis
	shown    *analysis.Timeline // of the trial whose log and clients are shown; nil: none yet
}

// New begins a report on a plan. The environment is environment.json as it is
// on disk, or nil.
func New(p plan.Plan, env json.RawMessage) *Report {
	r := &Report{plan: p, analysis: analysis.New(p)}
	if len(env) > 0 {
		// A newer or damaged file still tells what it can.
		if err := json.Unmarshal(env, &r.env); err != nil {
			r.warnings = append(r.warnings, "environment.json was read in part: "+err.Error())
		}
	}
	return r
}

// Load makes the report of a results folder from its records alone. An error
// is a *plan.InputError when it is about the folder.
func Load(dir string) (*Report, error) {
	records, err := results.Load(dir)
	if err != nil {
		return nil, err
	}
	r := New(records.Plan, records.Environment)
	for t, err := range records.Trials() {
		if err != nil {
			return nil, err
		}
		r.Add(&t)
	}
	r.warnings = append(r.warnings, records.Warnings...)
	return r, nil
}

// Add judges a trial and takes it in. A trial that comes again replaces the
// attempt before.
func (r *Report) Add(t *results.Trial) {
	v := judge.Judge(t)
	r.analysis.Add(v)
	if v.Trial.Arm.Observer == record.EmptyService {
		return
	}
	if line := analysis.NewTimeline(t, v); line.Tells(r.shown) {
		r.shown = line
	}
}

// Warnings returns what is known to be missing from the records.
func (r *Report) Warnings() []string { return r.warnings }

// Invalid is the number of trials that do not count.
func (r *Report) Invalid() int { return r.analysis.Summary().Invalid }

// Summary is summary.json: the numbers, and the sentences that the terminal
// shows with them.
type Summary struct {
	analysis.Summary
	Sentence string   `json:"sentence"`
	Why      string   `json:"why"`
	Change   []string `json:"change"`
}

// Summary reduces the trials added so far.
func (r *Report) Summary() Summary {
	s := Summary{Summary: r.analysis.Summary()}
	s.Sentence = sentence(s.Verdict)
	if len(s.Trials) == 0 && len(s.Emptied) > 0 {
		s.Sentence = emptiedSentence(s.Emptied)
	}
	s.Why, s.Change = r.advice(s.Verdict)
	return s
}

// WriteSummary writes summary.json.
func (r *Report) WriteSummary(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r.Summary())
}

// Picture is a file beside report.md.
type Picture struct {
	Name string
	SVG  []byte
}

// Pictures draws the trials added so far.
func (r *Report) Pictures() []Picture {
	if len(r.analysis.Trials()) == 0 {
		return nil
	}
	out := []Picture{{"trials.svg", plot.Trials(r.analysis.Summary())}}
	if r.shown != nil {
		out = append(out, Picture{"clients.svg", plot.Clients(r.shown)})
	}
	if s := r.analysis.Sweeps(); len(s) > 0 {
		out = append(out, Picture{"joins.svg", plot.Joins(s, r.published()...)})
	}
	if t := r.analysis.Trends(); len(t) > 0 {
		out = append(out, Picture{"doses.svg", plot.Doses(t, published.Withdrawn())})
	}
	return out
}

// published are the times of others that belong beside the plan's joins.
func (r *Report) published() []plot.Published {
	var out []plot.Published
	if len(r.analysis.Previous()) > 0 {
		out = append(out, plot.Published{
			Title: "Workers on Cloud DNS: run8 of the original experiments, May 2023",
			Zero:  "seconds from a worker's lookup until it had joined, its slowest of an iteration",
			Joins: published.CloudDNS(),
		})
	}
	if strings.HasSuffix(r.plan.Name, "timeouts") { // the original report's connect timeouts
		out = append(out, plot.Published{
			Title: "As published with the original report: GKE, Cloud DNS, May 2023",
			Zero:  "seconds that the whole Job took, which is another zero than above",
			Joins: published.Joins(),
		})
	}
	return out
}
