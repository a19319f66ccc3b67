package analysis

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

// Scenario is what a trial did, whatever DNS it asked and whatever extra object
// was there.
type Scenario struct {
	Names string // whose names
	Who   string // who looks up whom
	With  string // what is not as usual; empty: nothing
}

// String is how tables name it.
func (s Scenario) String() string { return join(", ", s.Names, s.Who, s.With) }

// Short is how lines about single trials name it.
func (s Scenario) Short() string {
	return strings.NewReplacer("names of the previous Job", "previous Job", "all look up ", "").Replace(s.String())
}

// Label is how tables and pictures call a DNS.
func Label(d plan.DNS) string {
	if d == plan.ClusterDNS {
		return "this cluster"
	}
	return string(d)
}

func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// ScenarioOf is an arm's.
func ScenarioOf(a plan.Arm) Scenario {
	s := Scenario{Names: "new names", Who: "all look up pod 0"}
	if a.Names == plan.Reused {
		s.Names = "names of the previous Job"
	}
	switch {
	case a.Observer != record.Solo:
		s.Who = "all look up all"
	case a.Names == plan.Reused:
		s.Who = ""
	}
	var with []string
	if a.Previous == plan.Ran {
		s.Names = ranNames
		if a.Extra == plan.ExtraNone {
			with = append(with, "without an extra")
		} else {
			with = append(with, "with "+a.Extra.Facts().Title)
		}
	}
	if a.DeleteAfter != 0 {
		with = append(with, "its Service deleted "+time.Duration(a.DeleteAfter).String()+" after its end")
	}
	if a.Outlive != 0 {
		with = append(with, "its workers "+time.Duration(a.Outlive).String()+" longer than pod 0")
	}
	if a.Publish {
		with = append(with, "publishNotReadyAddresses")
	}
	if a.Order == plan.JobFirst {
		with = append(with, "Job before Service")
	}
	if a.First != 0 {
		with = append(with, "first question after "+time.Duration(a.First).String())
	}
	switch {
	case a.Gap == "" || a.Previous == plan.Ran:
	case a.Gap == plan.NoWait:
		with = append(with, "created before the old one was gone")
	default:
		with = append(with, string(a.Gap)+" after its end")
	}
	s.With = strings.Join(with, ", ")
	return s
}

// Cell is one scenario under one DNS, with every extra object.
type Cell struct {
	DNS      plan.DNS `json:"dns"`
	Scenario string   `json:"scenario"`
	Trials   int      `json:"trials"`  // that count
	Late     int      `json:"late"`    // of them, later than Late
	Unknown  int      `json:"unknown"` // of them, not known whether
	Invalid  int      `json:"invalid,omitempty"`
	// LateShare is with its exact interval; nil where nothing is known.
	LateShare *stats.Proportion `json:"-"`
	// Groups are the trials by what they showed, late ones first and the larger
	// first: no median is of two kinds of trials.
	Groups []Group `json:"groups"`
	// Over the pairs of client and peer of all its trials; Slowest is the
	// slowest pair of them all.
	P50     stats.Time `json:"pairs_p50"`
	P90     stats.Time `json:"pairs_p90"`
	P99     stats.Time `json:"pairs_p99"`
	Slowest stats.Time `json:"pairs_slowest"`
	// PodStart is the median of when the last pair was there, in seconds since
	// the request that created the Job.
	PodStart float64 `json:"pod_start_s"`
	// OnServer is the longest time until every DNS server had every name, asked
	// past its cache; nil where none was asked.
	OnServer *stats.Time `json:"on_servers,omitempty"`
}

// Group are trials of a cell that showed the same.
type Group struct {
	Late   bool       `json:"late"`
	Cause  Cause      `json:"cause,omitempty"`
	Trials int        `json:"trials"`
	Median stats.Time `json:"median"`
	Least  stats.Time `json:"least"`
	Most   stats.Time `json:"most"`
}

// Table is the cells by scenario (rows) and DNS (columns). A nil cell has no
// trials.
type Table struct {
	DNS  []plan.DNS
	Rows []Scenario
	Cell [][]*Cell // by row, then column
}

// Table makes the cells of all trials: the cluster's own DNS first, then the
// others in the plan's order; scenarios as usual first.
func (a *Analysis) Table() Table {
	var t Table
	trials := map[plan.DNS]map[Scenario][]Trial{}
	for _, arm := range a.Arms() {
		if !slices.Contains(t.DNS, arm.DNS) {
			t.DNS = append(t.DNS, arm.DNS)
			trials[arm.DNS] = map[Scenario][]Trial{}
		}
		if s := ScenarioOf(arm); !slices.Contains(t.Rows, s) {
			t.Rows = append(t.Rows, s)
		}
	}
	slices.SortStableFunc(t.DNS, func(x, y plan.DNS) int { return rank(x) - rank(y) })
	slices.SortFunc(t.Rows, func(x, y Scenario) int {
		// What is unusual last, new names before used ones, the simpler question first.
		return cmp.Or(min(len(x.With), 1)-min(len(y.With), 1), -cmp.Compare(x.Names, y.Names),
			-cmp.Compare(x.Who, y.Who), cmp.Compare(x.With, y.With))
	})
	for _, tr := range a.trials {
		s := ScenarioOf(tr.Arm)
		trials[tr.Arm.DNS][s] = append(trials[tr.Arm.DNS][s], tr)
	}
	for _, s := range t.Rows {
		row := make([]*Cell, len(t.DNS))
		for i, d := range t.DNS {
			if list := trials[d][s]; len(list) > 0 {
				row[i] = newCell(d, s, list)
			}
		}
		t.Cell = append(t.Cell, row)
	}
	return t
}

