package report

import (
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/hypothesis"
	"headless-job-dns/internal/plan"
)

// mostOpen is how many lines a table may have that is not folded.
const mostOpen = 13

// Markdown renders report.md: the form of Kubernetes' bug reports, filled in
// (kubernetes/kubernetes, .github/ISSUE_TEMPLATE/bug-report.yaml), with its
// headings in its order. It pastes whole into an issue. Where it is too long
// its tables give up their padding before any row is left out.
func (r *Report) Markdown() []byte {
	d := r.form(document{})
	if d.size() > formLimit {
		d = r.form(document{tight: true})
	}
	return d.fit(formLimit)
}

func (r *Report) form(d document) *document {
	d.text("### What happened?\n\n")
	r.opening(&d, true)
	d.text("### What did you expect to happen?\n\n%s\n\n", r.expected())
	d.text("### How can we reproduce it (as minimally and precisely as possible)?\n\n")
	r.reproduce(&d)
	d.text("### Anything else we need to know?\n\n")
	r.anythingElse(&d)
	r.environment(&d)
	d.text("/sig network\n")
	return &d
}

// Comment renders the shorter form, for an issue that exists.
func (r *Report) Comment() []byte {
	d := document{tight: true}
	d.text("A measurement of this with nothing but an Indexed Job and a headless Service, no operator.\n\n")
	r.opening(&d, false)
	slow := slowest(r.seen())
	isSlow := func(a plan.Arm) bool { return slices.ContainsFunc(slow, func(f seen) bool { return f.holds(a) }) }
	if rows := r.joinsByArm(isSlow); rows != nil {
		d.table(rankTables, "combinations", joinsWords+" Combinations that were ever later than 1 s:", rows)
	}
	if rows := r.remedyRows(); len(rows) > 1 {
		d.table(rankFindings, "remedies", "Remedies, measured:", rows)
	}
	d.text("The same again in a checkout of headless-job-dns, on the cluster that kubectl talks to, from seed %d (about %s):\n\n", r.plan.Seed, minutes(r.plan.Expected()))
	r.rerun(&d)
	d.fold("Environment", listPart(rankEnvironment, "facts", "", r.facts()))
	return d.fit(commentLimit)
}

// anythingElse are the tables.
func (r *Report) anythingElse(d *document) {
	folding := func(rank int, what, summary, above string, rows [][]string) {
		switch n := len(rows); {
		case n < 2:
		case n <= mostOpen:
			d.text("**%s**\n\n", summary)
			d.table(rank, what, above, rows)
		default:
			d.foldedTable(rank, what, summary, above, rows)
		}
	}
	folding(rankFindings, "comparisons", "Comparisons stated before the run", findingWords, findingRows(r, func(analysis.Finding) bool { return true }))
	if w := r.findingWarnings(); len(w) > 0 {
		d.fold("What limits these comparisons", listPart(rankRemarks, "remarks", "", w))
	}
	folding(rankFindings, "remedies", "Remedies measured on this cluster", remedyWords, r.remedyRows())
	if s := r.unmeasured(); s != "" {
		d.text("%s\n\n", s)
	}
	if rows := r.shareRows(); rows != nil {
		folding(rankTables, "lines", "Where the time goes", sharesWords, rows)
	}
	r.decisions(d)
	folding(rankTables, "combinations", "Every combination", overviewWords, r.overviewRows())
	if rows := r.joinsByArm(everything); rows != nil {
		folding(rankTables, "combinations", "When a worker joined, by its connect timeout", joinsWords, rows)
	}
	if list := r.described(); len(list) > 0 {
		d.fold("The slow cases in sentences", listPart(rankCounts, "sentences", "", list))
	}
	if rows := r.stageRows(); len(rows) > 1 {
		d.foldedTable(rankCounts, "combinations", "Stages of a pod's life", stageWords, rows)
	}
	if list := r.remarks(); len(list) > 0 {
		d.fold("Answers and connects, by combination", listPart(rankCounts, "combinations", "", list))
	}
	d.list(rankEnvironment, "facts", "**DNS of the cluster and of the trials**", append(r.dnsFacts(), r.untold()...))
	r.corefiles(d)
	if list := r.exceptions(); len(list) > 0 {
		d.list(rankRemarks, "trials and remarks", "**Censored and invalid trials, remarks**", list)
	} else {
		d.text("**Censored and invalid trials, remarks**: none.\n\n")
	}
	d.fold("How to read the numbers", listPart(rankTables, "lines", "", r.reading()))
	d.text("This report follows from the run's records alone (`go run ./repro report DIR`).\n\n")
}

