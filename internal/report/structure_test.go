package report

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// formHeadings are those of kubernetes/kubernetes,
// .github/ISSUE_TEMPLATE/bug-report.yaml at 4a0608cb, in its order.
var formHeadings = []string{
	"### What happened?",
	"### What did you expect to happen?",
	"### How can we reproduce it (as minimally and precisely as possible)?",
	"### Anything else we need to know?",
	"### Kubernetes version",
	"### Cloud provider",
	"### OS version",
	"### Install tools",
	"### Container runtime (CRI) and version (if applicable)",
	"### Related plugins (CNI, CSI, ...) and versions (if applicable)",
}

var (
	fenceLine = regexp.MustCompile("^(`{3,})([a-z]*)$")
	spans     = regexp.MustCompile("`[^`]+`")
	tags      = regexp.MustCompile(`</?(details|summary)>`)
	// acts is what GitHub acts on in running text: people, issues, links,
	// HTML, entities.
	acts = regexp.MustCompile(`@\w|(^|\s)#\d|\]\(|://|www\.|<[a-zA-Z/!]|&#?\w+;|(?i)\bgh-\d`)
)

// requireStructure checks that whatever a report quotes stays where it was
// put: headings are the wanted ones, blocks and folds end, tables keep their
// shape, and nothing outside of code is acted on.
func requireStructure(t *testing.T, md string, headings []string) {
	t.Helper()
	require.True(t, utf8.ValidString(md))
	var got []string
	fence, folds := "", 0
	for i, line := range strings.Split(md, "\n") {
		if strings.HasPrefix(line, "/") {
			require.Equal(t, "/sig network", line)
		}
		if fence != "" {
			if line == fence {
				fence = ""
			}
			continue
		}
		if m := fenceLine.FindStringSubmatch(line); m != nil {
			fence = m[1]
			continue
		}
		where := fmt.Sprintf("line %d: %s", i+1, line)
		require.False(t, strings.HasPrefix(line, "    "), "indented code: %s", where)
		if strings.HasPrefix(line, "#") {
			got = append(got, line)
			continue
		}
		require.Zero(t, strings.Count(line, "`")%2, "a code span does not end: %s", where)
		text := spans.ReplaceAllString(line, "")
		require.NotContains(t, text, "`", where)
		folds += strings.Count(text, "<details>") - strings.Count(text, "</details>")
		require.Contains(t, []int{0, 1}, folds, "folds: %s", where)
		text = tags.ReplaceAllString(text, "")
		require.NotRegexp(t, acts, strings.ReplaceAll(text, "kubernetes/kubernetes#117819", ""), where)
	}
	require.Empty(t, fence, "every block ends")
	require.Zero(t, folds, "every fold ends")
	require.Equal(t, headings, got)
	for _, row := range tablesOf(md) {
		require.Len(t, row, 1, "every row of a table has as many cells as its head")
	}
}

func requireForms(t *testing.T, r *Report) {
	t.Helper()
	form, comment := string(r.Markdown()), string(r.Comment())
	requireStructure(t, form, formHeadings)
	requireStructure(t, comment, nil)
	require.Less(t, utf8.RuneCountInString(form), 65_000)
	require.Less(t, utf8.RuneCountInString(comment), 10_000)
	require.True(t, strings.HasSuffix(form, "\n/sig network\n"))
	require.NotContains(t, comment, "/sig")
}

