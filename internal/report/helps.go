package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// mostRemedies that helped are named in the opening.
const mostRemedies = 6

// measured are the remedies that the plan measured: those that are shown to
// help, those that are shown not to, and those of which it is open.
func (r *Report) measured() (helped, not, open []analysis.Remedy) {
	for _, m := range r.results().remedies {
		switch {
		case m.Finding == nil:
		case m.Verdict == stats.Differs && m.Saves != nil && m.Saves.Seconds > 0:
			helped = append(helped, m)
		case m.Verdict == stats.Differs || m.Verdict == stats.Equivalent:
			not = append(not, m)
		default:
			open = append(open, m)
		}
	}
	return helped, not, open
}

// helps says what was shown to help, most first, and what was shown not to.
func (r *Report) helps(c *cases) string {
	if len(c.slow) == 0 {
		return "nothing has to."
	}
	helped, not, open := r.measured()
	if len(helped)+len(not)+len(open) == 0 {
		return r.untested(c)
	}
	text := "nothing that was measured is shown to."
	if len(helped) > 0 {
		slices.SortStableFunc(helped, func(a, b analysis.Remedy) int { return cmp.Compare(b.Saves.Seconds, a.Saves.Seconds) })
		first := true
		text = r.grouped(c, helped, func(m analysis.Remedy) string {
			if m.Saves.Interval == nil {
				return ""
			}
			what := "saves "
			if first {
				what, first = "95 % interval of what it saves: ", false
			}
			return fmt.Sprintf(" (%s%s to %s)", what, strings.TrimSuffix(ofSeconds(m.Saves.Interval.Lo), " s"), ofSeconds(m.Saves.Interval.Hi))
		}) + "."
	}
	if len(not) > 0 {
		text += " Does not: " + capped(mostNamed, not, func(m analysis.Remedy) string {
			return fmt.Sprintf("%s (%s: %s%s; %s)", r.remedyWords(m), c.whose(r, m.Finding.Contrast), became(*m.Finding), c.left(m), r.verdict(m.Verdict))
		}) + "."
	}
	return text
}

// grouped lists remedies and what became of the cases with them, those that
// were measured on the same workers together.
func (r *Report) grouped(c *cases, all []analysis.Remedy, note func(analysis.Remedy) string) string {
	list := all[:min(len(all), mostRemedies)]
	var groups []string
	of := map[string][]string{}
	for _, m := range list {
		before, after := states(*m.Finding)
		group := c.whose(r, m.Finding.Contrast) + ": " + before + " → "
		groups = unique(groups, group)
		of[group] = append(of[group], after+" with "+r.remedyWords(m)+note(m)+c.left(m))
	}
	for i, g := range groups {
		groups[i] = capital(g) + strings.Join(of[g], ", ")
	}
	if n := len(all) - len(list); n > 0 {
		groups = append(groups, fmt.Sprintf("%d more in the table of remedies", n))
	}
	return strings.Join(groups, ". ")
}

// remedyWords name a remedy in the opening.
func (r *Report) remedyWords(m analysis.Remedy) string {
	control, with := m.Finding.Contrast.Control, m.Finding.Contrast.With
	switch m.What {
	case plan.RemedyNoDenials:
		return "`disable denial` in the cache"
	case plan.RemedyNoSuccess:
		return "`disable success` in the cache"
	case plan.RemedyPublish:
		return "`publishNotReadyAddresses: true`"
	case plan.RemedyLater:
		return fmt.Sprintf("the first question %[1]s after the process' start, the %[1]s included", short(r.plan.FirstQuery(with)))
	case plan.RemedyPause:
		before, _ := r.plan.GapOf(control)
		after, _ := r.plan.GapOf(with)
		return fmt.Sprintf("a pause of %s in place of %s before names are used again", short(after), short(before))
	case plan.RemedyTimeout1s, plan.RemedyTimeout5s:
		return fmt.Sprintf("a connect timeout of %s", timeoutWords(time.Duration(m.Finding.Outcome.Timeout)))
	case plan.RemedyKubeadm132:
		return dnsHeads[plan.Uncached]
	}
	return prose(cut(m.What, longestName))
}

