package analysis

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// lagUnit is the unit of bench.txt's values. The format takes the last of the
// hyphenated words for the measure and what comes before it for what is
// measured; benchstat scales any unit that is not of bytes by SI prefixes.
const lagUnit = "lag-sec"

// benchNotes stand at the top of bench.txt. Lines that begin with # are ignored
// by whoever reads the format.
const benchNotes = `# Readiness lags, seconds since asker and asked both existed: one line a trial
# and outcome, by block. Resolved, Connected: of the last pair; OnServer: the
# last name on the last DNS server; Joined: the worker with the connect timeout.
# A line with "1 censored" is a lower bound: it had not happened by then. No tool
# for this format knows of that: a row's median is right while these are fewer than
# half of its lines and its largest, a mean or a geomean is too small.
# benchstat compares without regard to blocks; report.md has the paired analysis.
#   benchstat -col /extra bench.txt
`

// Bench renders bench.txt: every outcome of every valid trial in Go's benchmark
// data format (golang.org/design/14313-benchmark-format), for benchstat.
//
// Censored outcomes are written at their bounds, not left out, and marked by a
// second value. A configuration line would mark them too, but benchstat makes a
// table for each configuration: the one of those that were seen would look like
// the whole. Comments name what is left out, and why.
func (a *Analysis) Bench() []byte {
	var b bytes.Buffer
	b.WriteString(benchNotes)
	for _, line := range [][2]string{
		{"plan", a.plan.Name}, {"run", a.plan.Run}, {"seed", strconv.FormatUint(a.plan.Seed, 10)},
		{"pods", strconv.Itoa(a.plan.Settings.Pods)}, {"deadline", time.Duration(a.plan.Settings.Deadline).String()},
	} {
		fmt.Fprintf(&b, "%s: %s\n", line[0], benchLine(line[1]))
	}
	if n := a.plan.Settings.Peers; n > 0 {
		fmt.Fprintf(&b, "peers: %d\n", n)
	}
	fmt.Fprintf(&b, "Unit %s better=lower\n\n", lagUnit)
	for _, t := range a.plan.Trials {
		if why := a.spoiled(t.ID); why != "" {
			fmt.Fprintf(&b, "# left out: %s, %s\n", benchLine(t.ID+" of "+t.Arm.String()), benchLine(why))
		}
	}
	for _, arm := range a.arms {
		name := benchName(arm)
		for _, o := range []struct {
			name string
			of   plan.Moment
		}{{"Resolved", plan.Resolved}, {"OnServer", plan.OnServer}, {"Connected", plan.Connected}} {
			a.bench(&b, o.name+name, arm, o.of, 0)
		}
		if arm.Observer != record.Solo {
			continue
		}
		for _, t := range a.timeouts(arm) {
			a.bench(&b, "Joined"+name+"/timeout="+plan.TimeoutName(t), arm, plan.Joined, t)
		}
	}
	return b.Bytes()
}

// bench writes the lines of one arm's outcome. Trials of which nothing counts are
// named elsewhere.
func (a *Analysis) bench(b *bytes.Buffer, name string, arm plan.Arm, of plan.Moment, timeout plan.Duration) {
	values, _, left := a.values(arm, of, timeout)
	for _, v := range values {
		fmt.Fprintf(b, "Benchmark%s 1 %s %s", name, strconv.FormatFloat(v.At, 'f', -1, 64), lagUnit)
		if v.Censored {
			b.WriteString(" 1 censored")
		}
		b.WriteByte('\n')
	}
	for _, l := range left {
		if l.Why != judge.NotObserved && a.spoiled(l.Trial) == "" {
			fmt.Fprintf(b, "# left out: %s of %s, %s\n", benchLine(l.Trial), name, benchLine(l.Why))
		}
	}
}

// benchLine keeps a text within its line and from steering a terminal.
func benchLine(text string) string { return strings.Join(words(text), " ") }

// words are what is printed of a text, between what is not.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// benchName names an arm by its factors' levels, as benchstat's -row, -col and
// -filter take them apart. What is the default of the further factors is left
// out; the original four are always there.
func benchName(a plan.Arm) string {
	var b strings.Builder
	level := func(factor, level string) {
		// A name is one field and / divides it; a plan made by hand could
		// hold either.
		clean := strings.Map(func(r rune) rune {
			if r == '/' {
				return '_'
			}
			return r
		}, strings.Join(words(level), "_"))
		b.WriteString("/" + factor + "=" + clean)
	}
	level("dns", string(a.DNS))
	level("names", string(a.Names))
	level("extra", string(a.Extra))
	if a.Publish {
		level("publish", "true")
	}
	if a.Order != plan.ServiceFirst {
		level("order", string(a.Order))
	}
	if a.First != 0 {
		level("first", plan.TimeoutName(a.First))
	}
	if a.Gap != "" {
		level("gap", string(a.Gap))
	}
	if a.Connect != plan.ByName {
		level("connect", string(a.Connect))
	}
	if a.Copy != 0 {
		level("copy", strconv.Itoa(a.Copy))
	}
	// The last: a name must not end in a hyphen and digits, which would be
	// taken for GOMAXPROCS.
	level("observer", string(a.Observer))
	return b.String()
}
