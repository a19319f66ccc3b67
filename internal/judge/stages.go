package judge

import (
	"time"

	"headless-job-dns/internal/results"
)

// Stage names what a stretch of time went to.
type Stage string

// The stages of a pair's time from the request that created the Job until the
// client was connected to the peer, in the order of the chain. The first eight
// are of the pod that was later, the client's or the peer's; from StageUnasked
// on they are of the client.
const (
	StageCreate   Stage = "creating the pod" // request to pod object
	StageSchedule Stage = "scheduling"       // to a node assigned
	StageAddress  Stage = "starting: until the pod IP is reported"
	StageStart    Stage = "starting: until the process runs" // init containers included
	StageReady    Stage = "until Ready is reported"
	StageService  Stage = "until the Service exists" // it was created after the pod could have been in it
	StageSlice    Stage = "until in an EndpointSlice"
	StageServer   Stage = "until on the DNS server" // the last one, by the uncached view; only where it was asked
	StageUnasked  Stage = "not asked yet"           // the client's own first question was later
	StageDenial   Stage = "cached denial"           // told "does not exist" although the record was there
	StageDenied   Stage = "denied, fresh or cached" // the same where it cannot be told
	StageStale    Stage = "stale answer"            // an address that is not the peer's, and the connects to it
	StageNoAnswer Stage = "no usable answer"        // time-outs, SERVFAIL, garbage
	// the last answer was right when it came: the client's interval or pause
	StagePolling Stage = "until asked again"
	StageAnswer  Stage = "until answered" // from the question that got the right answer to that answer
	StageConnect Stage = "connecting"     // from the right answer to connected
)

// Stages lists every stage in the order of the chain.
var Stages = []Stage{
	StageCreate, StageSchedule, StageAddress, StageStart, StageReady, StageService, StageSlice, StageServer,
	StageUnasked, StageDenial, StageDenied, StageStale, StageNoAnswer, StagePolling, StageAnswer, StageConnect,
}

// stages is len(Stages).
const stages = 16

// PodMoments holds when one pod passed what others wait for, since just before
// the request that created the Job. What a watch reported is the time of receipt;
// the process' start is the pod's own time, put on the runner's axis. What the
// observer never looks for is lost with NotObserved.
type PodMoments struct {
	Index    int
	Started  Measurement
	Ready    Measurement
	InSlice  Measurement
	OnServer Measurement // its name on the last DNS server to have it
}

func (j *judgement) moments() []PodMoments {
	out := make([]PodMoments, len(j.logs))
	for i, l := range j.logs {
		e := &j.events[i]
		ready, ok := e.at[results.Ready]
		out[i] = PodMoments{
			Index: i, Started: j.started(l), Ready: received(ready, ok),
			InSlice: received(e.inSlice, e.hasInSlice), OnServer: j.onName[i],
		}
	}
	return out
}

func received(t int64, ok bool) Measurement {
	if !ok {
		return lost("not seen by the watch")
	}
	return Measurement{Value: time.Duration(t), Lo: time.Duration(t)}
}

func (j *judgement) started(l *podLog) Measurement {
	m := j.own(l, 0)
	switch {
	case l.start == nil:
		return lost(l.problem)
	case !m.ok:
		return lost("its clock is not tied to the runner's")
	}
	return Measurement{Value: time.Duration(m.mid), Lo: time.Duration(m.mid), Clock: m.error()}
}
