package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

const (
	// mostCases are explained in the opening; more are in the tables.
	mostCases = 4
	// mostRows and mostColumns keep the table of cases on a screen.
	mostRows    = 8
	mostColumns = 6
)

// cases are what the opening is about: one DNS configuration under which there
// was a delay, what was slow under it, and the same under others.
type cases struct {
	all  []seen
	dns  plan.DNS // empty: nothing was slow
	slow []seen   // cases, with that DNS; rows a, b, ... of the table
	good *other   // the DNS under which the same went best; nil: no other was tried

	rows    []regime // without their DNS, cases first
	columns []plan.DNS
	hidden  int // rows that there is no room for
}

// other is what another DNS made of cases.
type other struct {
	dns                     plan.DNS
	of                      []int // cases that it was tried on
	trials, late, undecided int
	most                    bound // the longest trial
}

func (r *Report) cases() *cases {
	c := &cases{all: r.seen()}
	if slow := slowest(c.all); len(slow) > 0 {
		c.dns = leading(slow)
		for _, f := range slow {
			if f.DNS == c.dns && f.reported() && len(c.slow) < mostCases {
				c.slow = append(c.slow, f)
			}
		}
		if len(c.slow) == 0 {
			c.slow = slices.DeleteFunc(slow, func(f seen) bool { return f.DNS != c.dns })[:1]
		}
		c.good = c.best()
	}
	c.lay()
	return c
}

// leading is the DNS that the opening is about: the cluster's own where it is
// slow, for it is what its users have; else the one with most late trials of
// what was reported, for one long trial decides little.
func leading(slow []seen) plan.DNS {
	var dns []plan.DNS // in the order of the longest
	lateTrials := map[plan.DNS]int{}
	for _, f := range slow {
		dns = unique(dns, f.DNS)
		if f.reported() {
			lateTrials[f.DNS] += f.late
		}
	}
	if slices.Contains(dns, plan.ClusterDNS) {
		return plan.ClusterDNS
	}
	return slices.MaxFunc(dns, func(a, b plan.DNS) int { return cmp.Compare(lateTrials[a], lateTrials[b]) })
}

// best is the other DNS under which the cases went best: never late before
// ever late, then the one that was tried on most of them.
func (c *cases) best() *other {
	var best *other
	for _, dns := range c.configurations() {
		if dns == c.dns {
			continue
		}
		o := &other{dns: dns}
		for i, f := range c.slow {
			same := f.regime
			same.DNS = dns
			k := slices.IndexFunc(c.all, func(g seen) bool { return g.regime == same && len(g.connected) > 0 })
			if k < 0 {
				continue
			}
			g := c.all[k]
			o.of = append(o.of, i)
			o.trials, o.late, o.undecided = o.trials+len(g.connected), o.late+g.late, o.undecided+g.undecided
			if _, m := g.connected.width(); m.d > o.most.d {
				o.most = m
			}
		}
		if len(o.of) == 0 {
			continue
		}
		better := func(a, b *other) int {
			bad := func(o *other) int { return o.late + o.undecided }
			return cmp.Or(cmp.Compare(min(bad(a), 1), min(bad(b), 1)), cmp.Compare(len(b.of), len(a.of)), cmp.Compare(bad(a)*b.trials, bad(b)*a.trials))
		}
		if best == nil || better(o, best) < 0 {
			best = o
		}
	}
	return best
}

// configurations are the DNS of trials that count, in the order in which
// reports name them.
func (c *cases) configurations() []plan.DNS {
	var out []plan.DNS
	for _, f := range c.all {
		if len(f.connected) > 0 {
			out = unique(out, f.DNS)
		}
	}
	slices.SortStableFunc(out, func(a, b plan.DNS) int {
		return cmp.Compare(slices.Index(plan.AllDNS, a), slices.Index(plan.AllDNS, b))
	})
	return out
}

