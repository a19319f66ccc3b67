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
	// longestName is more than any combination's name that a plan of ours has.
	longestName = 100
	// longestLevel is more than any level's of a factor.
	longestLevel = 30
	// longestProse has room for what a decision's sentence lists.
	longestProse = 600
	// longestBlock is more than a Corefile or resolv.conf that a person wrote.
	longestBlock = 8000
)

// plain makes text safe for a terminal line: one line, no control characters,
// no invisible ones that reorder or hide text.
func plain(s string) string { return cut(s, longestText) }

func cut(s string, most int) string {
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
func code(s string) string { return codeSpan(s, longestText) }

// brief is code for one level of a factor in the opening, whose length has a
// bound.
func brief(s string) string { return codeSpan(s, longestLevel) }

func codeSpan(s string, most int) string {
	s = strings.NewReplacer("`", "ˋ", "|", "¦").Replace(cut(s, most))
	if s == "" {
		s = "-"
	}
	return "`" + s + "`"
}

// prose makes a sentence that holds somebody's words safe in running text,
// where a code span would be hard to read: what Markdown and GitHub act on is
// replaced by look-alikes. GitHub looks for people and issues in the rendered
// text, so that neither backslashes nor entities would keep it from them.
func prose(s string) string {
	s = lookAlikes.Replace(cut(s, longestProse))
	if s == "" {
		return "-"
	}
	return s
}

var lookAlikes = strings.NewReplacer("`", "ˋ", "|", "¦", "@", "＠", "#", "＃", "<", "‹", "[", "［", "]", "］", "*", "∗", "_", "ˍ", "~", "∼",
	"&", "＆", "\\", "∖", "://", ":∕∕", "www.", "www․", "GH-", "GH‑", "gh-", "gh‑", "Gh-", "Gh‑", "gH-", "gH‑", "$", "＄")

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
	return fence + "\n" + strings.Trim(b.String(), "\n") + "\n" + fence + "\n"
}

// table renders a Markdown table whose columns line up in a terminal too. The
// first column is text, the others are numbers.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + pad)
			} else {
				b.WriteString(" | " + pad + cell)
			}
		}
		b.WriteString(" |\n")
		if n > 0 {
			continue
		}
		for i, w := range widths {
			if i == 0 {
				b.WriteString("|:" + strings.Repeat("-", w+1))
			} else {
				b.WriteString("|" + strings.Repeat("-", w+1) + ":")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// tightTable renders the same table without padding.
func tightTable(rows [][]string) string {
	var b strings.Builder
	for n, row := range rows {
		b.WriteString("|" + strings.Join(row, "|") + "|\n")
		if n == 0 {
			b.WriteString("|:-" + strings.Repeat("|-:", len(row)-1) + "|\n")
		}
	}
	return b.String()
}

// columns renders the same rows for a terminal, without Markdown.
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
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}
