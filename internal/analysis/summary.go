package analysis

import (
	"cmp"
	"slices"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// SummaryVersion is the schema version of summary.json.
const SummaryVersion = 1

// Summary is what a run showed: what the terminal prints, for machines too.
// Durations are seconds of lag; see Trial.
type Summary struct {
	V       int       `json:"v"`
	Plan    string    `json:"plan"`
	Run     string    `json:"run"`
	Seed    uint64    `json:"seed"`
	Pods    int       `json:"pods"`
	Planned int       `json:"planned"`
	Invalid int       `json:"invalid"`
	LateS   float64   `json:"late_s"` // what counts as late
	Verdict Verdict   `json:"verdict"`
	Cells   []*Cell   `json:"cells"` // by scenario, the subject's before its controls'
	Trials  []Outcome `json:"trials"`
	Emptied []Emptied `json:"empty_service,omitempty"`
}

// Verdict is what was found about the DNS that is the run's subject.
type Verdict struct {
	// Subject is the cluster's own DNS where trials asked it, else the first
	// private one.
	Subject plan.DNS `json:"subject"`
	Result  Result   `json:"result"`
	Trials  int      `json:"trials"` // of the subject that count
	Late    int      `json:"late"`
	Unknown int      `json:"unknown"` // of them, not known whether late
	// Causes are of its late trials, the most frequent first.
	Causes  []CauseCount `json:"causes"`
	Slowest stats.Time   `json:"slowest"`
	// PodStart is the longest time until the pods were there, which no lag has
	// in it.
	PodStart float64 `json:"pod_start_s"`
	// Controls are the other configurations, each over all of its trials.
	Controls []Control `json:"controls"`
}

// Result is a verdict in one word.
type Result string

// Affected: a trial of the subject was late. NotAffected: none was. Unknown: no
// trial of it counts.
const (
	Affected    Result = "affected"
	NotAffected Result = "not affected"
	Unknown     Result = "unknown"
)

// CauseCount is how many late trials a cause held.
type CauseCount struct {
	Cause  Cause `json:"cause"`
	Trials int   `json:"trials"`
}

// Control is what another DNS showed beside the subject.
type Control struct {
	DNS     plan.DNS   `json:"dns"`
	Trials  int        `json:"trials"`
	Late    int        `json:"late"`
	Slowest stats.Time `json:"slowest"`
}

// Outcome is one trial's.
type Outcome struct {
	ID       string      `json:"id"`
	DNS      plan.DNS    `json:"dns"`
	Scenario string      `json:"scenario"`
	Extra    plan.Extra  `json:"extra"`
	Lag      *stats.Time `json:"lag,omitempty"` // nil: not known
	Late     bool        `json:"late"`
	Cause    Cause       `json:"cause,omitempty"`
	Invalid  string      `json:"invalid,omitempty"`
}

// Summary reduces the trials taken in so far.
func (a *Analysis) Summary() Summary {
	s := Summary{
		V: SummaryVersion, Plan: a.plan.Name, Run: a.plan.Run, Seed: a.plan.Seed, Pods: a.plan.Settings.Pods,
		Planned: len(a.plan.Trials), LateS: Late.Seconds(), Verdict: a.verdict(),
	}
	for _, row := range a.Table().Cell {
		s.Cells = append(s.Cells, slices.DeleteFunc(row, func(c *Cell) bool { return c == nil })...)
	}
	for _, t := range a.trials {
		o := t.Outcome()
		if o.Invalid != "" {
			s.Invalid++
		}
		s.Trials = append(s.Trials, o)
	}
	for _, e := range a.emptied {
		if e.Invalid != "" {
			s.Invalid++
		}
		s.Emptied = append(s.Emptied, e)
	}
	return s
}

// Outcome is the trial in short.
func (t Trial) Outcome() Outcome {
	o := Outcome{
		ID: t.ID, DNS: t.Arm.DNS, Scenario: ScenarioOf(t.Arm).String(), Extra: t.Arm.Extra,
		Invalid: t.Invalid, Cause: t.Cause,
	}
	o.Late, _ = t.Late()
	if t.Connected.Lost == "" && t.Invalid == "" {
		o.Lag = &t.Connected.Time
	}
	return o
}

// verdict is about the first column of the table.
func (a *Analysis) verdict() Verdict {
	v := Verdict{Result: Unknown, Causes: []CauseCount{}, Controls: []Control{}}
	by := map[Cause]int{}
	for i, d := range a.Table().DNS {
		c := Control{DNS: d}
		for _, t := range a.valid(func(arm plan.Arm) bool { return arm.DNS == d }) {
			late, known := t.Late()
			c.Trials++
			if late {
				c.Late++
			}
			if t.Connected.Lost == "" && stats.CompareTimes(t.Connected.Time, c.Slowest) > 0 {
				c.Slowest = t.Connected.Time
			}
			if i > 0 {
				continue
			}
			v.PodStart = max(v.PodStart, t.PodStart)
			if !known {
				v.Unknown++
			}
			if late {
				by[t.Cause]++
			}
		}
		if i > 0 {
			v.Controls = append(v.Controls, c)
			continue
		}
		v.Subject, v.Trials, v.Late, v.Slowest = d, c.Trials, c.Late, c.Slowest
		switch {
		case c.Late > 0:
			v.Result = Affected
		case c.Trials > v.Unknown:
			v.Result = NotAffected
		}
	}
	for c, n := range by {
		v.Causes = append(v.Causes, CauseCount{c, n})
	}
	slices.SortFunc(v.Causes, func(x, y CauseCount) int {
		return cmp.Or(y.Trials-x.Trials, cmp.Compare(x.Cause, y.Cause))
	})
	return v
}
