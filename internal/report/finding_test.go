package report

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
	"headless-job-dns/records/published"
)

// found is what the records show, as REPORT.md quotes it.
type found struct {
	*testing.T
	records map[string]*Report
}

func (f found) cell(name string, dns plan.DNS, scenario string) *analysis.Cell {
	for _, c := range f.records[name].analysis.Summary().Cells {
		if c.DNS == dns && c.Scenario == scenario {
			return c
		}
	}
	f.Fatalf("%s has no %s under %s", name, scenario, dns)
	return nil
}

func (f found) finding(name, of string) string {
	for _, c := range f.records[name].analysis.Findings() {
		if c.Name == of {
			i := c.Stats.Shift.Interval
			return fmt.Sprintf("%+.2f s (%+.2f to %+.2f)", c.Stats.Difference(), i.Lo, i.Hi)
		}
	}
	f.Fatalf("%s has no comparison %s", name, of)
	return ""
}

// join is an arm's with a connect timeout.
func join(joins []analysis.Join, extra plan.Extra, timeout time.Duration) analysis.Join {
	for _, j := range joins {
		if j.Arm.Extra == extra && j.Timeout == plan.Duration(timeout) && j.Arm.Gap == "" &&
			(j.Arm.DNS == "" || j.Arm.DNS == plan.Cache30 && j.Arm.Names == plan.Reused) {
			return j
		}
	}
	return analysis.Join{}
}

// lateOf counts trials, of arms.
func lateOf(trials []analysis.Trial, of func(plan.Arm) bool) (late, all int, slowest stats.Time, c judge.Counts) {
	for _, t := range trials {
		if !of(t.Arm) {
			continue
		}
		all++
		if is, _ := t.Late(); is {
			late++
		}
		if stats.CompareTimes(t.Connected.Time, slowest) > 0 {
			slowest = t.Connected.Time
		}
		c.Add(t.Counts)
	}
	return late, all, slowest, c
}

