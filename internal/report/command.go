package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
)

// planFileName is what the command calls a plan that flags do not make.
const planFileName = "plan.yaml"

// command returns the command line that makes the plan again, and the file
// that it needs where flags cannot say it; "" where they can. What is at its
// default is left out.
func command(p plan.Plan) (line, file string) {
	flags, ok := factors(p)
	if !ok {
		return fmt.Sprintf("go run ./repro --plan %s --seed %d", planFileName, p.Seed), planFile(p)
	}
	args := []string{"go run ./repro", "--plan " + shell(p.Name), fmt.Sprintf("--seed %d", p.Seed), fmt.Sprintf("--blocks %d", p.Blocks)}
	s := p.Settings
	def, _ := plan.Preset(p.Name)
	add := func(differs bool, format string, a ...any) {
		if differs {
			args = append(args, fmt.Sprintf(format, a...))
		}
	}
	add(s.Pods != def.Pods, "--pods %d", s.Pods)
	add(s.Peers != def.Peers, "--peers %d", s.Peers)
	add(plan.FormatTimeouts(s.ConnectTimeouts) != plan.FormatTimeouts(def.ConnectTimeouts), "--connect-timeouts %s", plan.FormatTimeouts(s.ConnectTimeouts))
	add(s.QPS != def.QPS, "--qps %d", s.QPS)
	add(s.Pods > 0 && s.QPS > 0 && s.Interval != plan.Interval(s.Pods, s.Peers, s.QPS), "--interval %s", time.Duration(s.Interval))
	add(s.Gap != def.Gap && !s.NoWait, "--gap %s", time.Duration(s.Gap))
	add(s.NoWait, "--no-wait")
	add(s.FirstQueryAfter != def.FirstQueryAfter, "--first-query-after %s", time.Duration(s.FirstQueryAfter))
	add(s.Deadline != def.Enough(s.Pods), "--deadline %s", time.Duration(s.Deadline))
	add(s.Follow != def.Follow, "--follow %s", time.Duration(s.Follow))
	add(p.Declares() && p.Margin != plan.DefaultMargin, "--margin %s", time.Duration(p.Margin))
	return strings.Join(append(args, flags...), " "), ""
}

// factors returns the flags that choose the arms: none for a named plan's own.
// It is false where no flags do.
func factors(p plan.Plan) (flags []string, ok bool) {
	base := plan.Options{Name: p.Name, Run: p.Run, Seed: p.Seed, Blocks: p.Blocks, Settings: p.Settings}
	same := func(o plan.Options) bool {
		q, err := plan.Build(o)
		return err == nil && slices.Equal(q.Arms, p.Arms)
	}
	if same(base) {
		return nil, true
	}
	var all plan.Options
	for _, a := range p.Arms {
		all.DNS = unique(all.DNS, a.DNS)
		all.Names = unique(all.Names, a.Names)
		all.Extras = unique(all.Extras, a.Extra)
		all.Observers = unique(all.Observers, a.Observer)
	}
	o := base
	o.DNS, o.Names, o.Extras = all.DNS, all.Names, all.Extras
	flags = []string{"--dns " + list(o.DNS), "--names " + list(o.Names), "--extra " + list(o.Extras)}
	if same(o) {
		return flags, true
	}
	o.Observers = all.Observers
	flags = append(flags, "--observer "+list(o.Observers))
	if same(o) {
		return flags, true
	}
	return nil, false
}

func unique[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func list[T ~string](levels []T) string {
	out := make([]string, len(levels))
	for i, l := range levels {
		out[i] = shell(string(l))
	}
	return strings.Join(out, ",")
}

// planFile writes the plan as a plan file that plan.ParseFile reads.
func planFile(p plan.Plan) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	name := p.Name
	if slices.ContainsFunc(plan.Summaries, func(s struct{ Name, Text string }) bool { return s.Name == name }) {
		name += "-as-run" // a file may not take a named plan's name
	}
	line("name: %s", quoted(name))
	line("blocks: %d", p.Blocks)
	s := p.Settings
	timeouts := make([]string, len(s.ConnectTimeouts))
	for i, t := range s.ConnectTimeouts {
		timeouts[i] = plan.TimeoutName(t)
	}
	line("settings:")
	line("  pods: %d", s.Pods)
	if s.Peers > 0 {
		line("  peers: %d", s.Peers)
	}
	line("  connect_timeouts: [%s]", strings.Join(timeouts, ", "))
	line("  qps: %d", s.QPS)
	for _, d := range []struct {
		name  string
		value plan.Duration
	}{{"interval", s.Interval}, {"gap", s.Gap}, {"first_query_after", s.FirstQueryAfter}, {"deadline", s.Deadline}, {"follow", s.Follow}} {
		line("  %s: %s", d.name, time.Duration(d.value))
	}
	if s.NoWait {
		line("  no_wait: true")
	}
	line("arms:")
	for _, a := range p.Arms {
		line("  - %s", quoted(a.String()))
	}
	contrast := func(indent string, c plan.Contrast) {
		line("%sname: %s", indent, quoted(c.Name))
		indent = strings.Repeat(" ", len(indent))
		line("%scontrol: %s", indent, quoted(c.Control.String()))
		line("%swith: %s", indent, quoted(c.With.String()))
		line("%sof: %s", indent, quoted(string(c.Outcome.Of)))
		if c.Outcome.Of == plan.Joined {
			line("%stimeout: %s", indent, plan.TimeoutName(c.Outcome.Timeout))
		}
		if t := c.Outcome.ControlTimeout; t != nil {
			line("%scontrol_timeout: %s", indent, plan.TimeoutName(*t))
		}
		if c.Remedy != "" {
			line("%sremedy: %s", indent, quoted(c.Remedy))
		}
	}
	if p.Primary != nil {
		line("primary:")
		contrast("  ", *p.Primary)
	}
	if len(p.Secondary) > 0 {
		line("secondary:")
		for _, c := range p.Secondary {
			contrast("  - ", c)
		}
	}
	if p.Margin > 0 {
		line("margin: %s", time.Duration(p.Margin))
	}
	return b.String()
}

// quoted is a YAML scalar: in single quotes nothing but a quote is special.
func quoted(s string) string { return "'" + strings.ReplaceAll(plain(s), "'", "''") + "'" }

// shell quotes what a shell would not take as it is: the command is there to
// be pasted, and a plan may come from anywhere.
func shell(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,+:/"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(plain(s), "'", `'\''`) + "'"
}
