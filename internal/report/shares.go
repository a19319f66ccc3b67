package report

import (
	"slices"
	"time"

	"headless-job-dns/internal/judge"
)

// parts are the parts of a pair's time in the order of the chain.
var parts = []judge.Stage{
	judge.StageCreate, judge.StageSchedule, judge.StageAddress, judge.StageStart, judge.StageReady, judge.StageService, judge.StageSlice, judge.StageServer,
	judge.StageUnasked, judge.StageDenial, judge.StageDenied, judge.StageStale, judge.StageNoAnswer, judge.StagePolling,
	judge.StageAnswer, judge.StageConnect,
}

// partHeads are the parts' names as columns.
var partHeads = map[judge.Stage]string{
	judge.StageCreate: "created", judge.StageSchedule: "scheduled", judge.StageAddress: "pod IP", judge.StageStart: "started", judge.StageReady: "Ready", judge.StageService: "Service", judge.StageSlice: "in slice", judge.StageServer: "on server",
	judge.StageUnasked: "not asked", judge.StageDenial: "cached denial", judge.StageDenied: "denied", judge.StageStale: "stale", judge.StageNoAnswer: "no answer", judge.StagePolling: "polling",
	judge.StageAnswer: "answer", judge.StageConnect: "connecting",
}

// partWords put a part into words where its own name does not say enough.
var partWords = map[judge.Stage]string{
	judge.StageDenial:   "a DNS cache kept \"does not exist\"",
	judge.StageDenied:   "answers \"does not exist\", fresh or from a cache, which cannot be told here",
	judge.StageStale:    "answers held an IP that is not the asked pod's",
	judge.StageNoAnswer: "questions without a usable answer (time-outs, SERVFAIL)",
	judge.StageServer:   "the record's way to the DNS servers",
	judge.StageService:  "the headless Service being created after its pods",
	judge.StageSlice:    "the pod's way into an EndpointSlice",
	judge.StageReady:    "Ready being reported",
	judge.StageAddress:  "the pod's start until its IP was reported",
	judge.StageStart:    "the pod's start until its process ran",
	judge.StageUnasked:  "the asker's own first question being later",
	judge.StagePolling:  "the asker's own pause before it asked again",
	judge.StageAnswer:   "the answer being on its way",
	judge.StageConnect:  "connecting although the answer was right",
}

// partHow says how a part comes to hold anybody up, where that is not plain.
var partHow = map[judge.Stage]string{
	judge.StageDenial: "asked for before the record was there and answered on after it was",
	judge.StageStale:  "and connects to it get no answer",
}

func inWords(p judge.Stage) string {
	if w, ok := partWords[p]; ok {
		return w
	}
	return code(string(p))
}

// spent is where the time from the Job's creation until the last pair was
// connected went: means over trials, so that the parts add up to the total.
type spent struct {
	n        int // trials
	took     map[judge.Stage]time.Duration
	total    time.Duration
	censored int // of the trials; their totals are bounds
}

// where adds up the shares of the trials that have them.
func where(trials []trial) spent {
	return sum(trials, func(t trial) ([]judge.StageTime, judge.Measurement) { return t.v.StageTimes, t.v.Connected.Since })
}

// sum adds up shares and makes means of them; total is what they add up to.
func sum(trials []trial, of func(trial) (shares []judge.StageTime, total judge.Measurement)) spent {
	s := spent{took: map[judge.Stage]time.Duration{}}
	for _, t := range trials {
		shares, total := of(t)
		if len(shares) == 0 {
			continue
		}
		s.n++
		if total.Censored {
			s.censored++
		}
		for _, sh := range shares {
			s.took[sh.Stage] += sh.Took
			s.total += sh.Took
		}
	}
	if s.n == 0 {
		return s
	}
	for p := range s.took {
		s.took[p] /= time.Duration(s.n)
	}
	s.total /= time.Duration(s.n)
	return s
}

// most is the part with most of the time; of equal ones the first of the chain.
func (s spent) most() (judge.Stage, time.Duration) {
	var most judge.Stage
	for _, p := range parts {
		if s.took[p] > s.took[most] {
			most = p
		}
	}
	return most, s.took[most]
}

func (s spent) totalText() string {
	return bound{s.total, s.censored > 0, s.censored == s.n}.String()
}

// shareRows are a table of where the time went: a line for the late and one
// for the other trials of each regime, a column for each part that occurs.
func (r *Report) shareRows() [][]string {
	type line struct {
		name string
		spent
	}
	var lines []line
	for _, f := range r.seen() {
		delayed := f.delayed()
		others := slices.DeleteFunc(slices.Clone(f.trials), func(t trial) bool { return slices.ContainsFunc(delayed, func(d trial) bool { return d.v == t.v }) })
		for _, g := range []struct {
			what   string
			trials []trial
		}{{"late", delayed}, {"others", others}} {
			if s := where(g.trials); s.n > 0 {
				lines = append(lines, line{code(f.String()) + ", " + g.what, s})
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	head := []string{"mean", "trials", "total"}
	var columns []judge.Stage
	for _, p := range parts {
		if slices.ContainsFunc(lines, func(l line) bool { return l.took[p] > 0 }) {
			columns = append(columns, p)
			head = append(head, partHeads[p])
		}
	}
	rows := [][]string{head}
	for _, l := range lines {
		row := []string{l.name, count(l.n), l.totalText()}
		for _, p := range columns {
			cell := "-"
			if l.took[p] > 0 {
				cell = seconds(l.took[p])
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}
