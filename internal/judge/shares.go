package judge

import "time"

// Part names what a stretch of time went to.
type Part string

// The parts of a pair's time from the request that created the Job until the
// asker was connected to the asked, in the order of the chain. The first eight
// are about whichever of the two pods was later.
const (
	PartCreate   Part = "creating the pod" // request to pod object
	PartSchedule Part = "scheduling"       // to a node assigned
	PartAddress  Part = "starting: until the pod IP is reported"
	PartStart    Part = "starting: until the process runs" // init containers included
	PartReady    Part = "until Ready is reported"
	PartSlice    Part = "until in an EndpointSlice"
	PartServer   Part = "until on the DNS server" // the uncached view; only where it was asked
	PartUnasked  Part = "not asked yet"           // the asker's own first question was later
	PartDenial   Part = "cached denial"           // told "does not exist" although the record was there
	PartDenied   Part = "denied, fresh or cached" // the same where it cannot be told
	PartStale    Part = "stale answer"            // an address that is not the asked pod's, and the dials to it
	PartNoAnswer Part = "no usable answer"        // time-outs, SERVFAIL, garbage
	PartPolling  Part = "until asked again"       // the asker's own interval or pause
	PartConnect  Part = "connecting"              // from a current answer to connected
)

// Share is how much of a pair's time went to one part.
type Share struct {
	Part  Part
	Took  time.Duration
	Clock time.Duration // its ends may be off by this much
	// Of a cached denial or a stale answer: how old the record was at most
	// when first and last seen, in seconds of TTL used up, and which server
	// gave it, where those are known.
	Age    [2]float64
	Server string
}
