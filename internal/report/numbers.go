package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"headless-job-dns/internal/judge"
)

// series is the same outcome of several trials, the unknown left out.
type series []judge.Measurement

func collect(trials []trial, of func(*judge.Verdict) judge.Measurement) series {
	var s series
	for _, t := range trials {
		if o := of(t.v); o.Known() {
			s = append(s, o)
		}
	}
	return s
}

// bound is a number of seconds, or that it is at least that.
type bound struct {
	d       time.Duration
	atLeast bool
	strict  bool // and more: it had not happened at d
}

// String shows the bound as tables do.
func (b bound) String() string {
	switch {
	case b.atLeast && b.strict:
		return ">" + seconds(b.d)
	case b.atLeast:
		return "≥" + seconds(b.d)
	}
	return seconds(b.d)
}

// seconds shows a duration in seconds, to 10 ms, and small ones to 1 ms.
func seconds(d time.Duration) string {
	places := 2
	if d < 100*time.Millisecond && d > -100*time.Millisecond {
		places = 3
	}
	text := strconv.FormatFloat(d.Seconds(), 'f', places, 64)
	if text == "-0.000" {
		text = "0.000"
	}
	return text + " s"
}

// median is exact when the censored values do not matter to it. Where they do
// it was not reached, and is at least the lower of the two middle values (the
// middle one) with each censored value at its bound.
func (s series) median() (bound, bool) {
	if len(s) == 0 {
		return bound{}, false
	}
	low := slices.SortedFunc(slices.Values(s), func(a, b judge.Measurement) int { return cmp.Compare(a.Value, b.Value) })
	high := make([]time.Duration, len(s))
	for i, o := range s {
		high[i] = o.Value
		if o.Censored {
			high[i] = math.MaxInt64
		}
	}
	slices.Sort(high)
	n := len(s)
	a, b := low[(n-1)/2], low[n/2]
	if a.Value != high[(n-1)/2] || b.Value != high[n/2] {
		return bound{a.Value, true, a.Censored}, true
	}
	return bound{d: a.Value + (b.Value-a.Value)/2}, true
}

// width returns the smallest and the largest value.
func (s series) width() (least, most bound) {
	for i, o := range s {
		b := bound{o.Value, o.Censored, o.Censored}
		if i == 0 || b.d < least.d || b.d == least.d && !b.atLeast {
			least = b
		}
		if i == 0 || b.d > most.d || b.d == most.d && b.strict {
			most.d, most.strict = b.d, b.strict
		}
		most.atLeast = most.atLeast || b.atLeast
	}
	return least, most
}

// medianText and rangeText are table cells.
func (s series) medianText() string {
	m, ok := s.median()
	if !ok {
		return "-"
	}
	return m.String()
}

func (s series) rangeText() string {
	switch len(s) {
	case 0:
		return "-"
	case 1:
		return "n=1"
	}
	least, most := s.width()
	return least.String() + " to " + most.String()
}

// answer is no, yes, or that the records do not tell.
type answer int

const (
	no answer = iota
	yes
	unclear
)

// isLate tells whether it took longer than limit. What is asked for at
// intervals is known to an interval, and what was censored before the limit
// may have come at any time.
func isLate(o judge.Measurement, limit time.Duration) answer {
	switch {
	case o.Lo-o.Clock > limit:
		return yes
	case o.Value+o.Clock <= limit && !o.Censored:
		return no
	}
	return unclear
}

// delayed counts the trials in which it took longer than limit, and those of
// which that is not known.
func (s series) delayed(limit time.Duration) (late, undecided int) {
	for _, o := range s {
		switch isLate(o, limit) {
		case yes:
			late++
		case unclear:
			undecided++
		}
	}
	return late, undecided
}

func (s series) delayedText() string {
	if len(s) == 0 {
		return "-"
	}
	k, u := s.delayed(late)
	if u > 0 {
		return fmt.Sprintf("%d/%d (%d undecided)", k, len(s), u)
	}
	return fmt.Sprintf("%d/%d", k, len(s))
}

// seen are the values that are no bounds.
func (s series) seen() series {
	return slices.DeleteFunc(slices.Clone(s), func(o judge.Measurement) bool { return o.Censored })
}

func (s series) censored() int {
	return len(s) - len(s.seen())
}

// spread says in a sentence how many trials a median is of, and their range.
func (s series) spread() string {
	if len(s) == 1 {
		return "one trial"
	}
	return fmt.Sprintf("median of %d trials, %s", len(s), s.rangeText())
}

// count shows a count with thousands apart, as runs of answers are long.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// some is "1 answer", "2 answers".
func some(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return count(n) + " " + what
}
