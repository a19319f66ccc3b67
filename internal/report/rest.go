package report

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

// exceptions names what is not whole: trials and records.
func (r *Report) exceptions(b *strings.Builder) {
	b.WriteString("## Censored and invalid trials, remarks\n\n")
	none := true
	for _, t := range r.trials {
		if t.status == result.Complete {
			continue
		}
		none = false
		fmt.Fprintf(b, "- %s, %s, %s: %s.\n", code(t.id), code(t.arm.String()), word(t.status), reasons(t.reasons))
	}
	if n := r.tally(everything); n.done() < n.planned {
		none = false
		fmt.Fprintf(b, "- %s of the plan not carried out.\n", some(n.planned-n.done(), "trial"))
	}
	for _, w := range r.warnings {
		none = false
		fmt.Fprintf(b, "- Records: %s.\n", code(w))
	}
	for _, t := range r.trials {
		for _, n := range t.notes {
			none = false
			fmt.Fprintf(b, "- %s: remark: %s.\n", code(t.id), code(n))
		}
	}
	if none {
		b.WriteString("None.\n")
	}
	b.WriteString("\n")
}

func word(s result.Status) string {
	if s == result.Censored {
		return "censored"
	}
	return "invalid"
}

func reasons(list []string) string {
	if len(list) == 0 {
		return "no reason was recorded"
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = code(s)
	}
	return strings.Join(out, "; ")
}

// reading says what the numbers are and how exact.
func (r *Report) reading(b *strings.Builder) {
	s := r.plan.Settings
	b.WriteString("## How to read this\n\n")
	for _, line := range []string{
		"A trial is one Job; it is the unit of every number. Its value is that of its slowest ordered pair of different pods (solo: of its slowest worker, each asking for index 0).",
		"lag: from the moment when the asker's process runs and the asked pod's address exists (its process started, or the API reported the address, whichever came first). since creation: from just before the request that created the Job, pod start included.",
		"client's view: what the pod's own resolver answered, right when every address is the asked pod's. uncached view: DNS servers asked directly with a question that no cache can answer.",
		"\">40.00 s\": it had not happened by then (censored). \"≥\": at least that, because censored trials may lie above. Nothing that did not happen is left out or set to zero.",
		"undecided (>1 s): it happened between a question that found it missing and one that found it there, and 1 s lies between them. solo asks once before each connect, so that a name may have been right long before it was asked for again.",
		"denial: NXDOMAIN, or NOERROR without an address. proven cached: its SOA's TTL was below the full one. undecided: full TTL, so fresh or cached for less than a second.",
		"stale answer: it held an address that is not the asked pod's, judged by the API's pod addresses and by who answered there. timed out: a connect that ended in silence.",
	} {
		fmt.Fprintf(b, "- %s\n", line)
	}
	fmt.Fprintf(b, "- Resolution: peers ask every %s", seconds(time.Duration(s.Interval)))
	if widths := r.intervals(); len(widths) > 0 {
		fmt.Fprintf(b, ". From the last wrong answer's question to the first right answer of a trial's slowest pair it took %s (%s)", widths.medianText(), widths.spread())
	}
	b.WriteString(". solo asks once before each connect, as its workload did.\n")
	fmt.Fprintf(b, "- Clocks: %s\n", r.clocks())
	if s.FirstQueryAfter > 0 {
		fmt.Fprintf(b, "- The first question was delayed by %s in every pod.\n", seconds(time.Duration(s.FirstQueryAfter)))
	}
	b.WriteString("\n")
}

// intervals are how exactly each trial's client's view is known.
func (r *Report) intervals() series {
	var s series
	for _, t := range r.of(func(a experiment.Arm) bool { return a.Observer != record.Solo }) {
		if o := t.v.Resolved.Lag; o.Known() && !o.Censored {
			s = append(s, judge.Outcome{Value: o.Value - o.Lo})
		}
	}
	return s
}

