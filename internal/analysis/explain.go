package analysis

import (
	"fmt"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Decision is what a run says of an explanation.
type Decision string

// Supported: the run shows it at work. Refuted: the run made the observation
// that would have shown it, and it was not there; about this cluster and these
// configurations. NotTestable: it did not make that observation.
const (
	Supported   Decision = "supported"
	Refuted     Decision = "refuted"
	NotTestable Decision = "not testable"
)

// Explanation is an offered explanation of the delay with the number that
// decides it.
type Explanation struct {
	What     string   `json:"what"`
	Number   string   `json:"number"`
	Decision Decision `json:"decision"`
}

// firstRetry is the EndpointSlice controller's first pause after a sync that
// failed (kubernetes pkg/controller/endpointslice, defaultSyncBackOff): what is
// in a slice sooner was not held by it.
const firstRetry = time.Second

// facts are what explanations need of a trial beside its lags, the longest over
// its pods.
type facts struct {
	toReady  time.Duration // process running until Ready was reported
	toSlice  time.Duration // Ready reported until in an EndpointSlice
	apart    time.Duration // the first DNS server has a name until the last has it
	servers  int           // at most so many were asked for one name
	observed bool          // a pod's Ready and its slice were reported
}

func newFacts(v *judge.Verdict) facts {
	var f facts
	for _, m := range v.Moments {
		if m.Started.Known() && m.Ready.Known() {
			f.toReady = max(f.toReady, m.Ready.Value-m.Started.Value)
		}
		if m.Ready.Known() && m.InSlice.Known() {
			f.observed = true
			f.toSlice = max(f.toSlice, m.InSlice.Value-m.Ready.Value)
		}
	}
	for _, p := range v.Pairs {
		var first, last time.Duration
		n, seen := 0, false
		for _, s := range p.Servers {
			lag := s.Seen.Lag
			if !lag.Known() {
				continue
			}
			n++
			last = max(last, lag.Value) // where it is censored, the server had not the name when the looks ended
			if !lag.Censored && (!seen || lag.Value < first) {
				first, seen = lag.Value, true
			}
		}
		if !seen {
			continue
		}
		f.apart = max(f.apart, last-first)
		f.servers = max(f.servers, n)
	}
	return f
}

// Explanations are those that were offered for the slow start, decided.
func (a *Analysis) Explanations() []Explanation {
	all := a.valid(func(plan.Arm) bool { return true })
	reused := a.valid(func(arm plan.Arm) bool { return arm.Names == plan.Reused })
	jobFirst := a.valid(func(arm plan.Arm) bool { return arm.Order == plan.JobFirst })
	out := []Explanation{
		held("A DNS cache keeps the address of a deleted pod", reused, KeptAddress),
		held("The record of a deleted pod is not withdrawn", reused, OldRecord),
		held("A DNS cache keeps \"does not exist\"", all, KeptDenial),
		held("The Service is created after its pods", jobFirst, LatePublish),
		held("Questions to the DNS are lost", all, Lost),
		network(all),
	}
	// Where it would make trials late, one must be held by its cause too.
	longest := func(what, of string, limit time.Duration, by Cause, value func(facts) (time.Duration, bool)) {
		e := Explanation{What: what, Number: "not observed", Decision: NotTestable}
		var most time.Duration
		seen, held := false, by == ""
		for _, t := range all {
			held = held || t.Cause == by
			if d, ok := value(t.facts); ok {
				most, seen = max(most, d), true
			}
		}
		if seen {
			e.Number = fmt.Sprintf("%s: longest %.2f s; limit %v", of, most.Seconds(), limit)
			if e.Decision = Refuted; most > limit && held {
				e.Decision = Supported
			}
		}
		out = append(out, e)
	}
	longest("The kubelet reports late that a pod runs", "process running until Ready", Late, "",
		func(f facts) (time.Duration, bool) { return f.toReady, f.toReady > 0 })
	longest("The EndpointSlice controller fails and tries again later", "Ready until in a slice", firstRetry, LatePublish,
		func(f facts) (time.Duration, bool) { return f.toSlice, f.observed })
	longest("DNS servers get a record at different times", "between the first and the last server", Late, "",
		func(f facts) (time.Duration, bool) { return f.apart, f.servers > 1 })
	return append(out, a.member()...)
}

// held decides an explanation by the late trials that its cause held. That a
// trial was late for another cause does not refute it, that trials ran and none
// was held by it does.
func held(what string, trials []Trial, c Cause) Explanation {
	late, by := 0, 0
	for _, t := range trials {
		if is, _ := t.Late(); is {
			late++
		}
		if t.Cause == c {
			by++
		}
	}
	e := Explanation{What: what, Decision: Refuted}
	e.Number = fmt.Sprintf("held %d of %d late trials (%d run)", by, late, len(trials))
	switch {
	case by > 0:
		e.Decision = Supported
	case len(trials) == 0:
		e.Number, e.Decision = "no trial that could show it", NotTestable
	}
	return e
}

// network decides by the connects that ended in silence whether the network to
// new pods is late: then some went to a right address.
func network(trials []Trial) Explanation {
	silent, right := 0, 0
	for _, t := range trials {
		silent += t.Counts.DialTimeouts
		right += t.Counts.SilentRight
	}
	e := Explanation{
		What:     "The network to a new pod is not ready",
		Number:   fmt.Sprintf("%d of %d connects that timed out went to a right address", right, silent),
		Decision: Refuted,
	}
	switch {
	case right > 0:
		e.Decision = Supported
	case len(trials) == 0:
		e.Decision = NotTestable
	}
	return e
}

// member decides whether a pod inside the headless Service makes workers join
// sooner, by the plan's comparisons of it.
func (a *Analysis) member() []Explanation {
	var out []Explanation
	for _, f := range a.Findings() {
		if f.With.Extra != plan.ExtraMemberPod || f.Contrast.Control.Extra != plan.ExtraNone || !f.Primary {
			continue
		}
		e := Explanation{What: "A pod inside the headless Service makes workers join sooner", Decision: NotTestable}
		e.Number = string(f.Verdict)
		if f.Stats != nil {
			e.Number = fmt.Sprintf("difference %+.2f s, %s", f.Stats.Difference(), f.Verdict)
			switch sooner := f.Stats.Difference() < 0; {
			case f.Verdict == stats.Differs && sooner:
				e.Decision = Supported
			case f.Verdict != stats.Inconclusive:
				e.Decision = Refuted
			}
		}
		out = append(out, e)
	}
	return out
}