// ranNames are whose names a trial had whose previous Job ran.
const ranNames = "names of a previous Job that ran"

// AfterRan parts the table into the scenarios without a previous Job that ran and
// those with one, each with the DNS that have a cell in it.
func (t Table) AfterRan() (without, with Table) {
	parts := [2]*Table{&without, &with}
	for i, s := range t.Rows {
		p := parts[0]
		if s.Names == ranNames {
			p = parts[1]
		}
		p.Rows = append(p.Rows, s)
		p.Cell = append(p.Cell, slices.Clone(t.Cell[i]))
	}
	for _, p := range parts {
		for k := len(t.DNS) - 1; k >= 0; k-- {
			if slices.ContainsFunc(p.Cell, func(row []*Cell) bool { return row[k] != nil }) {
				p.DNS = slices.Insert(p.DNS, 0, t.DNS[k])
				continue
			}
			for i := range p.Cell {
				p.Cell[i] = slices.Delete(p.Cell[i], k, k+1)
			}
		}
	}
	return without, with
}

// rank puts the subject, the cluster's own DNS, before its controls, and what
// this version does not know last.
func rank(d plan.DNS) int {
	if i := slices.Index(plan.AllDNS, d); i >= 0 {
		return i
	}
	return len(plan.AllDNS)
}

// newCell reduces the trials of a cell.
func newCell(d plan.DNS, s Scenario, trials []Trial) *Cell {
	c := &Cell{DNS: d, Scenario: s.String()}
	type kind struct {
		late  bool
		cause Cause
	}
	var pairs []stats.Time
	var starts []float64
	times := map[kind][]stats.Time{}
	for _, t := range trials {
		if t.Invalid != "" {
			c.Invalid++
			continue
		}
		late, known := t.Late()
		c.Trials++
		switch {
		case !known:
			c.Unknown++
		case late:
			c.Late++
		}
		pairs = append(pairs, t.Pairs...)
		starts = append(starts, t.PodStart)
		if o := t.OnServer; o.Lost == "" && (c.OnServer == nil || stats.CompareTimes(*c.OnServer, o.Time) < 0) {
			c.OnServer = &o.Time
		}
		if known {
			times[kind{late, t.Cause}] = append(times[kind{late, t.Cause}], t.Connected.Time)
		}
	}
	if p, err := stats.NewProportion(c.Late, c.Trials-c.Unknown, Level); err == nil {
		c.LateShare = &p
	}
	for k, all := range times {
		for _, list := range split(all) {
			c.Groups = append(c.Groups, Group{
				Late: k.late, Cause: k.cause, Trials: len(list),
				Median: stats.Quantile(list, 0.5), Least: list[0], Most: list[len(list)-1],
			})
		}
	}
	slices.SortFunc(c.Groups, func(x, y Group) int {
		switch {
		case x.Late != y.Late && x.Late:
			return -1
		case x.Late != y.Late:
			return 1
		}
		return cmp.Or(y.Trials-x.Trials, cmp.Compare(x.Cause, y.Cause), stats.CompareTimes(x.Least, y.Least))
	})
	if len(pairs) > 0 {
		c.P50, c.P90, c.P99 = stats.Quantile(pairs, 0.5), stats.Quantile(pairs, 0.9), stats.Quantile(pairs, 0.99)
		c.Slowest = slices.MaxFunc(pairs, stats.CompareTimes)
	}
	if slices.Sort(starts); len(starts) > 0 {
		c.PodStart = starts[len(starts)/2]
	}
	return c
}

// split sorts times and parts them where the next is more than twice the one
// before and Late later: they are of two kinds then.
func split(times []stats.Time) [][]stats.Time {
	slices.SortFunc(times, stats.CompareTimes)
	var out [][]stats.Time
	from := 0
	for i := 1; i <= len(times); i++ {
		if i == len(times) || times[i].At > 2*times[i-1].At && times[i].At > times[i-1].At+Late.Seconds() {
			out = append(out, times[from:i])
			from = i
		}
	}
	return out
}

// ExtraCell is a cell's trials with one extra object.
type ExtraCell struct {
	Extra plan.Extra
	*Cell
}

// ByExtra splits the cells of DNS and scenario in which there were several
// extra objects.
func (a *Analysis) ByExtra() []ExtraCell {
	var out []ExtraCell
	t := a.Table()
	for _, s := range t.Rows {
		for _, d := range t.DNS {
			trials := map[plan.Extra][]Trial{}
			var extras []plan.Extra
			for _, tr := range a.trials {
				if tr.Arm.DNS != d || ScenarioOf(tr.Arm) != s {
					continue
				}
				if trials[tr.Arm.Extra] == nil {
					extras = append(extras, tr.Arm.Extra)
				}
				trials[tr.Arm.Extra] = append(trials[tr.Arm.Extra], tr)
			}
			if len(extras) < 2 {
				continue
			}
			slices.SortFunc(extras, func(x, y plan.Extra) int {
				return slices.Index(plan.Extras, x) - slices.Index(plan.Extras, y)
			})
			for _, e := range extras {
				out = append(out, ExtraCell{e, newCell(d, s, trials[e])})
			}
		}
	}
	return out
}
