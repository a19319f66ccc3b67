package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
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
func measured(o plan.Outcome) string {
	if o.Of != plan.Joined {
		return prose(string(o.Of))
	}
	text := "joined, " + plan.TimeoutName(o.Timeout)
	if o.ControlTimeout != nil {
		text += " against " + plan.TimeoutName(*o.ControlTimeout)
	}
	return text
}

// outcomeWords says in a sentence what a contrast looked at.
func outcomeWords(o plan.Outcome) string {
	switch o.Of {
	case plan.Joined:
		text := "readiness lag until the worker with connect timeout " + plan.TimeoutName(o.Timeout) + " had joined"
		if o.ControlTimeout != nil {
			text += ", in the control the one with " + plan.TimeoutName(*o.ControlTimeout)
		}
		return text
	case plan.Resolved:
		return "readiness lag until the last name resolved"
	case plan.OnServer:
		return "readiness lag until the last name was on the last DNS server"
	case plan.Connected:
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

// called names a remedy, and with which names it was measured where the plan
// has both kinds.
func (r *Report) called(m analysis.Remedy) string {
	text := prose(cut(m.What, longestName))
	if c := m.Finding.Contrast; c.Control.Names != c.With.Names {
		return text
	}
	kinds := map[plan.Names]bool{}
	for _, a := range r.plan.Arms {
		kinds[a.Names] = true
	}
	if len(kinds) > 1 {
		text += " (" + prose(cut(string(m.Finding.Contrast.Control.Names), longestName)) + " names)"
	}
	return text
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
