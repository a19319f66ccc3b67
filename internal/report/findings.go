package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/stats"
)

// ofSeconds shows a number of seconds as durations are shown.
func ofSeconds(s float64) string {
	switch {
	case math.IsNaN(s):
		return "not known"
	case math.IsInf(s, 1):
		return "∞"
	case math.IsInf(s, -1):
		return "-∞"
	case math.Abs(s) > 1e9: // no duration holds it
		return strconv.FormatFloat(s, 'g', 3, 64) + " s"
	}
	return seconds(time.Duration(math.Round(s * float64(time.Second))))
}

// signed is a difference.
func signed(s float64) string {
	text := ofSeconds(s)
	if s > 0 && strings.Trim(text, "0. s") != "" {
		return "+" + text
	}
	return text
}

// measured is an outcome's name in tables: which moment, and whose.
func measured(o experiment.Outcome) string {
	if o.Of != experiment.Joined {
		return prose(string(o.Of))
	}
	text := "joined, " + experiment.TimeoutName(o.Timeout)
	if o.ControlTimeout != nil {
		text += " against " + experiment.TimeoutName(*o.ControlTimeout)
	}
	return text
}

// outcomeWords says in a sentence what a contrast looked at.
func outcomeWords(o experiment.Outcome) string {
	switch o.Of {
	case experiment.Joined:
		text := "readiness lag until the worker with connect timeout " + experiment.TimeoutName(o.Timeout) + " had joined"
		if o.ControlTimeout != nil {
			text += ", in the control the one with " + experiment.TimeoutName(*o.ControlTimeout)
		}
		return text
	case experiment.Resolved:
		return "readiness lag until the last name resolved"
	case experiment.OnServer:
		return "readiness lag until the last name was on the last DNS server"
	case experiment.Connected:
		return "readiness lag until the last pair was connected"
	}
	return code(string(o.Of))
}

// middle is an arm's median as tables show it.
func middle(a analysis.Arm) string {
	switch {
	case len(a.Times) == 0:
		return "-"
	case math.IsNaN(a.Median):
		return "≥" + ofSeconds(a.AtLeast)
	}
	return ofSeconds(a.Median)
}

// difference is what a contrast estimates, with its interval.
func difference(f analysis.Finding) string {
	s := f.Stats
	switch {
	case s == nil:
		return "-"
	case s.Shift != nil:
		return fmt.Sprintf("%s (%s to %s)", signed(s.Shift.Estimate), signed(s.Shift.Interval.Lo), signed(s.Shift.Interval.Hi))
	case s.Restricted != nil:
		return fmt.Sprintf("%s in the mean to %s (standard error %s)", signed(s.Restricted.Difference), ofSeconds(f.Deadline), ofSeconds(s.Restricted.StdErr))
	}
	return "-"
}

// effect is the number that a contrast is ordered by, seconds.
func effect(f analysis.Finding) float64 {
	switch s := f.Stats; {
	case s == nil:
	case s.Shift != nil:
		return s.Shift.Estimate
	case s.Restricted != nil:
		return s.Restricted.Difference
	}
	return 0
}

func probability(p float64) string { return strconv.FormatFloat(p, 'g', 2, 64) }

// verdict is a finding's word, equivalence with its margin.
func (r *Report) verdict(v stats.Verdict) string {
	switch v {
	case "":
		return "-"
	case stats.Equivalent:
		return fmt.Sprintf("equivalent within %s", short(time.Duration(r.plan.Margin)))
	}
	return prose(string(v))
}

// fraction is k/n, with n where it is known.
func fraction(p *stats.Proportion) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", p.K, p.N)
}

// share is a proportion with its exact interval, in per cent.
func share(p *stats.Proportion) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d (%.0f-%.0f %%)", p.K, p.N, 100*p.Interval.Lo, 100*p.Interval.Hi)
}

func (r *Report) primary() *analysis.Finding {
	for _, f := range r.results().findings {
		if f.Primary {
			return &f
		}
	}
	return nil
}

// sure says what was tested and with what result.
func (r *Report) sure() string {
	f := r.primary()
	if f == nil {
		if r.sizesOnly() {
			return "sizes, not tests: " + some(r.plan.Blocks, "trial") + " a combination, and no comparison was stated before the run."
		}
		return "the plan states no primary comparison."
	}
	return r.tested(*f, code) + r.check()
}

// tested is the primary comparison in a sentence.
func (r *Report) tested(f analysis.Finding, q quoter) string {
	text := fmt.Sprintf("primary comparison, stated before the run: %s (control: %s; %s): %s", q(f.Name), q(f.Contrast.Control.String()), outcomeWords(f.Outcome), r.verdict(f.Verdict))
	if f.Stats == nil {
		return text + ": " + q(f.Why) + "."
	}
	text += fmt.Sprintf("; difference %s", difference(f))
	if f.Stats.Shift != nil {
		text += " at 95 %"
	}
	text += fmt.Sprintf(", p = %s, %s", probability(f.Adjusted), some(f.Blocks, "block"))
	if len(f.LeftOut) > 0 {
		text += fmt.Sprintf(" (%d left out)", f.Planned-f.Blocks)
	}
	return text + fmt.Sprintf(". Medians %s and %s; later than 1 s %s and %s.", middle(f.Control), middle(f.Treated), fraction(f.Control.Late), fraction(f.Treated.Late))
}

