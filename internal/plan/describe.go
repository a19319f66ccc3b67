package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"headless-job-dns/internal/stats"
)

// Describe says what is going to happen, before anything is created.
func (p Plan) Describe() string {
	var b strings.Builder
	s := p.Settings
	fmt.Fprintf(&b, "plan %s: %d trials in %d block(s), about %s; seed %d\n",
		p.Name, len(p.Trials), p.Blocks, p.Expected().Round(time.Second), p.Seed)
	fmt.Fprintf(&b, "  %d pods a trial", s.Pods)
	budget, solo := p.Load()
	if budget > 0 && s.Peers > 0 {
		fmt.Fprintf(&b, ", each asks for %d others, drawn from the seed and asked for by as many", s.Peers)
	}
	if budget > 0 {
		fmt.Fprintf(&b, "; resolution (interval between questions) %s; at most %d questions a second per DNS replica, "+
			"twice that where pods have IPv6", s.Interval, budget)
	}
	if solo > 0 {
		fmt.Fprintf(&b, "; solo: as the original's workers, at most %d", solo)
	}
	b.WriteString("\n")
	if unused := s.ConnectTimeouts[len(s.dealt()):]; solo > 0 && len(unused) > 0 {
		fmt.Fprintf(&b, "  connect timeouts %s go unused: %d workers take one each\n", unused, s.Pods-1)
	}
	if budget > 0 && s.Interval > Duration(time.Second) {
		b.WriteString("  warning: the resolution is coarser than 1 s; " +
			"fewer --pods or --peers, or more --qps, make it finer\n")
	}
	if apart, enough := StartsApart(s.Pods), Defaults().Enough(s.Pods); apart > 0 && s.Deadline < enough {
		fmt.Fprintf(&b, "  warning: %d pods may start up to %s apart, and --deadline %s counts from each one's own start; "+
			"%s leaves time for the last\n", s.Pods, apart, s.Deadline, enough)
	}
	b.WriteString("  trials x duration, arm (dns/names/extra/observer, then what is not the default):\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, a := range p.Arms {
		trials := map[Duration]int{} // by duration: one that is followed to its end takes longer
		for _, t := range p.Trials {
			if t.Arm == a {
				trials[t.Expected]++
			}
		}
		var takes []string
		for _, d := range slices.Backward(slices.Sorted(maps.Keys(trials))) {
			takes = append(takes, fmt.Sprintf("%d x %s", trials[d], round(time.Duration(d))))
		}
		fmt.Fprintf(table, "    %s\t%s\n", strings.Join(takes, " + "), a)
	}
	table.Flush()
	fmt.Fprintf(&b, "  a trial that is spoiled is run once more at the end of its block, at most %d in all\n",
		p.MaxRepeats())
	p.describeTests(&b)
	return b.String()
}

// round shows an estimate: whole seconds, tenths below 10 s.
func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// describeTests says what is declared and what the design can show of it.
func (p Plan) describeTests(b *strings.Builder) {
	if !p.Declares() {
		fmt.Fprintf(b, "  no test is declared: numbers of %d block(s) are sizes, not tests; "+
			"--blocks %d or more can reach p < 0.05\n", p.Blocks, max(p.Blocks, MinBlocks))
		return
	}
	primary, secondary := p.SmallestP()
	if p.Primary != nil {
		fmt.Fprintf(b, "  primary: %s: %s; smallest p that %d blocks can reach: %.2g\n",
			p.Primary.Name, p.Primary.Outcome, p.Blocks, primary)
	}
	if n := p.tests(); n > 0 {
		fmt.Fprintf(b, "  secondary: %d; smallest p after Holm: %.2g", n, secondary)
		if least, err := stats.BlocksFor(stats.Alpha, n); err == nil && least > p.Blocks {
			fmt.Fprintf(b, " (below 0.05 from %d blocks on: until then only sizes and intervals)", least)
		}
		b.WriteString("\n")
	}
	for _, c := range p.Secondary {
		note := ""
		switch {
		case c.Check():
			note = "; a check of the procedure, not corrected for"
		case c.Remedy != "":
			note = "; remedy: " + c.Remedy
		}
		fmt.Fprintf(b, "    %s: %s%s\n", c.Name, c.Outcome, note)
	}
	fmt.Fprintf(b, "  differences within %s count as none\n", p.Margin)
}

// String names the outcome as the printed plan does.
func (o Outcome) String() string {
	s := string(o.Of)
	if o.Of != Joined {
		return s
	}
	s += ", connect timeout " + TimeoutName(o.Timeout)
	if o.ControlTimeout != nil && *o.ControlTimeout != o.Timeout {
		s += " (control: " + TimeoutName(*o.ControlTimeout) + ")"
	}
	return s
}