// lay chooses the rows and columns: the cases, then the workload as reported,
// then what else was late; all there is where nothing of that is.
func (c *cases) lay() {
	var rows []regime
	add := func(f seen) {
		g := f.regime
		g.DNS = ""
		if len(f.connected) > 0 {
			rows = unique(rows, g)
		}
	}
	every := func(is func(seen) bool) {
		for _, f := range c.all {
			if is(f) {
				add(f)
			}
		}
	}
	for _, f := range c.slow {
		add(f)
	}
	every(seen.reported)
	every(func(f seen) bool { return f.late > 0 })
	if len(rows) == 0 {
		every(func(seen) bool { return true })
	}
	c.rows = rows[:min(len(rows), mostRows)]
	c.hidden = len(rows) - len(c.rows)
	if c.dns != "" {
		c.columns = append(c.columns, c.dns)
	}
	if c.good != nil {
		c.columns = append(c.columns, c.good.dns)
	}
	for _, dns := range c.configurations() {
		has := slices.ContainsFunc(c.rows, func(g regime) bool { return len(c.cell(g, dns).connected) > 0 })
		if has && len(c.columns) < mostColumns {
			c.columns = unique(c.columns, dns)
		}
	}
}

// cell is what was seen of a row under a DNS.
func (c *cases) cell(g regime, dns plan.DNS) seen {
	g.DNS = dns
	for _, f := range c.all {
		if f.regime == g {
			return f
		}
	}
	return seen{regime: g}
}

// letter names a row: a, b, c; "" where the table does not have it.
func (c *cases) letter(g regime) string {
	g.DNS = ""
	if i := slices.Index(c.rows, g); i >= 0 {
		return letters([]int{i})
	}
	return ""
}

func letters(of []int) string {
	out := make([]string, len(of))
	for i, n := range of {
		out[i] = string(rune('a' + n))
	}
	return strings.Join(out, ", ")
}

// only restricts a claim to some of the cases; empty where it is of all.
func (c *cases) only(of []int) string {
	if len(of) == len(c.slow) {
		return ""
	}
	return " (" + letters(of) + ")"
}

// pooled tells whether a row has trials with different extra objects.
func (c *cases) pooled() bool {
	return slices.ContainsFunc(c.all, func(f seen) bool {
		return slices.ContainsFunc(f.trials, func(t trial) bool { return t.arm.Extra != f.trials[0].arm.Extra })
	})
}

// table adds the table of cases.
func (c *cases) table(d *document, p plan.Plan) {
	head := []string{"case: names; who looks up whom"}
	for _, dns := range c.columns {
		head = append(head, worded(dnsHeads, dns))
	}
	rows := [][]string{head}
	defined := map[string]bool{}
	for i, g := range c.rows {
		row := []string{fmt.Sprintf("**%s**: %s", letters([]int{i}), rowWords(plan.Arm(g), p, defined))}
		for _, dns := range c.columns {
			row = append(row, c.cell(g, dns).cell())
		}
		rows = append(rows, row)
	}
	above := "Median time and how many trials were later than 1 s; where the times fall into two groups, both with their numbers of trials."
	d.table(rankFindings, "cases", above, rows)
	var notes []string
	if n := c.hidden; n > 0 {
		notes = append(notes, some(n, "more case")+" below.")
	}
	if n := len(c.configurations()) - len(c.columns); n > 0 {
		notes = append(notes, some(n, "more DNS configuration")+" below.")
	}
	if slices.ContainsFunc(c.rows, func(g regime) bool { return g.Observer == record.PeersServer }) {
		// The cache plugin keys entries by name, type and flags (coredns
		// plugin/cache/cache.go).
		notes = append(notes, "The test's direct questions are of query types that nobody else asks for: no cache answers them, and none answers a pod with what it keeps of them.")
	}
	if len(notes) > 0 {
		d.text("%s\n\n", strings.Join(notes, " "))
	}
}