// check is what the A/A contrasts say of the procedure.
func (r *Report) check() string {
	var out []string
	for _, f := range r.results().findings {
		if f.Check && len(out) < mostNamed {
			out = append(out, r.verdict(f.Verdict))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " The same combination against itself (A/A): " + strings.Join(out, ", ") + "."
}

// remedy names what was shown to help, most first, then what was shown not to
// matter, what made it later, and what stays open.
func (r *Report) remedy(all, cases []seen) string {
	var helped, rest []analysis.Remedy
	for _, m := range r.results().remedies {
		switch {
		case m.Finding == nil:
		case m.Verdict == stats.Differs && m.Saves != nil && m.Saves.Seconds > 0:
			helped = append(helped, m)
		default:
			rest = append(rest, m)
		}
	}
	if len(helped)+len(rest) == 0 {
		return r.untested(all, cases)
	}
	slices.SortStableFunc(helped, func(a, b analysis.Remedy) int { return cmp.Compare(b.Saves.Seconds, a.Saves.Seconds) })
	text := "nothing that was measured is shown to help."
	if len(helped) > 0 {
		text = "shown to help: " + capped(mostNamed, helped, func(m analysis.Remedy) string {
			return fmt.Sprintf("**%s** by %s%s", r.called(m), saving(*m.Saves), lateShares(m))
		}) + "."
	}
	for _, v := range []struct {
		words string
		is    func(analysis.Remedy) bool
	}{
		{"Later with: ", func(m analysis.Remedy) bool { return m.Verdict == stats.Differs }},
		{"No difference that matters (" + r.verdict(stats.Equivalent) + "): ", func(m analysis.Remedy) bool { return m.Verdict == stats.Equivalent }},
		{"Open (inconclusive): ", func(m analysis.Remedy) bool { return m.Verdict != stats.Differs && m.Verdict != stats.Equivalent }},
	} {
		these := slices.DeleteFunc(slices.Clone(rest), func(m analysis.Remedy) bool { return !v.is(m) })
		if len(these) > 0 {
			text += " " + v.words + capped(mostNamed, these, func(m analysis.Remedy) string { return r.called(m) + lateShares(m) }) + "."
		}
	}
	return text
}

// called names a remedy, and with which names it was measured where the plan
// has both kinds.
func (r *Report) called(m analysis.Remedy) string {
	text := prose(cut(m.What, longestName))
	if c := m.Finding.Contrast; c.Control.Names != c.With.Names {
		return text
	}
	kinds := map[experiment.Names]bool{}
	for _, a := range r.plan.Arms {
		kinds[a.Names] = true
	}
	if len(kinds) > 1 {
		text += " (" + prose(cut(string(m.Finding.Contrast.Control.Names), longestName)) + " names)"
	}
	return text
}

// lateShares says, where it changed, in how many trials it was late.
func lateShares(m analysis.Remedy) string {
	if a, b := fraction(m.LateAfter), fraction(m.LateBefore); m.LateAfter != nil && m.LateBefore != nil && a != b {
		return fmt.Sprintf(", later than 1 s in %s instead of %s", a, b)
	}
	return ""
}

// capped joins what is said of the first so many of a list.
func capped[T any](most int, list []T, say func(T) string) string {
	var out []string
	for i, v := range list {
		if i == most {
			out = append(out, fmt.Sprintf("%d more", len(list)-most))
			break
		}
		out = append(out, say(v))
	}
	return strings.Join(out, "; ")
}

// saving is what a remedy saves, with its interval.
func saving(s analysis.Saving) string {
	switch {
	case s.Interval != nil:
		return fmt.Sprintf("%s (95 %% interval %s to %s)", ofSeconds(s.Seconds), ofSeconds(s.Interval.Lo), ofSeconds(s.Interval.Hi))
	case s.Restricted:
		return ofSeconds(s.Seconds) + " in the restricted mean"
	}
	return ofSeconds(s.Seconds)
}

// untested names, where no remedy was declared, what was quicker than the cases
// with one change, what changes most of them first.
func (r *Report) untested(all, cases []seen) string {
	list := neighbours(all, cases, func(g seen) bool { return len(g.connected) > 0 })
	slices.SortStableFunc(list, func(a, b neighbour) int { return cmp.Compare(len(b.of), len(a.of)) })
	var out []string
	for _, n := range list {
		var became []string
		for k, g := range n.seen {
			f := cases[n.of[k]]
			if f.Observer != g.Observer || g.late*len(f.connected) >= f.late*len(g.connected) {
				continue
			}
			became = append(became, fmt.Sprintf("%s %s in place of %s, later than 1 s in %d/%d in place of %d/%d", letter(n.of[k]), g.size(), f.size(), g.late, len(g.connected), f.late, len(f.connected)))
		}
		if len(became) > 0 && len(out) < mostNamed {
			with := "with "
			if len(out) > 0 {
				with = "With "
			}
			out = append(out, with+n.change+": "+strings.Join(became, "; "))
		}
	}
	if len(out) == 0 {
		return "nothing that was tried."
	}
	note := "."
	if r.sizesOnly() {
		note = ". Sizes, not tests."
	}
	return strings.Join(out, ". ") + note
}

// findingRows are the table of declared comparisons, the primary one first.
func findingRows(r *Report, of func(analysis.Finding) bool) [][]string {
	rows := [][]string{{"comparison", "outcome", "blocks", "control", "with", "difference (95 %)", "p", ">1 s, control", ">1 s, with", "verdict"}}
	for _, f := range r.results().findings {
		if !of(f) {
			continue
		}
		p := "-"
		if f.Stats != nil {
			p = probability(f.Adjusted)
		}
		name := prose(f.Name)
		if f.Primary {
			name += " (primary)"
		}
		rows = append(rows, []string{name, measured(f.Outcome), fmt.Sprintf("%d/%d", f.Blocks, f.Planned), middle(f.Control), middle(f.Treated), difference(f), p,
			share(f.Control.Late), share(f.Treated.Late), r.verdict(f.Verdict)})
	}
	return rows
}
