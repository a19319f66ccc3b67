package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

const (
	// mostCases are described in the opening; it is to fit a screen.
	mostCases = 3
	// mostNamed are listed in one sentence of it.
	mostNamed = 5
)

// cases are the slow regimes that the opening describes, and the others. The
// cluster's own DNS comes first, for it is what its users have; else the DNS
// of the longest delay.
func (r *Report) cases() (described, others []seen) {
	slow := slowest(r.seen())
	if len(slow) == 0 {
		return nil, nil
	}
	dns := slow[0].DNS
	if slices.ContainsFunc(slow, func(f seen) bool { return f.DNS == experiment.ClusterDNS }) {
		dns = experiment.ClusterDNS
	}
	for _, f := range slow {
		if f.DNS == dns && f.reported() && len(described) < mostCases {
			described = append(described, f)
		} else {
			others = append(others, f)
		}
	}
	if len(described) == 0 {
		described, others = slow[:1], slow[1:]
	}
	return described, others
}

// opening is what a maintainer reads first: five lines.
func (r *Report) opening(d *document) {
	lines := r.five()
	for i, l := range lines {
		d.text("%d. %s\n", i+1, l)
	}
	d.text("\n%s\n\n", r.workload())
	if c := r.caveats(); len(c) > 0 {
		d.text("%s\n\n", strings.Join(c, " "))
	}
}

// five are the lines to act on: what, why, what to change, how sure, where not.
func (r *Report) five() []string {
	all := r.seen()
	if !slices.ContainsFunc(all, func(f seen) bool { return len(f.connected) > 0 }) {
		return []string{"No trial can be used: nothing can be said."}
	}
	cases, others := r.cases()
	if len(cases) == 0 {
		return []string{
			"**What is slow:** nothing was. " + r.nothingSlow(all),
			"**Why:** there is no delay to explain." + largest(r.of(everything)),
			"**What would change it:** nothing has to.",
			"**How sure:** " + r.sure(),
			"**Where it does not happen:** in all that was tried, named in line 1.",
		}
	}
	return []string{
		"**What is slow:** " + r.what(cases, others),
		"**Why:** " + r.why(cases),
		"**What would change it:** " + r.remedy(all, cases),
		"**How sure:** " + r.sure(),
		"**Where it does not happen:** " + isolate(all, cases),
	}
}

// letter names a case: (a), (b), (c).
func letter(i int) string { return fmt.Sprintf("(%c)", 'a'+i) }

// each joins what is said of each case.
func each(cases []seen, say func(seen) string) string {
	var out []string
	for i, f := range cases {
		out = append(out, letter(i)+" "+say(f))
	}
	return strings.Join(out, " ")
}

func (r *Report) what(cases, others []seen) string {
	text := fmt.Sprintf("with %s, pods of an Indexed Job reaching each other by name behind a headless Service, counted from when both exist: ", worded(dnsWords, cases[0].DNS))
	text += each(cases, func(f seen) string {
		a := experiment.Arm(f.regime)
		s := fmt.Sprintf("%s%s, %s: **%s**, later than 1 s in %s%s", worded(namesWords, a.Names), further(a), worded(observerWords, a.Observer),
			f.size(), f.later(), undecided(f.undecided))
		if by := r.byTimeout(f); a.Names == experiment.Reused && by != "" {
			s += "; by the worker's connect timeout: " + by
		}
		return s + "."
	})
	if len(others) > 0 {
		var names []string
		for _, f := range others {
			if len(names) == mostNamed {
				names = append(names, fmt.Sprintf("%d more", len(others)-mostNamed))
				break
			}
			names = append(names, fmt.Sprintf("%s %s, %s", brief(f.String()), f.size(), f.later()))
		}
		text += " Also: " + strings.Join(names, "; ") + "."
	}
	return text
}

// size is how long it took: the median, and the range where some trials were
// late and others not.
func (f seen) size() string {
	m, _ := f.connected.median()
	if f.late > 0 && f.late < len(f.connected) {
		return fmt.Sprintf("%s (%s)", m, f.connected.rangeText())
	}
	return m.String()
}

