package report

import (
	"fmt"
	"strings"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/hypothesis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// unsettled says what does not fit what the opening says, and what the run
// cannot tell.
func (r *Report) unsettled(c *cases, explanations bool) string {
	var out []string
	add := func(s string) {
		if s != "" {
			out = append(out, capital(s)+".")
		}
	}
	if r.sizesOnly() {
		add(fmt.Sprintf("%s a combination: these are sizes, not tests (%d blocks or more can test)", some(r.plan.Blocks, "trial"), smallestTest))
	}
	if len(c.slow) > 0 {
		add(r.open(c))
	}
	if f := r.primary(); f != nil && !ofExtra(*f) {
		add(strings.TrimSuffix(r.tested(*f, prose), "."))
	}
	for i, f := range c.slow {
		add(f.misfits(letters([]int{i})))
	}
	if n := total(r.of(everything)).SilentRight; n > 0 {
		add(fmt.Sprintf("%s to the asked pod's own IP got no answer", some(n, "connect")))
	}
	add(r.checked())
	if explanations {
		add(r.explained())
	}
	if len(out) == 0 {
		return "nothing that these records show."
	}
	return strings.Join(out, " ")
}

// open names the remedies of which the run does not tell whether they help.
func (r *Report) open(c *cases) string {
	_, _, open := r.measured()
	if len(open) == 0 {
		return ""
	}
	tests := 0
	for _, f := range r.results().findings {
		if !f.Primary && !f.Check {
			tests++
		}
	}
	return "whether it helps is inconclusive (exact permutation test over up to " + some(r.plan.Blocks, "block") + ", p adjusted for " + some(tests, "comparison") + "): " +
		r.grouped(c, open, func(m analysis.Remedy) string {
			if m.Finding.Stats == nil {
				return ""
			}
			return " (p = " + probability(m.Finding.Adjusted) + ")"
		})
}

// misfits says of a case where its trials differ and nothing tells why, and
// which of them were held by something else.
func (f seen) misfits(letter string) string {
	var out []string
	if f.split() && f.decider() == "" {
		if early, of := f.early(); of[yes]*of[no] > 0 {
			out = append(out, fmt.Sprintf("case %s: the first question came before index 0's process had started in %d of %s and in %d of %s, so that it alone does not decide",
				letter, early[yes], some(of[yes], "late trial"), early[no], some(of[no], "other")))
		} else {
			out = append(out, fmt.Sprintf("case %s: what tells the late trials (%d) from the others (%d) was not found", letter, f.late, len(f.connected)-f.late))
		}
	}
	if parts, n := f.elsewhere(); len(parts) > 0 {
		out = append(out, fmt.Sprintf("case %s: of %s most of the time went elsewhere in %s", letter, some(f.late, "late trial"), capped(mostNamed, parts, func(p judge.Stage) string {
			return fmt.Sprintf("%d (%s)", n[p], inWords(p))
		})))
	}
	return strings.Join(out, ". ")
}

// checked is what comparisons of a combination with itself say of the
// procedure.
func (r *Report) checked() string {
	n := map[stats.Verdict]int{}
	var verdicts []stats.Verdict
	for _, f := range r.results().findings {
		if f.Check {
			verdicts = unique(verdicts, f.Verdict)
			n[f.Verdict]++
		}
	}
	if len(verdicts) == 0 {
		return ""
	}
	return "the check of the procedure, a combination against itself: " + capped(mostNamed, verdicts, func(v stats.Verdict) string {
		if n[v] > 1 {
			return fmt.Sprintf("%s (%d times)", r.verdict(v), n[v])
		}
		return r.verdict(v)
	})
}

// explained lists the explanations by what the run says of them.
func (r *Report) explained() string {
	of := map[hypothesis.Status][]string{}
	for _, d := range r.results().decisions {
		of[d.Status] = append(of[d.Status], prose(d.ID))
	}
	var out []string
	for _, s := range []hypothesis.Status{hypothesis.Supported, hypothesis.Refuted, hypothesis.NotTestable} {
		if len(of[s]) > 0 {
			out = append(out, strings.Join(of[s], ", ")+" "+string(s))
		}
	}
	if len(of[hypothesis.Supported])+len(of[hypothesis.Refuted]) == 0 {
		return ""
	}
	return fmt.Sprintf("explanations, in the table below: %s", strings.Join(out, "; "))
}

// ofExtra tells that a comparison is of an extra object with none or another.
func ofExtra(f analysis.Finding) bool { return f.Contrast.Control.Extra != f.Contrast.With.Extra }

// extraObject says what the original report's claim was and what was seen of
// it.
func (r *Report) extraObject() string {
	text := "the original report (kubernetes/kubernetes#117819) saw faster starts with an unrelated \"service\"."
	var tried, member bool
	for _, a := range r.plan.Arms {
		tried = tried || a.Extra != plan.ExtraNone
		member = member || a.Extra == plan.ExtraMemberPod
	}
	if !tried {
		return text + " This plan has no extra object."
	}
	if member {
		text += " That was no Service but a pod that the headless Service selects."
	}
	var first *analysis.Finding
	var others []analysis.Finding
	for _, f := range r.results().findings {
		switch {
		case !ofExtra(f):
		case first == nil:
			first = &f
		default:
			others = append(others, f)
		}
	}
	if first == nil {
		if s := r.extras(inCase(r)); s != "" {
			return text + " " + s
		}
		return text + fmt.Sprintf(" With %s a combination extra objects are not compared.", some(r.plan.Blocks, "trial"))
	}
	text += " " + r.compared(*first)
	if len(others) > 0 {
		text += " " + r.among(others)
	}
	return text
}

// inCase names an arm without its path.
func inCase(r *Report) func(plan.Arm) string {
	return func(a plan.Arm) string {
		return fmt.Sprintf("%s (%s; %s)", worded(extraWords, a.Extra), worded(dnsHeads, a.DNS), rowWords(a, r.plan, nil))
	}
}

// compared is one comparison of an extra object in a sentence.
func (r *Report) compared(f analysis.Finding) string {
	c := r.cases()
	with := worded(extraWords, f.Contrast.With.Extra)
	if f.Contrast.With.Extra == plan.ExtraMemberPod {
		with = "such a pod"
	}
	text := fmt.Sprintf("With %s against %s, %s: %s", with, worded(extraWords, f.Contrast.Control.Extra), c.whose(r, f.Contrast), became(f))
	if f.Stats == nil {
		return text + ", not compared: " + prose(cut(f.Why, longestName)) + "."
	}
	text += "; difference " + difference(f)
	if f.Stats.Shift != nil {
		text = strings.TrimSuffix(text, ")") + " at 95 %)"
	}
	text += fmt.Sprintf(", p = %s, %s: **%s**", probability(f.Adjusted), some(f.Blocks, "block"), r.verdict(f.Verdict))
	if f.Primary {
		text += " (the primary comparison, stated before the run)"
	}
	return text + "."
}

// among counts the other comparisons of extra objects by verdict, and names
// those that differ.
func (r *Report) among(others []analysis.Finding) string {
	n := map[stats.Verdict]int{}
	var differ []analysis.Finding
	for _, f := range others {
		n[f.Verdict]++
		if f.Verdict == stats.Differs {
			differ = append(differ, f)
		}
	}
	text := fmt.Sprintf("Of %s with extra objects %d differ, %d are equivalent, %d inconclusive", some(len(others), "other comparison"), n[stats.Differs], n[stats.Equivalent], n[stats.Inconclusive])
	if len(differ) > 0 {
		text += ": " + capped(mostNamed, differ, func(f analysis.Finding) string {
			return fmt.Sprintf("%s (%s)", prose(cut(f.Name, longestName)), became(f))
		})
	}
	return text + "."
}
