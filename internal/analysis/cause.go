package analysis

import (
	"time"

	"headless-job-dns/internal/judge"
)

// Cause is what held the slowest pair of a late trial, as the verdict's stages
// of its lag tell.
type Cause string

// The causes. What cannot be told apart has a name of its own.
const (
	KeptDenial  Cause = "kept denial"              // "does not exist", answered from a cache although the record was there
	Denial      Cause = "denial, kept or not"      // the same where nothing says whether a cache answered
	KeptAddress Cause = "kept old address"         // an earlier pod's address, from a cache: its TTL falls
	OldRecord   Cause = "old record not withdrawn" // an earlier pod's address whose TTL does not fall, or that outlives it
	OldAddress  Cause = "old address, kept or not" // asked too seldom to tell which of the two
	LatePublish Cause = "published late"           // Ready, and not yet in an EndpointSlice or on the DNS servers
	LateReady   Cause = "Ready late"               // the peer's process ran, and Ready was reported later
	Lost        Cause = "questions lost"           // time-outs, SERVFAIL, garbage
	LateAnswer  Cause = "answered late"            // from the question that got the right answer to that answer
	LateClient  Cause = "client asked late"        // its own first question, or its own pause
	Connecting  Cause = "connecting"               // the answer was right and the connect took its time
)

// causeOf is the cause that a stage stands for. Stages that are not here come
// before the lag.
var causeOf = map[judge.Stage]Cause{
	judge.StageReady:    LateReady,
	judge.StageService:  LatePublish,
	judge.StageSlice:    LatePublish,
	judge.StageServer:   LatePublish,
	judge.StageUnasked:  LateClient,
	judge.StageDenial:   KeptDenial,
	judge.StageDenied:   Denial,
	judge.StageStale:    OldAddress,
	judge.StageNoAnswer: Lost,
	judge.StagePolling:  LateClient,
	judge.StageAnswer:   LateAnswer,
	judge.StageConnect:  Connecting,
}

// cause is what held a pair for longest during its lag; empty where its times
// are not known. gone is as for oldAddress.
func cause(p judge.Pair, gone float64) Cause {
	took := map[Cause]time.Duration{}
	var longest Cause
	var stale judge.StageTime
	for _, s := range lagStages(p) {
		c, ok := causeOf[s.Stage]
		if !ok {
			continue
		}
		if took[c] += s.Took; took[c] > took[longest] {
			longest = c
		}
		if s.Stage == judge.StageStale {
			stale = s
		}
	}
	switch {
	case longest == OldAddress:
		return oldAddress(stale, gone)
	case longest == Denial && took[KeptDenial] > 0:
		return KeptDenial // some of them were from a cache for certain
	}
	return longest
}

// oldAddress tells a cache's answer from a record that is still there. A cache's
// was fetched before the record was withdrawn, so that its TTL falls and the
// answer ends with it. One that was fetched when the pod had been gone for longer
// than settling time was not withdrawn. gone is for how long the pod had been gone
// when the old address was first seen, in seconds; 0 where that is not known.
func oldAddress(s judge.StageTime, gone float64) Cause {
	const rounding, settling = 1, 1 // seconds: TTLs are whole ones
	switch first, last := s.Age[0], s.Age[1]; {
	case first < 0 || last < 0:
		return OldAddress
	case gone+s.Over.Seconds()-last > rounding+settling:
		return OldRecord
	case first > 0 || last > 0:
		return KeptAddress
	}
	return OldAddress // seen once, with a full TTL
}

// lagStages are the stages of a pair's time that belong to its lag: those of
// its time since the Job's creation less what came before both were there. The
// chain's stages are in their order, and only they reach back so far.
func lagStages(p judge.Pair) []judge.StageTime {
	before := p.Connected.Since.Value - p.Connected.Lag.Value
	var out []judge.StageTime
	for _, s := range p.StageTimes {
		skip := min(max(before, 0), s.Took)
		before -= skip
		if s.Took -= skip; s.Took > 0 {
			out = append(out, s)
		}
	}
	return out
}
