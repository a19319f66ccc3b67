package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

const (
	// summaryLines fit a terminal of 80 x 24 with a prompt below, nearly.
	summaryLines = 25
	// summaryWidth is where lines are broken.
	summaryWidth = 100
)

// Summary writes the short form for a terminal: the findings and a line for
// each DNS configuration, kind of names and observer.
func (r *Report) Summary(w io.Writer) error {
	rows := [][]string{{"dns/names/observer", "trials", "client resolves", "on servers", "connected", ">1 s", "stale", "timed out"}}
	for _, f := range r.seen() {
		c := total(f.trials)
		rows = append(rows, []string{
			plain(f.String()), r.tally(f.holds).String(),
			collect(f.trials, func(v *judge.Verdict) judge.Measurement { return v.Resolved.Lag }).medianText(),
			collect(f.trials, func(v *judge.Verdict) judge.Measurement { return v.OnServer.Lag }).medianText(),
			f.connected.medianText(), f.connected.delayedText(), count(c.StaleAnswers()), count(c.DialTimeouts),
		})
	}
	tab := columns(rows)
	const room = summaryLines * 2 / 5
	if len(tab) > room {
		tab = append(tab[:room-1], fmt.Sprintf("... %d more in report.md", len(tab)-room+1))
	}
	tab = append(tab, "Medians of readiness lags (from when asker and asked both exist); trials: complete/censored/invalid.")
	lines := wrap(r.scope(plain), "", "  ")
	lines = append(lines, tab...)
	if f := r.primary(); f != nil {
		lines = append(lines, wrap(capital(r.tested(*f, plain))+r.check(), "", "  ")...)
	}
	if joins := r.joinsByRegime(); joins != nil && len(lines)+len(joins) < summaryLines {
		lines = append(lines, columns(joins)...)
	}
	sentences := r.sentences(plain)
	for i, s := range sentences {
		more := wrap(s, "- ", "  ")
		// One line is kept for saying that there is more.
		keep := summaryLines
		if i < len(sentences)-1 {
			keep--
		}
		if len(lines)+len(more) > keep {
			lines = append(lines, "- more in report.md")
			break
		}
		lines = append(lines, more...)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// joinsByRegime is the original report's question: when did a worker join, by
// its connect timeout? A row a timeout, a column a kind of solo trials.
func (r *Report) joinsByRegime() [][]string {
	head := []string{"solo: joined, by connect timeout"}
	var solos []seen
	for _, f := range r.seen() {
		if f.Observer == record.Solo && f.reported() && len(f.trials) > 0 {
			solos = append(solos, f)
		}
	}
	// Where there is no room for all, those with a delay.
	const most = 4
	if len(solos) > most {
		solos = slices.DeleteFunc(solos, func(f seen) bool { return f.late == 0 })
		solos = solos[:min(most, len(solos))]
	}
	for _, f := range solos {
		head = append(head, plain(string(f.DNS)+"/"+string(f.Names)))
	}
	all := r.of(func(a plan.Arm) bool { return a.Observer == record.Solo })
	if len(all) == 0 {
		return nil
	}
	rows := [][]string{head}
	for _, t := range r.timeouts(all) {
		row := []string{plan.TimeoutName(plan.Duration(t))}
		for _, f := range solos {
			row = append(row, joined(f.trials, t, lagOf).medianText())
		}
		rows = append(rows, row)
	}
	return rows
}

// wrap breaks a sentence into lines.
func wrap(text, first, rest string) []string {
	var out []string
	line := first
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > summaryWidth {
			out = append(out, line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	return append(out, line)
}