// later says in how many of a regime's trials it was later than 1 s.
func (f seen) later() string {
	return fmt.Sprintf("%d of %s", f.late, some(len(f.connected), "trial"))
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// told are the connect timeouts that the opening tells of where there are many:
// none, the original's default, its plot's longest and shortest, and today's
// default.
var told = []time.Duration{0, 30 * time.Second, 10 * time.Second, 5 * time.Second, time.Second}

// byTimeout lists until when the workers of a solo regime joined.
func (r *Report) byTimeout(f seen) string {
	if f.Observer != record.Solo {
		return ""
	}
	timeouts := r.timeouts(f.trials)
	if len(timeouts) < 2 {
		return ""
	}
	if len(timeouts) > mostNamed { // the table has the others
		timeouts = slices.DeleteFunc(timeouts, func(t time.Duration) bool { return !slices.Contains(told, t) })
	}
	var out []string
	for _, t := range timeouts {
		out = append(out, fmt.Sprintf("%s %s", experiment.TimeoutName(experiment.Duration(t)), joined(f.trials, t, lagOf).medianText()))
	}
	return strings.Join(out, ", ")
}

// why says which part held the delayed trials' time, the cases of one part
// together, and what was seen that shows it.
func (r *Report) why(cases []seen) string {
	var held []judge.Part
	for _, f := range cases {
		held = unique(held, f.holder())
	}
	var out []string
	for _, part := range held {
		var of, shares []string
		var trials []trial
		var decider string
		for i, f := range cases {
			if f.holder() != part {
				continue
			}
			delayed := f.delayed()
			trials = append(trials, delayed...)
			of = append(of, letter(i))
			if d := f.deciderInShort(); d != "" {
				decider += " " + letter(i) + d
			}
			if s := where(delayed); s.total > 0 {
				shares = append(shares, fmt.Sprintf("%.0f %%", 100*s.took[part].Seconds()/s.total.Seconds()))
			}
		}
		text := strings.Join(of, "") + " "
		if part == "" {
			text += "where the time went is not known"
		} else {
			text += fmt.Sprintf("**%s**: %s of the time from the Job's creation until the last pair was connected (means of the delayed trials)", inWords(part), strings.Join(shares, ", "))
		}
		out = append(out, text+evidence(trials)+"."+decider)
	}
	return strings.Join(out, " ")
}

// evidence are the counts and times that show what held trials up.
func evidence(trials []trial) string {
	c := total(trials)
	var out []string
	if n := c.Denials(); n > 0 {
		out = append(out, fmt.Sprintf("%s, %s provably from a cache", some(n, "denial"), count(c.ProvenCached)))
	}
	if n := c.StaleAnswers(); n > 0 {
		out = append(out, some(n, "stale answer"))
	}
	if n := c.DialTimeouts; n > 0 {
		out = append(out, some(n, "connect")+" into silence")
	}
	if server := collect(trials, func(v *judge.Verdict) judge.Outcome { return v.OnServer.Lag }); len(server) > 0 {
		out = append(out, fmt.Sprintf("the DNS servers themselves had every name after %s", server.medianText()))
	}
	if len(out) == 0 {
		return ""
	}
	return "; " + strings.Join(out, "; ")
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

func (r *Report) nothingSlow(all []seen) string {
	var names []string
	for _, f := range all {
		if len(f.connected) == 0 {
			continue
		}
		if len(names) == mostNamed {
			names = append(names, "others")
			break
		}
		_, most := f.connected.width()
		text := fmt.Sprintf("%s %s", code(f.String()), most)
		if f.undecided > 0 {
			text += fmt.Sprintf(" (%d of %s undecided)", f.undecided, some(len(f.connected), "trial"))
		}
		names = append(names, text)
	}
	return "In no trial is it known to have taken longer than 1 s until all were connected; longest: " + strings.Join(names, ", ") + "."
}

// neighbours are the regimes that differ from some cases in one factor, by what
// is changed. Their order is the plan's.
func neighbours(all, cases []seen, is func(seen) bool) []neighbour {
	var out []neighbour
	for i, f := range cases {
		for _, g := range all {
			c, one := change(experiment.Arm(f.regime), experiment.Arm(g.regime))
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

// neighbour is what one change makes of cases.
type neighbour struct {
	change string
	of     []int  // cases
	seen   []seen // what each of them became
}

// isolate says with which single changes there was no delay.
func isolate(all, cases []seen) string {
	list := neighbours(all, cases, seen.prompt)
	if len(list) == 0 {
		return "this plan has no combination that differs from these in one factor and was never later than 1 s."
	}
	var out []string
	for i, n := range list {
		if i == mostNamed {
			out = append(out, fmt.Sprintf("%d more in the overview", len(list)-i))
			break
		}
		var of string
		var trials int
		var longest time.Duration
		for k, g := range n.seen {
			of += letter(n.of[k])
			trials += len(g.connected)
			longest = max(longest, g.worst())
		}
		out = append(out, fmt.Sprintf("%s, %s: longest %s in %s", n.change, of, seconds(longest), some(trials, "trial")))
	}
	return "all else equal, never later than 1 s with " + strings.Join(out, "; with ") + "."
}

// workload says what ran, for somebody who knows Kubernetes and not this.
func (r *Report) workload() string {
	n := r.tally(everything)
	s := r.plan.Settings
	text := fmt.Sprintf("Nothing but an Indexed Job of %d pods and a headless Service without ports, no operator. Times are readiness lags: from the moment when the asking process runs and the asked pod has its address. "+
		"\">40 s\" is censored: it had not happened by then. Plan %s, seed %d: %d of %s carried out (%d complete, %d censored, %d invalid).",
		s.Pods, code(r.plan.Name), r.plan.Seed, n.done(), some(n.planned, "trial"), n.complete, n.censored, n.invalid)
	if r.env != nil && r.env.Server.GitVersion != "" {
		text += " Kubernetes " + code(r.env.Server.GitVersion) + "."
	}
	return text
}

// sizesOnly is said of plans whose blocks are too few for any test.
func (r *Report) sizesOnly() bool { return r.plan.Blocks < smallestTest }
