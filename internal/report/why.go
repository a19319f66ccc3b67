package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

// lagShares say what the slowest pair's time went to, so that they add up to
// the trial's time: its shares since the Job's creation less what was before
// both existed, which comes first. Nil where that is not known.
func lagShares(v *judge.Verdict) []judge.StageTime {
	var last *judge.Pair
	for i := range v.Pairs {
		p := &v.Pairs[i]
		o := p.Connected.Lag
		if p.Self || !o.Known() {
			continue
		}
		// What never happened was later than all that did.
		if last == nil || o.Censored && !last.Connected.Lag.Censored || o.Censored == last.Connected.Lag.Censored && o.Value > last.Connected.Lag.Value {
			last = p
		}
	}
	if last == nil || !last.Connected.Since.Known() {
		return nil
	}
	before := max(0, last.Connected.Since.Value-last.Connected.Lag.Value)
	var out []judge.StageTime
	for _, s := range last.StageTimes { // in the order of the chain
		cut := min(before, s.Took)
		before, s.Took = before-cut, s.Took-cut
		if s.Took > 0 {
			out = append(out, s)
		}
	}
	return out
}

// held is what trials' times went to: means over the trials of which it is
// known.
func held(trials []trial) spent {
	return sum(trials, func(t trial) ([]judge.StageTime, judge.Measurement) { return t.held, t.v.Connected.Lag })
}

// holder is the part that most of the delayed trials' time went to; "" where
// that is not known.
func (f seen) holder() judge.Stage {
	part, _ := held(f.delayed()).most()
	return part
}

// why says which part held the delayed trials' time, the cases of one part
// together, and what was seen that shows it.
func (r *Report) why(c *cases) string {
	if len(c.slow) == 0 {
		return "there is no delay to explain." + largest(r.of(everything))
	}
	var parts []judge.Stage
	for _, f := range c.slow {
		parts = unique(parts, f.holder())
	}
	var out []string
	for _, part := range parts {
		var of []int
		var trials []trial
		for i, f := range c.slow {
			if f.holder() == part {
				of = append(of, i)
				trials = append(trials, f.delayed()...)
			}
		}
		said := []string{caseWord(of) + ": " + c.share(part, of)}
		said = append(said, evidence(part, trials)...)
		if s := c.onServers(of); s != "" {
			said = append(said, s)
		}
		for _, i := range of {
			if s := r.byTimeout(c.slow[i]); part == judge.StageStale && s != "" {
				said = append(said, s)
			}
		}
		text := capital(strings.Join(said, "; ")) + "."
		for _, i := range of {
			if s := c.slow[i].deciderInShort(); s != "" {
				text += " Case " + letters([]int{i}) + ": " + strings.ToLower(s[:1]) + s[1:]
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// share says what a part is and how much of the cases' time it held.
func (c *cases) share(part judge.Stage, of []int) string {
	if part == "" {
		return "where the time went is not known"
	}
	var shares []string
	for _, i := range of {
		s := held(c.slow[i].delayed())
		text := fmt.Sprintf("%s of %s", seconds(s.took[part]), s.totalText())
		if len(of) > 1 {
			text += " in " + letters([]int{i})
		}
		shares = append(shares, text)
	}
	what := inWords(part)
	if part == judge.StageStale && c.keptByCache(of) {
		what = "a DNS cache kept the IP of a deleted pod"
	}
	text := "**" + what + "**"
	if how := partHow[part]; how != "" {
		text += ", " + how
	}
	return text + fmt.Sprintf(": %s (means of the late trials)", strings.Join(shares, ", "))
}

// keptByCache tells whether every stale address of the cases' late trials is
// known to be an earlier run's, and what held each of them up to come from a
// cache: its TTL was partly used up.
func (c *cases) keptByCache(of []int) bool {
	for _, i := range of {
		late := c.slow[i].delayed()
		for _, s := range total(late).Stale {
			if s.Owner.Kind != judge.Primer {
				return false
			}
		}
		for _, t := range late {
			for _, s := range t.held {
				if s.Stage == judge.StageStale && s.Age[1] < 1 {
					return false
				}
			}
		}
	}
	return true
}

// evidence are the counts and times that show what held trials up.
func evidence(part judge.Stage, trials []trial) []string {
	n := total(trials)
	var out []string
	denied, stale := part == judge.StageDenial || part == judge.StageDenied, part == judge.StageStale
	if k := n.Denials(); k > 0 && !stale {
		out = append(out, fmt.Sprintf("%s of %s came from a cache for certain (TTL partly used up)", count(n.ProvenCached), some(k, "denial")))
	}
	switch k := n.StaleAnswers(); {
	case k == 0 || denied:
	case stale:
		out = append(out, some(k, "such answer"))
	default:
		out = append(out, some(k, "answer")+" held an IP that is not the asked pod's")
	}
	if k := n.DialTimeouts; k > 0 && !denied {
		out = append(out, fmt.Sprintf("%s, %s to such an IP, got no answer", some(k, "connect"), partOf(k-n.SilentRight, k)))
	}
	return out
}

// onServers says when the DNS servers had the cases' records, where they were
// asked.
func (c *cases) onServers(of []int) string {
	var server series
	var asked []int
	for _, i := range of {
		if s := collect(c.slow[i].delayed(), func(v *judge.Verdict) judge.Measurement { return v.OnServer.Lag }); len(s) > 0 {
			server, asked = append(server, s...), append(asked, i)
		}
	}
	if len(server) == 0 {
		return ""
	}
	return fmt.Sprintf("asked past their caches, all DNS servers had the last record after %s (median, %s)", server.medianText(), letters(asked))
}

// caseWord names cases at the beginning of a sentence.
func caseWord(of []int) string {
	if len(of) == 1 {
		return "case " + letters(of)
	}
	return "cases " + letters(of)
}

// byTimeout says between what the workers' connect timeouts make of a regime's
// time.
func (r *Report) byTimeout(f seen) string {
	timeouts := r.timeouts(f.trials)
	if f.Observer != record.Solo || len(timeouts) < 2 {
		return ""
	}
	type by struct {
		timeout time.Duration
		bound
	}
	var least, most *by
	for _, t := range timeouts {
		m, ok := joined(f.trials, t, lagOf).median()
		if !ok {
			continue
		}
		b := &by{t, m}
		if least == nil || m.d < least.d {
			least = b
		}
		if most == nil || m.d > most.d || m.d == most.d && m.strict {
			most = b
		}
	}
	if least == most { // none, or one
		return ""
	}
	name := func(b *by) string {
		return fmt.Sprintf("%s (%s)", b.bound, timeoutWords(b.timeout))
	}
	return fmt.Sprintf("by the worker's connect timeout the median is between %s and %s", name(least), name(most))
}

// timeoutWords show a connect timeout as people write it.
func timeoutWords(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return short(d)
}

// elsewhere counts the late trials of a regime whose time went mostly to
// another part than the regime's, by part.
func (f seen) elsewhere() (parts []judge.Stage, n map[judge.Stage]int) {
	n = map[judge.Stage]int{}
	of := f.holder()
	for _, t := range f.delayed() {
		if len(t.held) == 0 {
			continue
		}
		if part, _ := held([]trial{t}).most(); part != of {
			parts = unique(parts, part)
			n[part]++
		}
	}
	slices.Sort(parts)
	return parts, n
}