// rowWords say what a row is, its DNS aside. A term is defined where it is not
// yet; a nil map defines none.
func rowWords(a plan.Arm, p plan.Plan, defined map[string]bool) string {
	define := func(term, definition string) string {
		if defined == nil || defined[term] {
			return term
		}
		defined[term] = true
		return term + " (" + definition + ")"
	}
	names, asks := worded(namesWords, a.Names), asks(a.Observer, p.Settings.Peers)
	switch gap, noWait := p.GapOf(a); {
	case a.Names == plan.Fresh:
		names = define(names, "never used before")
	case a.Names != plan.Reused:
	case a.Gap != "":
		names += further(plan.Arm{Gap: a.Gap})
		a.Gap = ""
	case noWait:
		names = define(names, "of a Job that is still being deleted")
	default:
		names = define(names, fmt.Sprintf("of a Job whose last pod was gone %s before", short(gap)))
	}
	if a.Observer == record.Solo {
		asks = define(asks, "worker: every pod but index 0"+timeoutList(p.Settings.ConnectTimeouts))
	}
	return names + "; " + asks + further(a)
}

// timeoutList says which connect timeouts workers have.
func timeoutList(of []plan.Duration) string {
	var out []string
	for _, t := range of {
		out = append(out, timeoutWords(time.Duration(t)))
	}
	switch n := len(out); {
	case n == 0:
		return ""
	case n > mostNamed:
		return fmt.Sprintf("; connect timeouts %s to %s", out[0], out[n-1])
	}
	return "; connect timeouts " + strings.Join(out, ", ")
}

// cell shows a regime's times and how many of them were late.
func (f seen) cell() string {
	n := len(f.connected)
	if n == 0 {
		if len(f.trials) > 0 {
			return "not known"
		}
		return "-"
	}
	share := fmt.Sprintf("%d/%d", f.late, n)
	if f.late > 0 {
		share = "**" + share + "**"
	}
	share += undecided(f.undecided)
	if low, high := f.connected.groups(); f.split() && len(low) > 0 {
		return share + ": " + inGroups(low, high)
	}
	return f.connected.typical() + ", " + share
}

// split tells that some trials were late and others not.
func (f seen) split() bool { return f.late > 0 && f.late < len(f.connected) }

// typical is the median, or two groups of times where the median would be
// between them: a time that no trial had.
func (s series) typical() string {
	low, high := s.groups()
	if len(low) > 0 && len(low) == len(high) {
		return inGroups(low, high)
	}
	return s.medianText()
}

// groups parts times where two that follow one another are furthest apart; it
// returns none where that is not more than what counts as a delay.
func (s series) groups() (low, high series) {
	sorted := slices.SortedFunc(slices.Values(s), func(a, b judge.Measurement) int { return cmp.Compare(a.Value, b.Value) })
	at, most := 0, late
	for i := 1; i < len(sorted); i++ {
		if gap := sorted[i].Value - sorted[i-1].Value; gap > most {
			at, most = i, gap
		}
	}
	if at == 0 {
		return nil, nil
	}
	return sorted[:at], sorted[at:]
}

func inGroups(low, high series) string {
	return fmt.Sprintf("%d × %s, %d × %s", len(low), low.ranged(), len(high), high.ranged())
}

// ranged is one time or a range of them.
func (s series) ranged() string {
	if len(s) == 0 {
		return "-"
	}
	least, most := s.width()
	if least == most || least.String() == most.String() {
		return most.String()
	}
	return strings.TrimSuffix(least.String(), " s") + " to " + most.String()
}

// also names what else was late: under other DNS as reported, and under the
// good one whatever else was changed.
func (c *cases) also() string {
	var list []seen
	for _, f := range slowest(c.all) {
		if f.DNS == c.dns || !f.reported() && (c.good == nil || f.DNS != c.good.dns) {
			continue
		}
		if c.good != nil && f.DNS == c.good.dns && f.reported() {
			continue // told
		}
		list = append(list, f)
	}
	return capped(mostAlso, list, func(f seen) string {
		where := "case " + c.letter(f.regime)
		if c.letter(f.regime) == "" {
			where = rowWords(plan.Arm(f.regime), plan.Plan{Settings: plan.Settings{Peers: f.peers()}}, nil)
		}
		return fmt.Sprintf("%d of %s with %s (%s, %s)", f.late, some(len(f.connected), "trial"), worded(dnsHeads, f.DNS), where, upTo(f.connected))
	})
}
