package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// sections are the appendix: tables, then what was seen of the cluster.
func (r *Report) sections() []section {
	var out []section
	add := func(title, below string, rows [][]string) {
		if len(rows) > 1 {
			out = append(out, section{title, strings.TrimSpace(table(rows) + "\n\n" + below)})
		}
	}
	add("Every DNS and scenario", "Groups: trials that showed the same, each with its median. "+
		"Pod start: median of when all pods were there, since the request that created the Job. On servers: until every "+
		"DNS server had every name, asked past its cache. "+
		">: it had not happened by then.", r.cellRows())
	add("The address of a Service's last pod, after that pod was gone", "Asked once a second by a pod that the Service "+
		"does not select, until none had been answered for 10 s. A TTL that falls is a cache's.",
		emptiedRows(r.analysis.Emptied()))
	add("By extra object", "", r.extraRows())
	add("Comparisons that the plan declares", "With minus control by block, in seconds; negative: sooner. "+
		"Hodges-Lehmann shift with its exact 95 % interval (signed-rank); where a time is censored, the difference of "+
		"means up to the common deadline. p: exact permutation; the first stands alone, A/A too, the others are "+
		"adjusted together (Holm). Differs, equivalent (the interval lies within "+
		time.Duration(r.plan.Margin).String()+") or inconclusive.", r.findingRows())
	add("A previous Job that ran", "Medians. Since its end: its Service was deleted, the new pod 0 ran. Trials by "+
		"what new workers were told first: the old address, a denial (withdrawn), the new one. TTL left: the old "+
		"record's when first told."+r.trend(), r.previousRows())
	add("Does this DNS never withdraw the last record?", "Predictions of a model in which a controller writes the "+
		"records and never writes an empty set; it was made from the original experiment's logs on Cloud DNS.",
		r.predictionRows())
	add("Joined by connect timeout", "Medians, for arms in which a worker was later than 1 s; none: the kernel gives up.",
		r.joinRows())
	add("Explanations that were offered", "", r.explanationRows())
	add("Answers and connects", "From a cache: denials whose TTL had fallen. Stale: somebody else's address. "+
		"Timed out: connects that met silence.", r.countRows())
	if list := r.remarks(); len(list) > 0 {
		out = append(out, section{"Trials that do not count, and remarks", strings.Join(list, "\n")})
	}
	if list := r.facts(); len(list) > 0 {
		out = append(out, section{"The DNS, as seen here", strings.Join(list, "\n")})
	}
	if c := r.env.DNS.Corefile; c != "" {
		out = append(out, section{"Corefile of the cluster's DNS", fenced(c)})
	}
	return out
}

func (r *Report) cellRows() [][]string {
	out := [][]string{{
		"scenario", "DNS", "late", "95 %", "groups", "slowest pair", "pod start", "on servers",
	}}
	for _, c := range r.analysis.Summary().Cells {
		if c.Trials == 0 {
			continue
		}
		var groups []string
		for _, g := range c.Groups {
			text := fmt.Sprintf("%d x %s", g.Trials, spread(g))
			if g.Late {
				text += " " + string(g.Cause)
			}
			groups = append(groups, text)
		}
		servers := "-"
		if c.OnServer != nil {
			servers = seconds(*c.OnServer)
		}
		out = append(out, []string{
			plain(c.Scenario), label(c.DNS), fmt.Sprintf("%d/%d", c.Late, c.Trials), interval(c.LateShare),
			strings.Join(groups, "; "),
			seconds(c.Slowest),
			fmt.Sprintf("%.1f s", c.PodStart), servers,
		})
	}
	return out
}

// interval is a proportion's, in percent.
func interval(p *stats.Proportion) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f-%.0f %%", 100*p.Interval.Lo, 100*p.Interval.Hi)
}

