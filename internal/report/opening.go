package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
)

const (
	// mostNamed are listed in one sentence; the opening is to fit a screen.
	mostNamed = 5
	// mostAlso are the further slow combinations that the lead names.
	mostAlso = 3
)

// opening is what a maintainer reads first: what is slow and what is not, what
// the times are, the cases, and five lines to act on. The explanations are
// named where their table follows.
func (r *Report) opening(d *document, explanations bool) {
	c := r.cases()
	d.text("%s\n\n%s\n\n", r.lead(c), r.clock(c))
	if !c.usable() {
		return
	}
	c.table(d, r.plan)
	for _, l := range []struct{ name, text string }{
		{"Why", r.why(c)},
		{"What helps", r.helps(c)},
		{"What does not fit or is not settled", r.unsettled(c, explanations)},
		{"The extra object", r.extraObject()},
		{"Where it does not happen", c.isolate()},
	} {
		d.text("- **%s.** %s\n", l.name, capital(l.text))
	}
	d.text("\n")
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// lead says what is slow, by how much and with which DNS, and with which it is
// not, and where those DNS ran.
func (r *Report) lead(c *cases) string {
	if !c.usable() {
		return "**No trial can be used: nothing can be said.**"
	}
	if len(c.slow) == 0 {
		return r.nothingSlow(c) + "\n\n" + r.where(c)
	}
	var all series
	lateTrials, doubt := 0, 0
	for _, f := range c.slow {
		all = append(all, f.connected...)
		lateTrials, doubt = lateTrials+f.late, doubt+f.undecided
	}
	with := worded(dnsWords, c.dns)
	if f := c.slow[0]; !f.reported() {
		with += further(plan.Arm(f.regime))
	}
	text := fmt.Sprintf("**With %s, pods of an Indexed Job took %s to reach each other by name behind a headless Service: later than 1 s in %d of %s%s.",
		with, upTo(all), lateTrials, some(len(all), "trial"), undecided(doubt))
	switch good := c.good; {
	case good == nil && len(c.configurations()) < 2:
		text += "** No other DNS configuration was tried."
	case good == nil:
		text += "** No other DNS configuration was tried on the same case."
	case good.late+good.undecided == 0:
		text += fmt.Sprintf(" With %s, all else equal%s, %s was (longest %s).**", worded(dnsWords, good.dns), c.only(good.of), noneOf(good.trials, "trial"), good.most)
	default:
		text += fmt.Sprintf("** With %s, all else equal%s, %d of %s were%s (longest %s).", worded(dnsWords, good.dns), c.only(good.of), good.late, some(good.trials, "trial"), undecided(good.undecided), good.most)
	}
	if also := c.also(); also != "" {
		text += " Also later than 1 s: " + also + "."
	}
	return text + "\n\n" + r.where(c)
}

// noneOf is "the one trial was not" and so on, before "was".
func noneOf(n int, what string) string {
	if n == 1 {
		return "not the one " + what
	}
	return "none of " + some(n, what)
}

// upTo is the longest time that was seen, or that some trial took longer.
func upTo(s series) string {
	_, most := s.width()
	_, longest := s.seen().width()
	if longest.d == most.d {
		return "up to " + longest.String()
	}
	return "more than " + seconds(most.d)
}

// nothingSlow is the lead where no delay is known.
func (r *Report) nothingSlow(c *cases) string {
	var all series
	doubt := 0
	for _, f := range c.all {
		all, doubt = append(all, f.connected...), doubt+f.undecided
	}
	_, most := all.width()
	text := fmt.Sprintf("**Nothing was slow: of %s none is known to have taken longer than 1 s until the pods of an Indexed Job had reached each other by name behind a headless Service; longest: %s.**", some(len(all), "trial"), most)
	if doubt > 0 {
		text += fmt.Sprintf(" In %d it is not known: 1 s lies within what is known of them, or they ended before.", doubt)
	}
	return text
}

// where says which DNS the pods had and where it ran: what a reader takes for
// the cluster's own is most often not.
func (r *Report) where(c *cases) string {
	var own, private bool
	for _, dns := range c.configurations() {
		own, private = own || !dns.Private(), private || dns.Private()
	}
	cluster := "one cluster"
	if r.env != nil && r.env.Server.GitVersion != "" {
		cluster += " of Kubernetes " + brief(r.env.Server.GitVersion)
	}
	var text string
	switch {
	case own && private:
		text = fmt.Sprintf("The pods asked the DNS of %s%s, or one that was run there privately for them, as the table's columns say.", cluster, r.keeps())
	case own:
		text = fmt.Sprintf("The pods asked the DNS of %s%s.", cluster, r.keeps())
	default:
		asked := "was not asked"
		if slices.Contains(c.configurations(), plan.Forwarding) {
			asked = "was asked by the forwarder only"
		}
		which := "Each DNS configuration"
		if len(c.configurations()) == 1 {
			which = "The pods' DNS"
		}
		text = fmt.Sprintf("%s was run privately, for these pods only, on %s; that cluster's own DNS%s %s.", which, cluster, r.keeps(), asked)
	}
	if c.dns == plan.Cache30 || c.dns == plan.NodeLocalCache30 {
		// kubernetes/kubernetes v1.36.3, cmd/kubeadm/app/phases/addons/dns/dns.go
		// and cluster/addons/dns/coredns/coredns.yaml.base.
		text += " The old Corefile is that of clusters made by kubeadm up to 1.31 (an upgrade keeps it if it was edited) and of kube-up's addon as of v1.36.3."
	}
	return text
}

// keeps says how a pod saw the cluster's own DNS keep its answers.
func (r *Report) keeps() string {
	if r.env == nil {
		return ""
	}
	if f, ok := r.env.Caching[plan.ClusterDNS]; ok {
		return fmt.Sprintf(" (%s)", f)
	}
	return ""
}

// clock says from when to when a time counts and what a trial is.
func (r *Report) clock(c *cases) string {
	n := r.tally(everything)
	text := "**Times**: zero is when the asking process runs and the asked pod has its IP, the end when the two are connected (TCP)."
	if c.usable() {
		text += fmt.Sprintf(" A trial is one Job of %d pods behind a headless Service without ports, no operator; its time is that of its slowest pair of asker and asked", r.plan.Settings.Pods)
		if r.sampled() {
			text += ", of those that were sampled"
		}
		if c.pooled() {
			text += ", with and without an extra object together"
		}
		text += "."
	}
	text += fmt.Sprintf(" %d of %s carried out", n.done(), some(n.planned, "trial"))
	if r.plan.Blocks > 1 {
		text += fmt.Sprintf(", in %d blocks, each combination once in each, in random order", r.plan.Blocks)
	}
	text += "."
	if n.censored > 0 {
		text += fmt.Sprintf(" %d censored: not all connected when the trial ended, which counts as longer (\">\").", n.censored)
	}
	if n.invalid > 0 {
		text += fmt.Sprintf(" %d invalid, which enter no number.", n.invalid)
	}
	return text
}

// neighbour is what one change makes of cases.
type neighbour struct {
	change string
	of     []int  // indices of cases
	seen   []seen // what each of them became
}

// neighbours are the regimes that differ from some cases in one factor, by what
// is changed. Their order is the plan's.
func neighbours(all, cases []seen, is func(seen) bool) []neighbour {
	var out []neighbour
	for i, f := range cases {
		for _, g := range all {
			c, one := change(plan.Arm(f.regime), plan.Arm(g.regime), g.peers())
			if !one || !is(g) {
				continue
			}
			k := slices.IndexFunc(out, func(n neighbour) bool { return n.change == c })
			if k < 0 {
				k = len(out)
				out = append(out, neighbour{change: c})
			}
			out[k].of = append(out[k].of, i)
			out[k].seen = append(out[k].seen, g)
		}
	}
	return out
}

// isolate says with which single changes there was no delay.
func (c *cases) isolate() string {
	if len(c.slow) == 0 {
		return "in everything that was tried."
	}
	list := neighbours(c.all, c.slow, seen.prompt)
	if len(list) == 0 {
		return "this plan has no combination that differs from these in one thing and was never later than 1 s."
	}
	return "with one thing changed, never later than 1 s: " + capped(mostNamed, list, func(n neighbour) string {
		var trials int
		var longest time.Duration
		for _, g := range n.seen {
			trials += len(g.connected)
			longest = max(longest, g.worst())
		}
		return fmt.Sprintf("%s (%s: longest %s in %s)", n.change, letters(n.of), seconds(longest), some(trials, "trial"))
	}) + "."
}

// largest says where most of the time went where nothing was slow.
func largest(trials []trial) string {
	s := where(trials)
	if s.total == 0 {
		return ""
	}
	part, took := s.most()
	return fmt.Sprintf(" Most of the %s from the Job's creation until the last pair was connected (mean of %s) went to %s: %s.", s.totalText(), some(s.n, "trial"), inWords(part), seconds(took))
}

// sizesOnly is said of plans whose blocks are too few for any test.
func (r *Report) sizesOnly() bool { return r.plan.Blocks < smallestTest }

// usable tells whether anything is known.
func (c *cases) usable() bool {
	return slices.ContainsFunc(c.all, func(f seen) bool { return len(f.connected) > 0 })
}
