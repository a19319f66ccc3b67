package plan

import (
	"embed"
	"slices"
	"strings"
	"time"
)

// plans holds the named plans. Each is a plan file as a user may write one.
//
//go:embed plans/*.yaml
var plans embed.FS

// DefaultPlan is the plan that runs where none is named.
const DefaultPlan = "cluster"

// planNames are the files' names: first the plans that most people need.
func planNames() []string {
	files, err := plans.ReadDir("plans")
	if err != nil {
		panic(err) // it is embedded
	}
	first := []string{DefaultPlan, "quick", "tour"}
	var others []string
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".yaml"); !slices.Contains(first, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others) // of names: the files' order has seed after seed-dose
	return append(first, others...)
}

// Summary names a plan and says in one line what it is about.
type Summary struct{ Name, Text string }

// Summaries are the named plans, as --help lists them.
var Summaries = summaries()

func summaries() []Summary {
	var out []Summary
	for _, name := range planNames() {
		p, err := Named(name)
		if err != nil {
			panic(err)
		}
		out = append(out, Summary{name, p.About})
	}
	return out
}

// Named returns a named plan: without a run, a seed and trials.
func Named(name string) (Plan, error) {
	if names := planNames(); !slices.Contains(names, name) {
		return Plan{}, Inputf("--plan %q is not known; accepted: %s, or a file that ends in .json, .yaml or .yml",
			name, strings.Join(names, ", "))
	}
	text, err := plans.ReadFile("plans/" + name + ".yaml")
	if err != nil {
		return Plan{}, err
	}
	return Parse(name+".yaml", text)
}

// Defaults returns the settings of a plan file that leaves them out.
func Defaults() Settings {
	return Settings{
		// Pod 0 and four workers: none, 30 s (what the original called "no
		// timeout set"), 5 s (the operator's default since) and 1 s.
		Pods:            5,
		ConnectTimeouts: []Duration{0, Duration(30 * time.Second), Duration(5 * time.Second), Duration(time.Second)},
		QPS:             1000,
		Gap:             Duration(2 * time.Second),
		// Longer than a cache keeps an answer plus a dial and its pause, so
		// that what a cache did is over by then.
		Deadline: Duration(40 * time.Second),
		// Longer than kernelGivesUp.
		Follow: Duration(150 * time.Second),
	}
}
