package plan

import (
	"embed"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
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

// Preset returns the settings and the blocks of a named plan. Other names get
// the defaults and one block.
func Preset(name string) (Settings, int) {
	if p, err := Named(name); err == nil {
		return p.Settings, p.Blocks
	}
	return Defaults(), 1
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

// overrides tells whether any dimension of the arms is asked for.
func (o Options) overrides() bool {
	return len(o.DNS)+len(o.Names)+len(o.Extras)+len(o.Observers)+len(o.Publish)+
		len(o.Orders)+len(o.First)+len(o.Gaps)+len(o.Previous)+len(o.Outlive) > 0
}

// override puts what is asked for in the place of the arms' own: each arm is
// repeated for every level asked for of each dimension, and arms that are the
// same then are there once.
func (o Options) override(arms []Arm) ([]Arm, error) {
	arms = vary(arms, o.DNS, func(a *Arm, d DNS) { a.DNS = d })
	arms = vary(arms, o.Names, func(a *Arm, n Names) { a.Names = n })
	arms = vary(arms, o.Extras, func(a *Arm, e Extra) { a.Extra = e })
	arms = vary(arms, o.Observers, func(a *Arm, ob record.Observer) { a.Observer = ob })
	arms = vary(arms, o.Publish, func(a *Arm, p bool) { a.Publish = p })
	arms = vary(arms, o.Orders, func(a *Arm, order Order) { a.Order = order })
	arms = vary(arms, o.First, func(a *Arm, d Duration) { a.First = d })
	if len(o.Gaps) > 1 && !slices.ContainsFunc(arms, func(a Arm) bool { return a.Names == Reused }) {
		return nil, Inputf("--gap changes none of the plan's arms; accepted: with --names reused")
	}
	arms = vary(arms, o.Gaps, func(a *Arm, g Gap) { a.Gap = g })
	arms = vary(arms, o.Previous, func(a *Arm, p Previous) { a.Previous = p })
	arms = vary(arms, o.Outlive, func(a *Arm, d Duration) { a.Outlive = d })
	var out []Arm
	for _, a := range arms {
		if a.Names != Reused || a.Observer != record.Solo {
			a.Previous = Primed
		}
		if a.Previous != Ran {
			a.DeleteAfter, a.Outlive = 0, 0
		}
		// An arm that names the plan's setting names none, and new names have
		// no gap, so that the same combination has one name.
		if a.Names != Reused || a.Gap == o.settingGap() {
			a.Gap = ""
		}
		if a.First == o.Settings.FirstQueryAfter {
			a.First = 0
		}
		// Of two that differ in how often they are due, the more frequent stays.
		same := slices.IndexFunc(out, func(b Arm) bool { b.Every = a.Every; return a == b })
		if same < 0 {
			out = append(out, a)
		} else {
			out[same].Every = min(out[same].Every, a.Every)
		}
	}
	return out, nil
}

// vary returns each arm once for every level; as it is where there are none.
func vary[T any](arms []Arm, levels []T, set func(*Arm, T)) []Arm {
	if len(levels) == 0 {
		return arms
	}
	var out []Arm
	for _, a := range arms {
		for _, l := range levels {
			set(&a, l)
			out = append(out, a)
		}
	}
	return out
}

// settingGap is the gap that an arm gets which names none.
func (o Options) settingGap() Gap {
	if o.Settings.NoWait {
		return NoWait
	}
	return gapLevel(time.Duration(o.Settings.Gap))
}