// TestFindings: REPORT.md holds every figure as the records have it, and no
// other figure of theirs.
func TestFindings(t *testing.T) {
	f := found{t, map[string]*Report{}}
	var all []analysis.Trial
	for _, name := range []string{"standard", "timeouts", "default", "extras", "seed"} {
		r, err := Load(filepath.Join("..", "..", "records", name))
		require.NoError(t, err)
		f.records[name] = r
		if name != "seed" { // its DNS is another kind of thing
			all = append(all, r.analysis.Trials()...)
		}
	}
	standard, timeouts := f.records["standard"], f.records["timeouts"]
	text, err := os.ReadFile(filepath.Join("..", "..", "REPORT.md"))
	require.NoError(t, err)
	report := strings.Join(strings.Fields(string(text)), " ")
	holds := func(format string, values ...any) {
		t.Helper()
		want := fmt.Sprintf(format, values...)
		assert.True(t, strings.Contains(report, want), "REPORT.md lacks %q", want)
		report = strings.ReplaceAll(report, want, "")
	}
	const who, all2all, used = "new names, all look up pod 0", "new names, all look up all", "names of the previous Job"
	usual := func(dns plan.DNS) func(plan.Arm) bool {
		return func(a plan.Arm) bool {
			return a == plan.Arm{DNS: dns, Names: a.Names, Extra: plan.ExtraNone, Observer: a.Observer}
		}
	}

	// Rows of tables, as the runs' own reports have them.
	for _, list := range [][][]string{standard.findingRows(), timeouts.joinRows()} {
		for _, row := range list {
			if line := "|" + strings.Join(row, "|") + "|"; strings.Contains(report, "|"+row[0]+"|") {
				holds("%s", line)
			}
		}
	}
	for _, s := range []string{who, all2all, used} {
		holds("| %s | %s | %s |", s, cell(f.cell("standard", plan.Cache30, s)), cell(f.cell("standard", plan.Uncached, s)))
	}
	pause := used + ", 35s after its end"
	holds("| %s | %s | - |", pause, cell(f.cell("standard", plan.Cache30, pause)))

	// In five lines.
	var onServer stats.Time
	for _, tr := range standard.analysis.Trials() {
		if l := tr.OnServer; l.Lost == "" && tr.Arm.First == 0 && tr.Arm.Names == plan.Fresh && l.At > onServer.At {
			onServer = l.Time
		}
	}
	holds("every name of a new Job at most %s after", seconds(onServer))
	g := f.cell("standard", plan.Cache30, all2all).Groups[0]
	holds("waited for %s to %s (%d of 10 trials late)", seconds(g.Least), seconds(g.Most), g.Trials)
	joins := standard.analysis.Joins()
	holds("joined after %s with a connect timeout of 30 s, after %s with 5 s,",
		seconds(join(joins, plan.ExtraNone, 30*time.Second).Median),
		seconds(join(joins, plan.ExtraNone, 5*time.Second).Median))
	var followed []string
	for _, tr := range all {
		if tr.Connected.At > 100 && !tr.Connected.Censored {
			followed = append(followed, seconds(tr.Connected.Time))
		}
	}
	slices.Sort(followed)
	holds("after %s (the two trials", strings.Join(followed, " and "))
	holds("ended after %s, when the kernel", strings.Join(followed, " and "))
	k, n, _, _ := lateOf(standard.analysis.Trials(), usual(plan.Cache30))
	k0, n0, _, _ := lateOf(standard.analysis.Trials(), usual(plan.Uncached))
	holds("%d of %d trials late with `cache-30`, %d of %d with `uncached`", k, n, k0, n0)
	c := f.cell("standard", plan.Cache30, all2all+", first question after 5s")
	holds("%d of %d trials late, by %s.", c.Late, c.Trials, seconds(c.Groups[0].Median))
	c = f.cell("standard", plan.Cache30, all2all+", publishNotReadyAddresses")
	holds("publishNotReadyAddresses (%d of %d late)", c.Late, c.Trials)
	c = f.cell("standard", plan.NodeLocalUncached, who)
	holds("a denial of its own (%d of %d late, %s)", c.Late, c.Trials, seconds(c.Groups[0].Median))
	k, n, slowest, counts := lateOf(all, func(a plan.Arm) bool { return a.DNS == plan.Uncached })
	holds("With `uncached`: %d of %d trials late, %s at most; %d old addresses, %d connects that timed out",
		k, n, seconds(slowest), counts.StaleAnswers(), counts.DialTimeouts)

	// Two laws.
	by := earlyQuestions(t, filepath.Join("..", "..", "records", "standard"))
	holds("N of 0 or 1, %s late; 2, %s; 3 or 4, %s; more, %s.", by[0], by[1], by[2], by[3])
	c = f.cell("standard", plan.Cache30, who)
	holds("is late in %d of %d trials", c.Late, c.Trials)
	holds("269 of 300 joins within 0.3 s") // TestStaircase counts them
	const shorter = "connect timeout 1s against 30s"
	saved := func(name string) string { return strings.TrimPrefix(strings.Fields(f.finding(name, shorter))[0], "-") }
	holds("saves %s s in `standard` and %s s in `timeouts`", saved("standard"), saved("timeouts"))

	// What that says about the original report.
	sweep := timeouts.analysis.Joins()
	j := join(sweep, plan.ExtraNone, 30*time.Second)
	holds("joined after %s to %s (%d of 10 late)", seconds(j.Times[0]), seconds(j.Times[len(j.Times)-1]), len(j.Times))
	holds("is cached was %s at most", seconds(slowest))
	c = f.cell("standard", plan.KubeDNS, who)
	holds("(%s at most, %d of %d late)", seconds(c.Slowest), c.Late, c.Trials)
	_, _, _, counts = lateOf(all, func(plan.Arm) bool { return true })
	holds("Of %d connects that timed out in all records, %d were", counts.DialTimeouts, counts.SilentRight)
	holds("inconclusive, %s.", f.finding("timeouts", "member-pod against none (cache-30, reused names)"))
	holds("Here, at 8 s: %s", f.finding("timeouts", "member-pod against none, connect timeout 8s"))
	for _, at := range []struct {
		timeout time.Duration
		text    string
	}{{8 * time.Second, "at 8 s are %s without and %s with it"}, {4 * time.Second, "the other way round, %s and %s;"}} {
		old := published.Joins()
		none, service := join(old, plan.ExtraNone, at.timeout), join(old, plan.ExtraService, at.timeout)
		holds(at.text, seconds(none.Median), seconds(service.Median))
	}

	f.seed(holds)

	// Constants, and then nothing that looks like a figure is left.
	holds("steps of 5.15 s")
	holds("every 0.1 to 0.2 s is")
	holds("(T + 0.15 s)) x (T + 0.15 s)")
	holds("0.15 s libzmq's mean pause")
	figure := regexp.MustCompile(`[0-9]\.[0-9]+ s\b|[0-9]+ of [0-9]+ (late|trials)|[0-9]/[0-9]+ late`)
	require.Empty(t, figure.FindAllString(report, -1))
}

