package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

const (
	// terminalRows and terminalColumns keep the end within 20 lines.
	terminalRows    = 7
	terminalColumns = 3
	// longestReason holds what a cluster says of a request that it refuses.
	longestReason = 1500
)

// Terminal prints the end of a run, at most 20 lines: the verdict, the table,
// why, what to change, and where the files are.
func (r *Report) Terminal(w io.Writer, files string) error {
	s := r.Summary()
	first, below := r.first()
	table, left, more := rows(first, terminalRows, terminalColumns)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", s.Sentence)
	if len(s.Trials) > 0 || len(s.Emptied) == 0 {
		for _, line := range columns(table) {
			b.WriteString(line + "\n")
		}
		fmt.Fprintf(&b, "slowest of %d pods, from when client and peer are there until connected", s.Pods)
		if left+more > 0 {
			fmt.Fprintf(&b, "; %d rows and %d columns more in report.md", left, more)
		}
		b.WriteString("\n")
		for _, line := range below {
			b.WriteString(line + "\n")
		}
	}
	if len(s.Emptied) > 0 {
		for _, line := range columns(emptiedRows(s.Emptied)) {
			b.WriteString(line + "\n")
		}
	}
	if s.Why != "" {
		fmt.Fprintf(&b, "why:    %s\n", s.Why)
	}
	for i, line := range s.Change {
		name := "change:"
		if i > 0 {
			name = "       "
		}
		fmt.Fprintf(&b, "%s %s\n", name, line)
	}
	if s.Invalid > 0 {
		const text = "invalid: %d of %d trials do not count; report.md says why\n"
		fmt.Fprintf(&b, text, s.Invalid, len(s.Trials)+len(s.Emptied))
	}
	fmt.Fprintf(&b, "files:  %s\n", files)
	_, err := io.WriteString(w, b.String())
	return err
}

// Line is a trial's outcome for a run's progress, in one line:
// "t003 cluster, new names, all: 29.9 s, late: kept denial".
func Line(v *judge.Verdict) string {
	if v.Trial.Arm.Observer == record.EmptyService {
		e := analysis.NewEmptied(v)
		return fmt.Sprintf("%s %s: %s", e.ID, plain(string(e.DNS)), line(cmp.Or(e.Invalid, stay(e.PodGone)), longestReason))
	}
	t := analysis.NewTrial(v)
	text := fmt.Sprintf("%s %s, %s", t.ID, plain(string(t.Arm.DNS)), analysis.ScenarioOf(t.Arm).Short())
	late, known := t.Late()
	switch {
	case t.Invalid != "":
		return text + ": " + line(t.Invalid, longestReason)
	case t.Connected.Lost != "":
		return text + ": not known: " + plain(t.Connected.Lost)
	}
	text += ": " + seconds(t.Connected.Time)
	switch {
	case late && t.Cause != "":
		text += ", late: " + string(t.Cause)
	case late:
		text += ", late"
	case !known:
		text += ", watched too shortly to tell"
	}
	if t.PodStart > slowStart {
		text += fmt.Sprintf(" (pods there after %.1f s)", t.PodStart)
	}
	return text
}
