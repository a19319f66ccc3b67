package report

import (
	"slices"
	"time"

	"headless-job-dns/internal/judge"
)

// parts are the parts of a pair's time in the order of the chain.
var parts = []judge.Part{
	judge.PartCreate, judge.PartSchedule, judge.PartAddress, judge.PartStart, judge.PartReady, judge.PartService, judge.PartSlice, judge.PartServer,
	judge.PartUnasked, judge.PartDenial, judge.PartDenied, judge.PartStale, judge.PartNoAnswer, judge.PartPolling, judge.PartConnect,
}

// partHeads are the parts' names as columns.
var partHeads = map[judge.Part]string{
	judge.PartCreate: "created", judge.PartSchedule: "scheduled", judge.PartAddress: "pod IP", judge.PartStart: "started", judge.PartReady: "Ready", judge.PartService: "Service", judge.PartSlice: "in slice", judge.PartServer: "on server",
	judge.PartUnasked: "not asked", judge.PartDenial: "cached denial", judge.PartDenied: "denied", judge.PartStale: "stale", judge.PartNoAnswer: "no answer", judge.PartPolling: "polling", judge.PartConnect: "connecting",
}

// partWords put a part into words where its own name does not say enough.
var partWords = map[judge.Part]string{
	judge.PartDenial:   "a DNS cache kept \"does not exist\"",
	judge.PartDenied:   "answers \"does not exist\", fresh or from a cache, which cannot be told here",
	judge.PartStale:    "answers held an IP that is not the asked pod's",
	judge.PartNoAnswer: "questions without a usable answer (time-outs, SERVFAIL)",
	judge.PartServer:   "the record's way to the DNS servers",
	judge.PartService:  "the headless Service being created after its pods",
	judge.PartSlice:    "the pod's way into an EndpointSlice",
	judge.PartReady:    "Ready being reported",
	judge.PartAddress:  "the pod's start until its IP was reported",
	judge.PartStart:    "the pod's start until its process ran",
	judge.PartUnasked:  "the asker's own first question being later",
	judge.PartPolling:  "the asker's own pause before it asked again",
	judge.PartConnect:  "connecting although the answer was right",
}

// partHow says how a part comes to hold anybody up, where that is not plain.
var partHow = map[judge.Part]string{
	judge.PartDenial: "asked for before the record was there and answered on after it was",
	judge.PartStale:  "and connects to it get no answer",
}

func inWords(p judge.Part) string {
	if w, ok := partWords[p]; ok {
		return w
	}
	return code(string(p))
}

// spent is where the time from the Job's creation until the last pair was
// connected went: means over trials, so that the parts add up to the total.
type spent struct {
	n        int // trials
	took     map[judge.Part]time.Duration
	total    time.Duration
	censored int // of the trials; their totals are bounds
}

// where adds up the shares of the trials that have them.
func where(trials []trial) spent {
	return sum(trials, func(t trial) ([]judge.Share, judge.Outcome) { return t.v.Shares, t.v.Connected.Since })
}

// sum adds up shares and makes means of them; total is what they add up to.
func sum(trials []trial, of func(trial) (shares []judge.Share, total judge.Outcome)) spent {
	s := spent{took: map[judge.Part]time.Duration{}}
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
			s.took[sh.Part] += sh.Took
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
func (s spent) most() (judge.Part, time.Duration) {
	var most judge.Part
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
	var columns []judge.Part
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
