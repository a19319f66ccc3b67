package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// formLimit is the longest form, in characters. GitHub takes issues and
	// comments of 65,536.
	formLimit = 64_500
	// commentLimit keeps a comment on somebody's issue readable.
	commentLimit = 9_800
	// leastRows stay of every list while others can still be shortened.
	leastRows = 6
)

// A document is text of which parts can be left out until it fits a limit.
// What is not a row has a bounded length by construction: quoted texts are cut
// and sentences name a bounded number of things.
type document struct {
	parts []part
	tight bool // tables without the padding that lines their columns up as text
}

// part is fixed text, or a list whose last rows may be left out.
type part struct {
	head string   // before the rows
	rows []string // each ends with a newline
	tail string   // after the rows, e.g. what closes a fold
	what string   // of the rows, in plural: "arms"
	rank int      // parts with the lowest rank are shortened first
	show int      // rows that are shown
}

// Ranks of lists: what a reader misses least goes first.
const (
	rankRemarks     = iota // about single trials
	rankEnvironment        // files of the cluster
	rankCounts
	rankTables
	rankFindings
	rankManifest // what somebody needs to reproduce
)

// text adds text that stays.
func (d *document) text(format string, a ...any) {
	d.parts = append(d.parts, part{head: fmt.Sprintf(format, a...)})
}

// add adds a list.
func (d *document) add(p part) {
	p.show = len(p.rows)
	d.parts = append(d.parts, p)
}

// table adds a Markdown table below a line that says what it shows.
func (d *document) table(rank int, what, above string, rows [][]string) {
	d.add(d.tablePart(rank, what, above, rows))
}

func (d *document) tablePart(rank int, what, above string, rows [][]string) part {
	render := table
	if d.tight {
		render = tightTable
	}
	lines := strings.SplitAfter(render(rows), "\n")
	if above != "" {
		above += "\n\n"
	}
	return part{rank: rank, what: what, head: above + strings.Join(lines[:2], ""), rows: lines[2 : len(lines)-1], tail: "\n"}
}

// foldedTable adds a table that GitHub folds. The summary is ours.
func (d *document) foldedTable(rank int, what, summary, above string, rows [][]string) {
	d.fold(summary, d.tablePart(rank, what, above, rows))
}

// list adds a bulleted list; items are safe Markdown of one line.
func (d *document) list(rank int, what, above string, items []string) {
	d.add(listPart(rank, what, above, items))
}

func listPart(rank int, what, above string, items []string) part {
	p := part{rank: rank, what: what, tail: "\n"}
	if above != "" {
		p.head = above + "\n\n"
	}
	for _, s := range items {
		p.rows = append(p.rows, "- "+s+"\n")
	}
	return p
}

// block adds a code block, whatever the text is. The language is ours.
func (d *document) block(rank int, language, text string) {
	d.add(blockPart(rank, language, text))
}

func blockPart(rank int, language, text string) part {
	lines := strings.SplitAfter(fenced(text), "\n")
	fence := strings.TrimSuffix(lines[0], "\n")
	return part{rank: rank, what: "lines", head: fence + language + "\n", rows: lines[1 : len(lines)-2], tail: fence + "\n\n"}
}

// fold adds a part that GitHub folds. The summary is ours, never the cluster's.
func (d *document) fold(summary string, p part) {
	p.head = "<details><summary>" + summary + "</summary>\n\n" + p.head
	p.tail += "</details>\n\n"
	d.add(p)
}

// String renders a part with the rows that are shown.
func (p part) String() string {
	var b strings.Builder
	b.WriteString(p.head)
	for _, r := range p.rows[:p.show] {
		b.WriteString(r)
	}
	left := len(p.rows) - p.show
	fold, inFold := strings.CutSuffix(p.tail, "</details>\n\n")
	b.WriteString(fold)
	if left > 0 {
		fmt.Fprintf(&b, "%s of %s %s are left out here to fit; the run's trials.jsonl and environment.json have them.\n\n", count(left), count(len(p.rows)), p.what)
	}
	if inFold {
		b.WriteString("</details>\n\n")
	}
	return b.String()
}

// size is how many characters the whole document has.
func (d *document) size() int {
	n := 0
	for _, p := range d.parts {
		n += utf8.RuneCountInString(p.String())
	}
	return n
}

// fit renders the document within limit characters: lists lose their last rows, the
// least important list first, each down to leastRows before any goes below.
func (d *document) fit(limit int) []byte {
	parts := slices.Clone(d.parts)
	text := make([]string, len(parts))
	size := 0
	for i, p := range parts {
		text[i] = p.String()
		size += utf8.RuneCountInString(text[i])
	}
	order := make([]int, 0, len(parts))
	for i, p := range parts {
		if len(p.rows) > 0 {
			order = append(order, i)
		}
	}
	// Of equal rank the longest goes first.
	slices.SortStableFunc(order, func(a, b int) int {
		if c := parts[a].rank - parts[b].rank; c != 0 {
			return c
		}
		return len(text[b]) - len(text[a])
	})
	for _, least := range []int{leastRows, 0} {
		for _, i := range order {
			p := &parts[i]
			for size > limit && p.show > least {
				// Several at once where much is too long, one by one at last.
				p.show -= max(1, (p.show-least)/8)
				size -= utf8.RuneCountInString(text[i])
				text[i] = p.String()
				size += utf8.RuneCountInString(text[i])
			}
		}
	}
	return []byte(strings.Join(text, ""))
}
