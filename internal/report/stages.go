package report

import (
	"fmt"
	"slices"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

// stageNames are the stages of the trials, in order.
func stageNames(trials []trial) []string {
	var out []string
	for _, t := range trials {
		for _, s := range t.v.StageEnds {
			if !slices.Contains(out, s.Name) {
				out = append(out, s.Name)
			}
		}
	}
	return out
}

// at and step collect one stage of the trials.
func stageAt(trials []trial, name string) series {
	return collectStage(trials, name, func(s judge.StageEnd) judge.Measurement { return s.At })
}

func stageStep(trials []trial, name string) series {
	return collectStage(trials, name, func(s judge.StageEnd) judge.Measurement { return s.Step })
}

func collectStage(trials []trial, name string, of func(judge.StageEnd) judge.Measurement) series {
	return collect(trials, func(v *judge.Verdict) judge.Measurement {
		i := slices.IndexFunc(v.StageEnds, func(s judge.StageEnd) bool { return s.Name == name })
		if i < 0 {
			return judge.Measurement{Lost: "not recorded"}
		}
		return of(v.StageEnds[i])
	})
}

// stageRows are a table of when the slowest pod passed each stage, a line for
// each combination.
func (r *Report) stageRows() [][]string {
	names := stageNames(r.of(everything))
	if len(names) == 0 {
		return nil
	}
	rows := [][]string{append([]string{"slowest pod, median"}, names...)}
	for _, a := range r.arms() {
		trials := r.of(only(a))
		if len(trials) == 0 {
			continue
		}
		row := []string{code(a.String())}
		for _, n := range names {
			row = append(row, stageAt(trials, n).medianText())
		}
		rows = append(rows, row)
	}
	return rows
}

// lost names the stage before which the delayed trials lost most.
func (f seen) lost() string {
	var delayed []trial
	for _, t := range f.trials {
		if o := t.v.Connected.Lag; o.Known() && isLate(o, late) == yes {
			delayed = append(delayed, t)
		}
	}
	var most bound
	var name string
	var steps series
	for _, n := range stageNames(delayed) {
		s := stageStep(delayed, n)
		if m, ok := s.median(); ok && m.d > most.d {
			most, name, steps = m, n, s
		}
	}
	if name == "" {
		return ""
	}
	text := fmt.Sprintf(" Largest step between stages in the late trials: %s (%s), until %q", most, steps.spread(), name)
	if f.Observer == record.Solo && total(delayed).DialTimeouts > 0 {
		text += "; a solo worker asks again only when its connect has ended"
	}
	return text + "."
}
