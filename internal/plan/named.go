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

// planNames lists the named plans in the order in which help and errors name
// them.
var planNames = []string{DefaultPlan, "quick", "tour", "empty-service", "seed", "seed-timeouts", "seed-dose",
	"cloud-dns", "extras", "timeouts", "standard", "private"}

// Summary names a plan and says in one line what it is about.
type Summary struct{ Name, Text string }

// Summaries are the named plans, as --help lists them.
var Summaries = summaries()

func summaries() []Summary {
	var out []Summary
	for _, name := range planNames {
		p, err := Named(name)
		if err != nil {
			panic(err)
		}
		out = append(out, Summary{name, p.About})
	}
	return out
}

// Text returns the file of a named plan, to be copied and changed.
func Text(name string) ([]byte, error) {
	if !slices.Contains(planNames, name) {
		return nil, Inputf("--plan %q is not known; accepted: %s, or a file that ends in .json, .yaml or .yml",
			name, strings.Join(planNames, ", "))
	}
	return plans.ReadFile("plans/" + name + ".yaml")
}

// Named returns a named plan: without a run, a seed and trials.
func Named(name string) (Plan, error) {
	text, err := Text(name)
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