// whose says of which case, and of whom in its trials, a comparison's times
// are. Nobody named: the trial's time.
func (c *cases) whose(r *Report, x plan.Contrast) string {
	g := regimeOf(x.Control)
	text := "case " + c.letter(g)
	if c.letter(g) == "" {
		text = rowWords(plan.Arm(g), r.plan, nil)
	}
	if x.Control.DNS != c.dns {
		text += " under " + worded(dnsHeads, x.Control.DNS)
	}
	switch o := x.Outcome; o.Of {
	case plan.Joined:
		t := o.Timeout
		if o.ControlTimeout != nil {
			t = *o.ControlTimeout
		}
		if t == 0 {
			return text + ", worker without a connect timeout"
		}
		return text + ", worker with a connect timeout of " + timeoutWords(time.Duration(t))
	case plan.Resolved:
		return text + ", until all names resolved"
	case plan.OnServer:
		return text + ", until all names were on all DNS servers"
	}
	return text
}

// states are what both arms of a comparison took: typical times, or, where in
// one of them some trials were late and others not, how many were.
func states(f analysis.Finding) (control, with string) {
	split := func(a analysis.Arm) bool { return a.Late != nil && a.Late.K > 0 && a.Late.K < a.Late.N }
	if split(f.Control) || split(f.Treated) {
		return fraction(f.Control.Late) + " later than 1 s", fraction(f.Treated.Late)
	}
	return arm(f.Control).typical(), arm(f.Treated).typical()
}

// arm is an arm's times as a series.
func arm(a analysis.Arm) series {
	var s series
	for _, t := range a.Times {
		at := time.Duration(t.At * float64(time.Second))
		s = append(s, judge.Measurement{Value: at, Lo: at, Censored: t.Censored})
	}
	return s
}

// became is both in one.
func became(f analysis.Finding) string {
	control, with := states(f)
	return control + " → " + with
}

// left says what holds late trials up with a remedy, where that is not what did
// without it.
func (c *cases) left(m analysis.Remedy) string {
	of := func(a plan.Arm) judge.Stage {
		for _, f := range c.all {
			if f.holds(a) {
				return f.holder()
			}
		}
		return ""
	}
	was, is := of(m.Finding.Contrast.Control), of(m.Finding.Contrast.With)
	if is == "" || is == was || m.LateAfter == nil || m.LateAfter.K == 0 {
		return ""
	}
	return ", where " + inWords(is)
}

// untested names, where no remedy was declared, what was quicker than the cases
// with one change, what changes most of them first.
func (r *Report) untested(c *cases) string {
	list := neighbours(c.all, c.slow, func(g seen) bool { return len(g.connected) > 0 })
	slices.SortStableFunc(list, func(a, b neighbour) int { return cmp.Compare(len(b.of), len(a.of)) })
	var out []string
	for _, n := range list {
		var became []string
		for k, g := range n.seen {
			f := c.slow[n.of[k]]
			if f.Observer != g.Observer || g.late*len(f.connected) >= f.late*len(g.connected) {
				continue
			}
			before, after := f.connected.typical(), g.connected.typical()
			if f.split() || g.split() {
				before, after = fmt.Sprintf("%d/%d later than 1 s", f.late, len(f.connected)), fmt.Sprintf("%d/%d", g.late, len(g.connected))
			}
			became = append(became, fmt.Sprintf("%s: %s → %s", letters(n.of[k:k+1]), before, after))
		}
		if len(became) > 0 && len(out) < mostNamed {
			out = append(out, n.change+" ("+strings.Join(became, "; ")+")")
		}
	}
	switch {
	case len(out) == 0:
		return "nothing that was tried."
	case r.sizesOnly():
		return "with one thing changed: " + strings.Join(out, "; ") + ". Sizes, not tests."
	}
	return "with one thing changed: " + strings.Join(out, "; ") + ". No comparison was stated before the run."
}
