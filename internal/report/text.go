package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names, addresses, errors and files come from pods, logs and a cluster that
// nobody here vouches for, and the report is going to be pasted into an issue.
// Every such text passes through one of plain, code and fenced, so that it can
// neither leave its place (a table cell, a code span, a block), nor address
// people or other issues, nor steer a terminal.

const (
	// longestText keeps one hostile or broken value from drowning a report.
	longestText = 200
	// longestBlock is more than a Corefile or resolv.conf that a person wrote.
	longestBlock = 3000
)

// plain makes text safe for a terminal line: one line, no control characters,
// no invisible ones that reorder or hide text.
func plain(s string) string { return line(s, longestText) }

// line is plain up to a length of its own.
func line(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case !unicode.IsPrint(r): // control, format (bidi, zero width), private use
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// code makes text safe anywhere in Markdown, as a code span: nothing in one is
// a mention, a link, HTML or emphasis. A backtick could end the span and a bar
// a table cell; look-alikes stand for them.
func code(s string) string {
	s = strings.NewReplacer("`", "ˋ", "|", "¦").Replace(plain(s))
	if s == "" {
		s = "-"
	}
	return "`" + s + "`"
}

// fenced makes a block of text safe as a code block: its fence is longer than
// any run of backticks in it, and no line begins with a slash, which the
// project's bots take for a command also there.
func fenced(s string) string {
	var b strings.Builder
	longest, run, n := 0, 0, 0
	begins := true // a line
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		if n++; n > longestBlock {
			fmt.Fprintf(&b, "\n… (the rest is left out)")
			break
		}
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if r == '/' && begins {
			b.WriteByte(' ')
		}
		begins = r == '\n'
		b.WriteRune(r)
	}
	fence := strings.Repeat("`", max(3, longest+1))
	return fence + "\n" + strings.Trim(b.String(), "\n") + "\n" + fence
}

// maxRows is how many rows a table of the appendix shows.
const maxRows = 40

// table renders a Markdown table; its first row is the head. Rows beyond a
// number are left out, and said to be.
func table(rows [][]string) string {
	var b strings.Builder
	for n, row := range rows {
		if n > maxRows {
			fmt.Fprintf(&b, "\n%d more are in summary.json.\n", len(rows)-n)
			break
		}
		b.WriteString("|" + strings.Join(row, "|") + "|\n")
		if n == 0 {
			b.WriteString("|:-" + strings.Repeat("|-:", len(row)-1) + "|\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// columns lines the same rows up for a terminal.
func columns(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out []string
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}
