package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"headless-job-dns/internal/judge"
)

// series is the same outcome of several trials, the unknown left out.
type series []judge.Outcome

func collect(trials []trial, of func(*judge.Verdict) judge.Outcome) series {
	var s series
	for _, t := range trials {
		if o := of(t.v); o.Known() {
			s = append(s, o)
		}
	}
	return s
}

// bound is a number of seconds, or that it is more than that.
type bound struct {
	d    time.Duration
	more bool
}

// String shows the bound as tables do.
func (b bound) String() string {
	if b.more {
		return ">" + seconds(b.d)
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
// it is more than the median with each at its bound: above it, or not reached
// at all.
func (s series) median() (bound, bool) {
	if len(s) == 0 {
		return bound{}, false
	}
	low := make([]time.Duration, len(s))
	high := make([]time.Duration, len(s))
	for i, o := range s {
		low[i], high[i] = o.Value, o.Value
		if o.Censored {
			high[i] = math.MaxInt64
		}
	}
	slices.Sort(low)
	slices.Sort(high)
	l, h := middle(low), middle(high)
	return bound{l, h != l}, true
}

// middle is the median of sorted values; one that is infinite makes it so.
func middle(sorted []time.Duration) time.Duration {
	n := len(sorted)
	a, b := sorted[(n-1)/2], sorted[n/2]
	if b == math.MaxInt64 {
		return b
	}
	return a + (b-a)/2
}

// width returns the smallest and the largest value.
func (s series) width() (least, most bound) {
	for i, o := range s {
		b := bound{o.Value, o.Censored}
		if i == 0 || b.d < least.d || b.d == least.d && !b.more {
			least = b
		}
		if i == 0 || b.d > most.d {
			most.d = b.d
		}
		most.more = most.more || b.more
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

// delayed counts the trials in which it took longer than limit. One that was
// censored before cannot tell.
func (s series) delayed(limit time.Duration) (late, of int) {
	for _, o := range s {
		switch {
		case o.Value > limit:
			late++
			of++
		case !o.Censored:
			of++
		}
	}
	return late, of
}

func (s series) delayedText() string {
	if len(s) == 0 {
		return "-"
	}
	k, n := s.delayed(late)
	return fmt.Sprintf("%d/%d", k, n)
}

func (s series) censored() int {
	n := 0
	for _, o := range s {
		if o.Censored {
			n++
		}
	}
	return n
}

// phrase is median and range in a sentence.
func (s series) phrase() string {
	if len(s) == 1 {
		return s.medianText() + " (one trial)"
	}
	return fmt.Sprintf("%s (median of %d trials; %s)", s.medianText(), len(s), s.rangeText())
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
