package report

import (
	"fmt"
	"math"
	"strconv"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
)

// beside are the checks of one name under one DNS configuration: what a
// component said, beside what was measured.
type beside struct {
	dns          plan.DNS
	name, unit   string
	n, agree     int
	ours, theirs judge.Range
	note         string
	differ       []string // trials in which they do not agree
}

// besides are the valid trials' checks, pooled, in the order in which they
// first come.
func (r *Report) besides() []*beside {
	var out []*beside
	type key struct {
		dns        plan.DNS
		name, unit string
	}
	by := map[key]*beside{}
	for _, t := range r.of(everything) {
		for _, c := range t.v.Checks {
			k := key{t.arm.DNS, c.Name, c.Unit}
			b := by[k]
			if b == nil {
				b = &beside{dns: k.dns, name: k.name, unit: k.unit, ours: c.Ours, theirs: c.Theirs, note: c.Note}
				by[k] = b
				out = append(out, b)
			}
			b.n++
			if c.Agree() {
				b.agree++
			} else {
				b.differ = append(b.differ, t.id)
			}
			b.ours.Lo, b.ours.Hi = min(b.ours.Lo, c.Ours.Lo), max(b.ours.Hi, c.Ours.Hi)
			b.theirs.Lo, b.theirs.Hi = min(b.theirs.Lo, c.Theirs.Lo), max(b.theirs.Hi, c.Theirs.Hi)
		}
	}
	return out
}

// checkRows put our numbers beside the components' own.
func (r *Report) checkRows() [][]string {
	rows := [][]string{{"dns, what", "ours", "theirs", "agree"}}
	for _, b := range r.besides() {
		rows = append(rows, []string{code(string(b.dns)) + ", " + prose(b.name), span(b.ours, b.unit), span(b.theirs, b.unit), fmt.Sprintf("%d/%d", b.agree, b.n)})
	}
	return rows
}

// checkNotes say, once each, why both can be right although they differ, and in
// which trials they cannot.
func (r *Report) checkNotes() []string {
	var out []string
	for _, b := range r.besides() {
		if b.note != "" {
			out = unique(out, prose(b.name)+": "+prose(b.note))
		}
		if len(b.differ) > 0 {
			out = append(out, fmt.Sprintf("%s, %s: they do not agree in %s", code(string(b.dns)), prose(b.name), capped(mostShown, b.differ, code)))
		}
	}
	return out
}

// span shows what a number was between.
func span(r judge.Range, unit string) string {
	show := func(f float64) string {
		switch {
		case unit == "s":
			return ofSeconds(f)
		case math.IsInf(f, 0) || math.IsNaN(f) || math.Abs(f) > 1e15:
			return strconv.FormatFloat(f, 'g', 3, 64)
		case f == math.Trunc(f):
			return count(int(f))
		}
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	lo, hi := show(r.Lo), show(r.Hi)
	if unit != "s" && unit != "" {
		hi += " " + prose(unit)
	}
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}