// earlyQuestions are late trials by how many questions were asked before pod 0
// was in an EndpointSlice, where all look up pod 0 and denials are cached: for 0
// or 1, 2, 3 or 4, and more.
func earlyQuestions(t *testing.T, dir string) [4]string {
	records, err := results.Load(dir)
	require.NoError(t, err)
	var late, all [4]int
	for trial, err := range records.Trials() {
		require.NoError(t, err)
		a := trial.Plan.Arm
		kept := a.DNS == plan.Cache30 && (a.Names == plan.Fresh || a.Gap != "") || a.DNS == plan.NoSuccessCache
		if a.Observer != record.Solo || !kept {
			continue
		}
		v := judge.Judge(&trial)
		n := 0
		for _, w := range v.Workers {
			closed := map[int]*record.Closed{}
			for _, l := range trial.Run.Pods[w.Index].Lines {
				if l.Closed != nil {
					closed[l.Closed.ID] = l.Closed
				}
			}
			for _, l := range trial.Run.Pods[w.Index].Lines {
				if l.Answer == nil || l.Answer.View != record.Client || l.Answer.Suffix != "" {
					continue
				}
				until := v.Moments[0].InSlice.Value - v.Moments[w.Index].Started.Value
				at := []time.Duration{time.Duration(l.Answer.Asked)}
				if c := closed[l.Answer.ID]; c != nil { // those between are taken to be evenly apart
					for i := 1; i < c.Count; i++ {
						at = append(at, time.Duration(l.T+(c.Last-l.T)*int64(i)/int64(c.Count-1)))
					}
				}
				for _, asked := range at {
					if asked < until {
						n++
					}
				}
			}
		}
		i := min(n/2, 3)
		switch { // 0 or 1, 2, 3 or 4, more
		case n == 3:
			i = 2
		case n == 5:
			i = 3
		}
		all[i]++
		if lag := analysis.NewTrial(v).Connected; lag.Censored || lag.At > 2 { // one came a second late, by a retry
			late[i]++
		}
	}
	var out [4]string
	for i := range out {
		out[i] = fmt.Sprintf("%d of %d", late[i], all[i])
	}
	return out
}

// TestReadme: it is short, its log is that of manifests/minimal, its map has every
// package.
func TestReadme(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	require.Less(t, strings.Count(string(text), "\n"), 200)
	minimal, err := os.ReadFile(filepath.Join(root, "manifests", "minimal", "README.md"))
	require.NoError(t, err)
	_, log, _ := strings.Cut(string(text), "```text\n")
	log, _, _ = strings.Cut(log, "```")
	require.Contains(t, string(minimal), log, "one pod's log")
	packages, err := filepath.Glob(filepath.Join(root, "internal", "*", "*.go"))
	require.NoError(t, err)
	for _, file := range append(packages, "../../repro/", "../../probe/", "../../manifests/", "../../lab/") {
		name, err := filepath.Rel(root, filepath.Dir(file))
		require.NoError(t, err)
		require.Regexp(t, "(?m)^\\|.*`"+name+"`.*\\|", string(text))
	}
}