const (
	joinsWords = "Median readiness lag of the worker with each connect timeout (none: the kernel gives up), where each worker looks up index 0 only."

	findingWords = "With minus control, block by block; negative: earlier with. Hodges-Lehmann shift with its exact 95 % interval (signed-rank); where outcomes are censored a difference of restricted means instead. p: exact permutation; the primary comparison and A/A checks stand alone, the others are adjusted together (Holm). " +
		"Medians of readiness lags; >1 s: trials later than that with an exact 95 % interval. Verdicts: differs, equivalent (the whole interval within the margin), inconclusive."

	remedyWords = "saves: by how much earlier, with its 95 % interval; negative: later."

	sharesWords = "Of the pair that was connected last in each trial, from just before the request that created the Job; means over the trials, which add up to the total. " +
		"Until the name is on the DNS server the later of the two pods counts: created, scheduled, pod IP reported, process started, Ready reported, in an EndpointSlice, on the server; then the asker: not asked yet, told from a cache that the name does not exist, " +
		"told so freshly or from a cache, held by a stale address and connects to it, without a usable answer, waiting to ask again, connecting."

	stageWords = "Median time of the slowest pod since just before the request that created the Job. The API's are times of receipt; process started, client's answer current and connected are the pods' own."
)

// remedyRows are the table of remedies.
func (r *Report) remedyRows() [][]string {
	rows := [][]string{{"remedy", "in place of", "saves", ">1 s without", ">1 s with", "verdict"}}
	for _, m := range r.results().remedies {
		if m.Finding == nil {
			continue
		}
		saves := "-"
		if m.Saves != nil {
			saves = saving(*m.Saves)
		}
		what := r.called(m)
		if m.Beside != "" {
			what += " (" + prose(m.Beside) + ")"
		}
		rows = append(rows, []string{what, code(m.Finding.Contrast.Control.String()), saves, share(m.LateBefore), share(m.LateAfter), r.verdict(m.Verdict)})
	}
	return rows
}

// unmeasured names the remedies that the plan did not measure.
func (r *Report) unmeasured() string {
	var out []string
	for _, m := range r.results().remedies {
		if m.Finding == nil {
			out = append(out, prose(m.What))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "Remedies that this plan did not measure: " + strings.Join(out, "; ") + "."
}

// findingWarnings are what limits the comparisons, those of one limit together.
func (r *Report) findingWarnings() []string {
	var texts []string
	of := map[string][]string{}
	add := func(f analysis.Finding, s string) {
		texts = unique(texts, s)
		of[s] = append(of[s], prose(f.Name))
	}
	for _, f := range r.results().findings {
		if f.Why != "" {
			add(f, prose(f.Why))
		}
		for _, w := range f.Warnings {
			add(f, prose(w))
		}
		for _, l := range f.LeftOut {
			add(f, fmt.Sprintf("block %d is left out for %s: %s", l.Block, code(l.Trial), prose(l.Why)))
		}
	}
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = s + ": " + strings.Join(of[s], "; ")
	}
	return out
}

// decisions is the table of explanations with, folded, how each was decided.
func (r *Report) decisions(d *document) {
	list := r.results().decisions
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"explanation", "decision"}}
	var how []string
	for _, h := range list {
		status := prose(string(h.Status))
		rows = append(rows, []string{prose(h.ID) + ": " + prose(h.Claim), status})
		how = append(how, fmt.Sprintf("**%s: %s.**%s", prose(h.ID), status, decided(h)))
	}
	d.text("**Explanations, decided**\n\n")
	d.table(rankFindings, "explanations", "", rows)
	d.fold("What was seen, and the rules", listPart(rankCounts, "explanations", "", how))
}

// decided is what was seen of an explanation and by which rule it is judged.
func decided(h hypothesis.Decision) string {
	var out []string
	for _, p := range []struct{ name, text string }{
		{"seen", h.Seen}, {"limits", h.Why}, {"what would tell", h.Observation}, {"rule", h.Rule},
	} {
		if strings.TrimSpace(p.text) != "" {
			out = append(out, "\n  - "+p.name+": "+prose(p.text))
		}
	}
	return strings.Join(out, "")
}
