package report

import (
	"fmt"
	"strings"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

func toStart(v *judge.Verdict) judge.Measurement {
	if v.FirstAsked == nil {
		return judge.Measurement{Lost: judge.NotObserved}
	}
	return v.FirstAsked.Start
}

func toSlice(v *judge.Verdict) judge.Measurement {
	if v.FirstAsked == nil {
		return judge.Measurement{Lost: judge.NotObserved}
	}
	return v.FirstAsked.Slice
}

// firstAsked is a combination's line about the first question.
func firstAsked(a plan.Arm, trials []trial) string {
	start, slice := collect(trials, toStart), collect(trials, toSlice)
	if a.Observer != record.Solo || a.Names != plan.Fresh || len(start)+len(slice) == 0 {
		return ""
	}
	text := fmt.Sprintf("First question (of any worker), relative to index 0's start: %s (%s)", start.medianText(), start.rangeText())
	if len(slice) > 0 {
		text += fmt.Sprintf("; to its entry in an EndpointSlice, as the runner was told of it: %s (%s)", slice.medianText(), slice.rangeText())
	}
	return text + ". Negative: before."
}

// firsts are when the first questions were sent, in trials that are known not
// to be late and in late ones: nothing where the regime is not one of solo
// workers and fresh names.
func (f seen) firsts() (start, slice [2]series) {
	if f.Observer != record.Solo || f.Names != plan.Fresh {
		return start, slice
	}
	for _, t := range f.trials {
		o := t.v.Connected.Lag
		if !o.Known() {
			continue
		}
		l := isLate(o, late)
		s := toStart(t.v)
		if l == unclear || !s.Known() {
			continue
		}
		start[l] = append(start[l], s)
		if s := toSlice(t.v); s.Known() {
			slice[l] = append(slice[l], s)
		}
	}
	return start, slice
}

// early counts the trials, not late and late, in which the first question came
// before the leader's process had started, and those of which that is known.
func (f seen) early() (early, of [2]int) {
	start, _ := f.firsts()
	for l, s := range start {
		for _, o := range s {
			switch {
			case o.Value+o.Clock < 0:
				early[l]++
				of[l]++
			case o.Lo-o.Clock >= 0:
				of[l]++
			}
		}
	}
	return early, of
}

// decider says, where some trials of a solo regime were late and others not,
// whether the first question tells them apart.
func (f seen) decider() string {
	start, slice := f.firsts()
	quick, slow := start[no], start[yes]
	if len(quick) == 0 || len(slow) == 0 {
		return ""
	}
	_, last := bounds(slow)
	first, _ := bounds(quick)
	var claim string
	switch {
	case last < 0 && first >= 0:
		claim = fmt.Sprintf("In %d of %s the first question was sent before index 0's process had started, when its record could not exist", len(slow), some(len(slow), "late trial"))
	case last < first:
		claim = fmt.Sprintf("In %d of %s the first question was sent earlier, relative to index 0's start, than in any other", len(slow), some(len(slow), "late trial"))
	default:
		return ""
	}
	told := len(slice[yes]) == len(slow) && len(slice[no]) == len(quick)
	text := fmt.Sprintf(" %s (%s relative to its start", claim, extent(slow))
	if told {
		text += fmt.Sprintf(", %s to its entry in an EndpointSlice", extent(slice[yes]))
	}
	text += fmt.Sprintf("); in the other %s later (%s", ones(len(quick)), extent(quick))
	if told {
		text += fmt.Sprintf(" and %s", extent(slice[no]))
	}
	return text + ")."
}

func ones(n int) string {
	if n == 1 {
		return "one"
	}
	return count(n)
}

// bounds are the least and the greatest that the values can be.
func bounds(s series) (least, most int64) {
	for i, o := range s {
		lo, hi := int64(o.Lo-o.Clock), int64(o.Value+o.Clock)
		if i == 0 || lo < least {
			least = lo
		}
		if i == 0 || hi > most {
			most = hi
		}
	}
	return least, most
}

// extent is one signed value or a range of them.
func extent(s series) string {
	sign := func(b bound) string {
		if b.d > 0 {
			return "+" + b.String()
		}
		return b.String()
	}
	least, most := s.width()
	if least == most {
		return sign(least)
	}
	return sign(least) + " to " + sign(most)
}

// deciderInShort is the decider's claim without its numbers.
func (f seen) deciderInShort() string {
	text, _, _ := strings.Cut(strings.TrimSpace(f.decider()), " (")
	if text == "" {
		return ""
	}
	return text + "."
}