// spoiled makes a report on records that hold a text wherever a text can be:
// a plan, an environment and trials from anywhere.
func spoiled(t testing.TB, text string, arms, trials, nodes int) *Report {
	arm := func(i int) plan.Arm {
		n := fmt.Sprint(i)
		return plan.Arm{DNS: plan.DNS(text + n), Names: plan.Names(text), Extra: plan.Extra(text), Observer: record.Solo,
			Order: plan.Order(text), Gap: plan.Gap(text), Connect: plan.Connect(text)}
	}
	p := plan.Plan{V: plan.PlanVersion, Name: text, Run: text, Blocks: 6, Seed: 1, Margin: plan.Duration(250 * ms), Settings: plan.Defaults()}
	for i := range arms {
		p.Arms = append(p.Arms, arm(i))
	}
	contrast := plan.Contrast{Name: text, Control: arm(0), With: arm(1), Outcome: plan.Outcome{Of: plan.Moment(text)}, Remedy: text}
	p.Primary = &contrast
	p.Secondary = []plan.Contrast{contrast, {Name: text, Control: arm(0), With: arm(1), Outcome: plan.Outcome{Of: plan.Connected}, Remedy: text}}
	for i := range trials {
		p.Trials = append(p.Trials, plan.Trial{ID: fmt.Sprint(text, i), Seq: i + 1, Block: 1 + i/max(arms, 1), Arm: arm(i % max(arms, 1)), Deadline: plan.Duration(40 * second)})
	}
	e := environment.Environment{
		KubectlVersion: text, Cloud: text, Distribution: text, KubeProxy: text, Server: environment.Server{GitVersion: text},
		DNS:     environment.DNS{Provider: text, Corefile: strings.Repeat(text+"\n", 40)},
		Caching: map[plan.DNS]environment.CachingFacts{plan.DNS(text): {}},
	}
	for i := range nodes {
		n := text + fmt.Sprint(i)
		e.Nodes = append(e.Nodes, environment.Node{Name: n, Kernel: n, OS: n, Arch: n, Runtime: n, Kubelet: n})
		e.Pods = append(e.Pods, environment.Pod{Node: n, Kernel: n, Resolv: record.Resolv{Text: n}})
		e.CNI, e.DNS.Images, e.DNS.Evidence, e.Warnings = append(e.CNI, n), append(e.DNS.Images, n), append(e.DNS.Evidence, n), append(e.Warnings, n)
		e.Preflight = append(e.Preflight, environment.Condition{Of: n, State: environment.Warning, Text: n}, environment.Condition{Of: n, State: environment.Untold, Text: n})
	}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	r := New(p, b)
	for i, planned := range p.Trials {
		trial := play(planned)
		trial.Run.Pods[1].Problem = text
		if i%3 == 2 {
			trial.Status, trial.Reason = results.Invalid, text
		}
		trial.Earlier = map[string]string{"10.244.0.1": text}
		r.Add(trial)
	}
	r.Warn(text)
	return r
}

func TestNothingBreaksOut(t *testing.T) {
	for _, text := range hostile {
		requireForms(t, spoiled(t, text, 3, 12, 3))
	}
}

// TestFormFits: whatever the size of a run, both forms fit and say what is
// left out.
func TestFormFits(t *testing.T) {
	for _, text := range []string{"x", strings.Repeat("é@", 400), strings.Repeat("`", 300)} {
		for _, size := range [][3]int{{0, 0, 0}, {60, 60, 3}, {3, 150, 3}, {3, 6, 200}, {120, 120, 60}} {
			r := spoiled(t, text, size[0], size[1], size[2])
			requireForms(t, r)
			if size[0] >= 120 {
				require.True(t, strings.Contains(string(r.Markdown()), "are left out here to fit"))
			}
		}
	}
}

func FuzzForms(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { requireForms(t, spoiled(t, text, 3, 9, 2)) })
}

// FuzzQuoting is the same for each way to quote a text, faster.
func FuzzQuoting(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d document
		d.text("A text: %s %s %s, %s\n\n", prose(text), code(text), brief(text), prose(text))
		d.list(0, "items", "list", []string{prose(text), code(text)})
		d.table(0, "rows", "table", [][]string{{"a", "b"}, {prose(text), code(text)}})
		d.fold("fold", blockPart(0, "yaml", text))
		requireStructure(t, string(d.fit(formLimit)), nil)
		requireStructure(t, string(d.fit(0)), nil)
	})
}

// TestFit: lists are shortened in their order, each says so, and what holds
// them stays whole.
func TestFit(t *testing.T) {
	var d document
	rows := func(n int) [][]string {
		out := [][]string{{"head", "n"}}
		for i := range n {
			out = append(out, []string{"row", fmt.Sprint(i)})
		}
		return out
	}
	d.text("before\n\n")
	d.table(rankFindings, "arms", "kept:", rows(20))
	d.foldedTable(rankRemarks, "remarks", "folded", "cut:", rows(2000))
	d.fold("file", blockPart(rankEnvironment, "", strings.Repeat("line\n", 100)))
	d.text("after\n")
	whole := string(d.fit(1 << 30))
	require.NotContains(t, whole, "left out")
	for limit := 1000; limit < len(whole)+100; limit += 700 {
		got := string(d.fit(limit))
		require.LessOrEqual(t, utf8.RuneCountInString(got), limit)
		requireStructure(t, got, nil)
		require.True(t, strings.HasPrefix(got, "before\n") && strings.HasSuffix(got, "after\n"))
		require.Equal(t, limit < utf8.RuneCountInString(whole), strings.Contains(got, "left out"), limit)
		if strings.Contains(got, "of 20 arms are left out") {
			require.Contains(t, got, "of 2,000 remarks are left out")
		}
	}
	require.Contains(t, string(d.fit(4000)), "| row  | 19 |\n")
}

func TestSigned(t *testing.T) {
	for s, want := range map[float64]string{0: "0.000 s", 0.0001: "0.000 s", 1.5: "+1.50 s", -30: "-30.00 s"} {
		require.Equal(t, want, signed(s))
	}
	require.Equal(t, "-∞", signed(math.Inf(-1)))
}
