package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// regime is a combination whatever its extra object, and however often it
// stands in a block: what decides most. Sentences pool the extras over it.
type regime plan.Arm

func regimeOf(a plan.Arm) regime {
	a.Extra, a.Copy = "", 0
	return regime(a)
}

func (g regime) holds(a plan.Arm) bool { return regimeOf(a) == g }

// String is the arm's without the extra: dns/names/observer.
func (g regime) String() string {
	a := plan.Arm(g)
	head := string(a.DNS) + "/" + string(a.Names) + "/"
	return head + strings.TrimPrefix(a.String(), head+"/")
}

// plain tells whether all that is beyond the first four factors is at its
// default: the workload as it was reported.
func (g regime) reported() bool {
	return g == regime{DNS: g.DNS, Names: g.Names, Observer: g.Observer}
}

func (r *Report) regimes() []regime {
	var out []regime
	for _, a := range r.arms() {
		if g := regimeOf(a); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// seen is what was seen of one regime.
type seen struct {
	regime
	trials    []trial
	connected series
	late      int // trials with a delay
	undecided int // that may have had one
}

// peers is how many peers each pod asked for; 0: all, or index 0 only.
func (f seen) peers() int {
	if len(f.trials) == 0 {
		return 0
	}
	return f.trials[0].v.Trial.Sample.Peers
}

func (r *Report) seen() []seen {
	var out []seen
	for _, g := range r.regimes() {
		f := seen{regime: g, trials: r.of(g.holds)}
		f.connected = collect(f.trials, func(v *judge.Verdict) judge.Measurement { return v.Connected.Lag })
		f.late, f.undecided = f.connected.delayed(late)
		out = append(out, f)
	}
	return out
}

// worst is the longest trial's time.
func (f seen) worst() time.Duration {
	_, most := f.connected.width()
	return most.d
}

// prompt tells that there was no delay, and that this is known.
func (f seen) prompt() bool { return len(f.connected) > 0 && f.late+f.undecided == 0 }

// delayed are the trials with a delay.
func (f seen) delayed() []trial {
	var out []trial
	for _, t := range f.trials {
		if o := t.v.Connected.Lag; o.Known() && isLate(o, late) == yes {
			out = append(out, t)
		}
	}
	return out
}

// slowest are the regimes with a delay that is not the askers' own (a first
// question that the plan has later): those as reported before those with a
// further factor, a lone worker's (the headline) before those that ask more,
// the longest first.
func slowest(all []seen) []seen {
	out := slices.DeleteFunc(slices.Clone(all), func(f seen) bool { return f.late == 0 || f.holder() == judge.StageUnasked })
	rank := func(f seen) int {
		n := 0
		if !f.reported() {
			n += 2
		}
		if f.Observer != record.Solo {
			n++
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b seen) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.worst(), a.worst()))
	})
	return out
}
