package report

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/manifests"
)

var (
	//go:embed form.md.tmpl
	formText string
	//go:embed comment.md.tmpl
	commentText string

	form    = template.Must(template.New("form").Parse(formText))
	comment = template.Must(template.New("comment").Parse(commentText))
)

const (
	// formRows and formColumns bound the first table, logLines the log below it.
	formRows    = 3
	formColumns = 3
	logLines    = 10
)

// fields are what the templates show. All of it is safe Markdown.
type fields struct {
	Sentence, Table, Left string
	Pods, Trials          int
	Log, LogOf            string
	Why, Pictures         []string
	Change                string
	Kept                  bool // by a cache: there is something to ask for
	Minimal, Rerun, Plan  string
	Seed                  uint64
	Sections              []section

	Version, Cloud, OS, Tools, Runtime, Plugins string
	Kubernetes, DNS                             string
}

// section is a folded part of the appendix.
type section struct{ Title, Text string }

// Markdown renders report.md: the form of Kubernetes' bug reports, filled in
// (kubernetes/kubernetes, .github/ISSUE_TEMPLATE/bug-report.yaml), with its
// headings in its order.
func (r *Report) Markdown() []byte {
	f := r.fields()
	f.Sections = r.sections()
	return render(form, f)
}

// Comment renders the shorter form, for an issue that exists.
func (r *Report) Comment() []byte { return render(comment, r.fields()) }

func render(t *template.Template, f fields) []byte {
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil { // a mistake in the template, which tests render
		panic(err)
	}
	return []byte(b.String())
}

func (r *Report) fields() fields {
	s := r.Summary()
	t, below := r.first()
	first, left, more := rows(t, formRows, formColumns)
	first[0][0] = fmt.Sprintf("slowest of %d pods", s.Pods)
	f := fields{
		Sentence: s.Sentence, Pods: s.Pods, Trials: len(s.Trials), Plan: plain(r.plan.Name), Seed: r.plan.Seed,
		Table: table(first), Rerun: "go run ./repro --plan plan.json",
		Kept: len(s.Verdict.Causes) > 0 && kept(s.Verdict.Causes[0].Cause),
	}
	if len(below) > 0 {
		f.Table += "\n\n" + strings.Join(below, "\n\n")
	}
	if len(s.Trials) == 0 && len(s.Emptied) > 0 {
		f.Table = table(emptiedRows(s.Emptied))
	}
	if left+more > 0 {
		f.Left = fmt.Sprintf("%d rows and %d columns more", left, more)
	}
	if len(s.Change) > 0 {
		f.Change = fenced(strings.Join(s.Change, "\n"))
	}
	for _, p := range r.Pictures() {
		f.Pictures = append(f.Pictures, code(p.Name))
	}
	if r.shown != nil {
		var lines []string
		for _, e := range r.shown.Log(logLines) {
			lines = append(lines, fmt.Sprintf("%6.2f s  %s", e.At.Seconds(), plain(e.Text)))
		}
		f.Log = fenced(strings.Join(lines, "\n"))
		arm := r.shown.Trial.Arm
		f.LogOf = fmt.Sprintf("trial %s: %s, %s",
			plain(r.shown.Trial.ID), label(arm.DNS), plain(analysis.ScenarioOf(arm).String()))
	}
	f.Why = r.why(s)
	minimal, err := manifests.Text("minimal/lag.yaml")
	if err != nil { // it is part of the program
		panic(err)
	}
	f.Minimal = "```yaml\n" + strings.TrimSpace(comments.ReplaceAllString(minimal, "")) + "\n```"
	r.environment(&f)
	return f
}

// comments are YAML's and the shell's, which the file itself has.
var comments = regexp.MustCompile(`(?m)^ *# .*\n| +# .*$`)

// why are three bullets at most: what held the late trials, and what was seen
// of the DNS servers themselves.
func (r *Report) why(s Summary) []string {
	var out []string
	for _, c := range s.Verdict.Causes[:min(2, len(s.Verdict.Causes))] {
		if text := whyOf[c.Cause]; text != "" {
			out = append(out, fmt.Sprintf("**%s**: %s.", c.Cause, text))
		}
	}
	for _, c := range s.Cells {
		if c.DNS == s.Verdict.Subject && c.OnServer != nil {
			out = append(out, "Asked past their caches, the DNS servers had every name after "+seconds(*c.OnServer)+".")
			break
		}
	}
	if len(out) == 0 && s.Why != "" {
		out = append(out, s.Why+".")
	}
	return out
}

// environment fills in the form's fields about the cluster.
func (r *Report) environment(f *fields) {
	e := r.env
	version := e.KubectlVersion
	if version == "" {
		version = "Server Version: " + known(e.Server.GitVersion)
	}
	f.Version = fenced("$ kubectl version\n" + version)
	f.Cloud = fenced(known(e.Cloud))
	f.OS = fenced(nodes(e, func(n environment.Node) string { return n.OS + ", kernel " + n.Kernel + ", " + n.Arch }))
	f.Tools = fenced(known(e.Distribution))
	f.Runtime = fenced(nodes(e, func(n environment.Node) string { return n.Runtime }))
	f.Plugins = fenced(fmt.Sprintf("CNI: %s\nkube-proxy mode: %s\nDNS: %s",
		known(strings.Join(e.CNI, ", ")), known(e.KubeProxy), r.dns()))
	f.Kubernetes, f.DNS = code(known(e.Server.GitVersion)), code(r.dns())
}

// dns is the cluster's own DNS in one line.
func (r *Report) dns() string {
	d := r.env.DNS
	text := known(d.Provider)
	if d.NodeLocal {
		text += " behind NodeLocal DNSCache"
	}
	return text + fmt.Sprintf(", %d replicas, %s", len(d.Replicas), known(strings.Join(d.Images, ", ")))
}

func known(s string) string {
	if s == "" {
		return environment.Unknown
	}
	return s
}

// maxKinds is how many kinds of nodes are named.
const maxKinds = 10

// nodes says of how many nodes a text holds, a line each, in the order of the
// first.
func nodes(e environment.Environment, text func(environment.Node) string) string {
	var kinds []string
	n := map[string]int{}
	for _, node := range e.Nodes {
		t := plain(text(node))
		if n[t]++; n[t] == 1 {
			kinds = append(kinds, t)
		}
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d x %s", n[k], k)
	}
	if len(kinds) > maxKinds {
		kinds = append(kinds[:maxKinds], fmt.Sprintf("%d kinds more", len(kinds)-maxKinds))
	}
	return known(strings.Join(kinds, "\n"))
}