// extraRows have a column for each extra object.
func (r *Report) extraRows() [][]string {
	cells := r.analysis.ByExtra()
	out := [][]string{{"scenario, DNS"}}
	var extras []plan.Extra
	for _, e := range plan.Extras {
		if slices.ContainsFunc(cells, func(c analysis.ExtraCell) bool { return c.Extra == e }) {
			extras = append(extras, e)
			out[0] = append(out[0], string(e))
		}
	}
	for i, c := range cells {
		if i == 0 || c.Scenario != cells[i-1].Scenario || c.DNS != cells[i-1].DNS {
			row := []string{plain(c.Scenario) + ", " + label(c.DNS)}
			out = append(out, append(row, slices.Repeat([]string{"-"}, len(extras))...))
		}
		if at := slices.Index(extras, c.Extra); at >= 0 {
			out[len(out)-1][at+1] = cell(c.Cell)
		}
	}
	return out
}

func (r *Report) findingRows() [][]string {
	out := [][]string{{"comparison", "control", "with", "difference", "95 %", "p", "blocks", "verdict"}}
	for _, f := range r.analysis.Findings() {
		row := []string{
			plain(f.Name), side(f.Control), side(f.Treated), "-", "-", "-",
			fmt.Sprintf("%d/%d", f.Blocks, f.Planned), string(f.Verdict),
		}
		if f.Check {
			row[0] += " (A/A)"
		}
		if f.Pairs != nil {
			row[1] = fmt.Sprintf("withdrawn %d/%d", f.Pairs.A.K, f.Pairs.A.N)
			row[2] = fmt.Sprintf("withdrawn %d/%d", f.Pairs.B.K, f.Pairs.B.N)
			row[3] = fmt.Sprintf("%+.0f %%", 100*f.Pairs.Difference)
			row[4] = fmt.Sprintf("%+.0f to %+.0f %%", 100*f.Pairs.Interval.Lo, 100*f.Pairs.Interval.Hi)
			row[5] = fmt.Sprintf("%.2g (McNemar)", f.Adjusted)
		}
		if s := f.Stats; s != nil {
			row[3] = fmt.Sprintf("%+.2f s", s.Difference())
			if s.Shift != nil && s.Shift.Interval.Bounded() {
				row[4] = fmt.Sprintf("%+.2f to %+.2f", s.Shift.Interval.Lo, s.Shift.Interval.Hi)
			}
			row[5] = fmt.Sprintf("%.2g", f.Adjusted)
		}
		out = append(out, row)
	}
	return out
}

func side(s analysis.Side) string {
	if s.Late == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %d/%d", seconds(s.Median), s.Late.K, s.Late.N)
}

// previousRows are the arms whose previous Job ran.
func (r *Report) previousRows() [][]string {
	head := []string{"DNS", "extra object", "Service deleted", "pod 0 ran", "workers outlive", "old", "withdrawn",
		"not known", "TTL left"}
	var timeouts []plan.Duration
	arms := r.analysis.Previous()
	for _, p := range arms {
		for _, j := range p.Joins {
			if !slices.Contains(timeouts, j.Timeout) {
				timeouts = append(timeouts, j.Timeout)
			}
		}
	}
	for _, t := range timeouts {
		head = append(head, "joined, "+plan.TimeoutName(t))
	}
	out := [][]string{head}
	for _, p := range arms {
		row := []string{
			label(p.Arm.DNS), string(p.Arm.Extra), fmt.Sprintf("%.2f s", p.Deleted), fmt.Sprintf("%.2f s", p.Started),
			time.Duration(p.Arm.Outlive).String(), fmt.Sprint(p.Old), fmt.Sprint(p.Withdrawn), fmt.Sprint(p.Unknown),
			"-",
		}
		if p.TTL >= 0 {
			row[len(row)-1] = fmt.Sprintf("%.0f s", p.TTL)
		}
		out = append(out, append(row, medians(p.Joins, p.Arm, timeouts)...))
	}
	return out
}

// medians are an arm's joins by connect timeout.
func medians(joins []analysis.Join, arm plan.Arm, timeouts []plan.Duration) []string {
	var out []string
	for _, t := range timeouts {
		text := "-"
		for _, j := range joins {
			if j.Arm == arm && j.Timeout == t {
				text = seconds(j.Median)
			}
		}
		out = append(out, text)
	}
	return out
}

// predictionRows are the model's predictions for the run's subject.
func (r *Report) predictionRows() [][]string {
	out := [][]string{{"prediction", "predicted", "seen", "decision"}}
	for _, p := range r.analysis.Predictions(r.analysis.Summary().Verdict.Subject) {
		out = append(out, []string{p.What, p.Predicted, p.Seen, string(p.Decision)})
	}
	return out
}