// clocks says how the pods' clocks were tied to the runner's, and how well.
func (r *Report) clocks() string {
	var lag, since time.Duration
	same, all := 0, 0
	for _, t := range r.of(everything) {
		all++
		one := len(t.v.Clocks) > 0
		for _, c := range t.v.Clocks {
			one = one && c.Same
		}
		if one {
			same++
		}
		for _, o := range []judge.Timing{t.v.Resolved, t.v.OnServer, t.v.Connected} {
			lag, since = max(lag, o.Lag.Clock), max(since, o.Since.Clock)
		}
	}
	switch {
	case all == 0:
		return "no usable trial."
	case same == all:
		return "all pods ran on the runner's kernel (equal boot ids): one clock, no uncertainty."
	}
	return fmt.Sprintf("pods ran on other kernels than the runner in %d of %s. Offsets are bounded by causality (a pod starts after its Job was asked for, and its first line arrives after it was written) and by peers' clock readings in their exchanges; values are midpoints. Largest uncertainty: lag ±%s, since creation ±%s.",
		all-same, some(all, "trial"), seconds(lag), seconds(since))
}

// reproduce is the one command.
func (r *Report) reproduce(b *strings.Builder) {
	n := r.plan
	fmt.Fprintf(b, "## Reproduce\n\nSeed %d gives the same trials in the same order; %s of %s each.\n\n", n.Seed, some(n.Blocks, "block"), some(len(n.Arms), "combination"))
	b.WriteString(fenced(command(n)))
	b.WriteString("\nThis report again from the records alone: `go run ./repro report DIR`.\n")
}

// command returns the command line that makes the plan again; settings at
// their defaults are left out.
func command(p experiment.Plan) string {
	args := []string{"go run ./repro", "--plan " + shell(p.Name), fmt.Sprintf("--seed %d", p.Seed), fmt.Sprintf("--blocks %d", p.Blocks)}
	s, def := p.Settings, experiment.Defaults()
	add := func(differs bool, format string, a ...any) {
		if differs {
			args = append(args, fmt.Sprintf(format, a...))
		}
	}
	add(s.Pods != def.Pods, "--pods %d", s.Pods)
	add(experiment.FormatTimeouts(s.ConnectTimeouts) != experiment.FormatTimeouts(def.ConnectTimeouts), "--connect-timeouts %s", experiment.FormatTimeouts(s.ConnectTimeouts))
	add(s.QPS != def.QPS, "--qps %d", s.QPS)
	add(s.Pods > 0 && s.QPS > 0 && s.Interval != experiment.Interval(s.Pods, s.QPS), "--interval %s", time.Duration(s.Interval))
	add(s.Gap != def.Gap, "--gap %s", time.Duration(s.Gap))
	add(s.NoWait, "--no-wait")
	add(s.FirstQueryAfter != def.FirstQueryAfter, "--first-query-after %s", time.Duration(s.FirstQueryAfter))
	add(s.Deadline != def.Deadline, "--deadline %s", time.Duration(s.Deadline))
	add(s.Follow != def.Follow, "--follow %s", time.Duration(s.Follow))
	for _, f := range factors(p) {
		args = append(args, f)
	}
	return strings.Join(args, " ")
}

// factors returns the flags that choose the arms: none for a named plan's own.
func factors(p experiment.Plan) []string {
	same := func(o experiment.Options) bool {
		o.Name, o.Run, o.Seed, o.Blocks, o.Settings = p.Name, p.Run, p.Seed, p.Blocks, p.Settings
		q, err := experiment.Build(o)
		if err != nil || len(q.Arms) != len(p.Arms) {
			return false
		}
		for i := range q.Arms {
			if q.Arms[i] != p.Arms[i] {
				return false
			}
		}
		return true
	}
	if same(experiment.Options{}) {
		return nil
	}
	var o experiment.Options
	for _, a := range p.Arms {
		o.DNS = unique(o.DNS, a.DNS)
		o.Names = unique(o.Names, a.Names)
		o.Extras = unique(o.Extras, a.Extra)
		o.Observers = unique(o.Observers, a.Observer)
	}
	flags := []string{"--dns " + list(o.DNS), "--names " + list(o.Names), "--extra " + list(o.Extras)}
	all := append(flags[:3:3], "--observer "+list(o.Observers))
	observers := o.Observers
	o.Observers = nil
	if same(o) {
		return flags
	}
	o.Observers = observers
	if same(o) {
		return all
	}
	return append(all, "# as near as flags come: plan.json holds other combinations")
}

func unique[T comparable](list []T, v T) []T {
	for _, have := range list {
		if have == v {
			return list
		}
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

// shell quotes what a shell would not take as it is: the command is there to
// be pasted, and a plan may come from anywhere.
func shell(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,+:/"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(plain(s), "'", `'\''`) + "'"
}