// trend says whether withdrawal grows with the time of deletion.
func (r *Report) trend() string {
	text := ""
	for _, t := range r.analysis.Trends() {
		var shares []string
		for _, d := range t.Doses {
			shares = append(shares, fmt.Sprintf("%s %d/%d", time.Duration(d.Score)*time.Millisecond, d.K, d.N))
		}
		text += fmt.Sprintf("\n\nWithdrawn by the time of deletion, %s, %s: %s; exact Cochran-Armitage p = %.2g.",
			label(t.DNS), t.Extra, strings.Join(shares, ", "), t.P)
	}
	return text
}

// joinRows are arms by connect timeout, those in which anything was late.
func (r *Report) joinRows() [][]string {
	joins := slices.DeleteFunc(r.analysis.Joins(), func(j analysis.Join) bool { return j.Arm.Previous == plan.Ran })
	var timeouts []plan.Duration
	var arms []plan.Arm
	for _, j := range joins {
		if !slices.Contains(timeouts, j.Timeout) {
			timeouts = append(timeouts, j.Timeout)
		}
		if late, _ := j.Times[len(j.Times)-1].Later(analysis.Late.Seconds()); !late {
			continue
		}
		if !slices.Contains(arms, j.Arm) {
			arms = append(arms, j.Arm)
		}
	}
	out := [][]string{{"arm"}}
	for _, t := range timeouts {
		out[0] = append(out[0], plan.TimeoutName(t))
	}
	for _, a := range arms {
		out = append(out, append([]string{code(a.String())}, medians(joins, a, timeouts)...))
	}
	return out
}

func (r *Report) explanationRows() [][]string {
	out := [][]string{{"explanation", "number", "decision"}}
	for _, e := range r.analysis.Explanations() {
		out = append(out, []string{e.What, e.Number, string(e.Decision)})
	}
	return out
}

// countRows are the answers and connects, by DNS.
func (r *Report) countRows() [][]string {
	out := [][]string{{
		"DNS", "questions", "denials", "from a cache", "stale", "no answer", "timed out", "to a right address",
	}}
	for _, d := range r.analysis.Table().DNS {
		var c judge.Counts
		for _, t := range r.analysis.Trials() {
			if t.Arm.DNS == d && t.Invalid == "" {
				c.Add(t.Counts)
			}
		}
		row := []string{label(d)}
		for _, n := range []int{
			c.Questions, c.Denials(), c.ProvenCached, c.StaleAnswers(), c.Failed, c.DialTimeouts, c.SilentRight,
		} {
			row = append(row, fmt.Sprint(n))
		}
		out = append(out, row)
	}
	return out
}

// remarks are about single trials, at most maxRemarks of them.
func (r *Report) remarks() []string {
	var out []string
	for _, t := range r.analysis.Trials() {
		for _, text := range append([]string{t.Invalid}, t.Notes...) {
			if text != "" {
				out = append(out, fmt.Sprintf("- %s: %s", code(t.ID), code(text)))
			}
		}
	}
	return bounded(out, maxRemarks)
}

const (
	maxRemarks = 20
	maxFacts   = 16
)

func bounded(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("- %d more", len(list)-most))
}

// facts are what is known of the cluster's DNS, of pods and of the run.
func (r *Report) facts() []string {
	var out []string
	fact := func(name, value string) {
		if value != "" && !slices.Contains(out, "- "+name+": "+code(value)) {
			out = append(out, "- "+name+": "+code(value))
		}
	}
	for _, d := range plan.AllDNS {
		// A private one that does not do as its facts say is not used.
		if f, ok := r.env.Caching[d]; ok {
			fact("measured, "+label(d), f.String())
			break
		}
	}
	for _, p := range r.env.Pods {
		fact("pods' search list", strings.Join(p.Resolv.Search, " "))
	}
	for _, s := range slices.Concat(r.env.Notes, r.env.Warnings, r.warnings) {
		fact("note", s)
	}
	return bounded(out, maxFacts)
}
