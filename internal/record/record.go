// Package record defines what a probe writes to its standard output: JSON lines
// of one versioned schema, the only thing that passes from the pods to the
// runner. Both sides import these types; nothing else describes them.
//
// All times named T, Asked, Prev, Last or Until are nanoseconds on the probe's
// monotonic clock since the first instruction of its main function. Equal
// consecutive answers are run-length encoded: an Answer line opens a run and a
// Closed line with its length ends it, so that a log that ends early still holds
// every change, and two replicas that disagree do not fill it.
package record

// Version is the schema version that every line carries. It changes when a
// reader of the old schema would misread the new one.
const Version = 1

// Line is one line of a probe's log. Exactly one of the pointers is set.
type Line struct {
	V int   `json:"v"`
	T int64 `json:"t"` // when the line's fact was known, ns since process start

	Start   *Start   `json:"start,omitempty"`
	Check   *Check   `json:"check,omitempty"`
	Answer  *Answer  `json:"answer,omitempty"`
	Dial    *Dial    `json:"dial,omitempty"`
	Closed  *Closed  `json:"closed,omitempty"`
	Caching *Caching `json:"caching,omitempty"`
	Done    *Done    `json:"done,omitempty"`
}

// Observer says what a probe asks. Every question can change the next answer,
// so what is asked is a factor of the experiment.
type Observer string

const (
	// Solo asks what one worker of the original workload asked: index 0
	// listens, every other pod resolves and joins index 0 by libzmq's rules.
	Solo Observer = "solo"
	// Peers asks for every peer's address, or for those of a Sample, through the
	// pod's own resolver.
	Peers Observer = "peers"
	// PeersServer is Peers plus the uncached view of every DNS replica.
	PeersServer Observer = "peers+server"
	// Prime fills the caches: at a fixed time each pod (or index 0 alone) asks
	// every DNS replica directly, and what resolv.conf names, for its own name,
	// again only until it gets an address. It prepares; it is not judged.
	Prime Observer = "prime"
	// EmptyService asks for pod 0 of another Job, until it has had an address and
	// then none for a while: for how long that of a pod that is gone is answered.
	EmptyService Observer = "empty-service"
	// Caching finds out how a DNS configuration caches; it asks only for
	// names that no trial uses.
	CachingCheck Observer = "caching"
)

// Start is the first line of every log.
type Start struct {
	Run       string   `json:"run,omitempty"`   // the runner's id for the whole experiment
	Trial     string   `json:"trial,omitempty"` // the trial this pod belongs to
	Observer  Observer `json:"observer"`
	Namespace string   `json:"namespace"`
	Job       string   `json:"job"`
	Service   string   `json:"service"`
	Pod       string   `json:"pod,omitempty"`
	UID       string   `json:"uid,omitempty"`
	Node      string   `json:"node,omitempty"`
	Index     int      `json:"index"`
	Pods      int      `json:"pods"`
	Sample    Sample   `json:"sample,omitzero"` // for whom it asks, with Peers and PeersServer
	Domain    string   `json:"domain"`          // cluster domain, no dots at the ends

	Addresses []string `json:"addresses"`      // this pod's own, loopback and link-local left out
	Wall      int64    `json:"wall"`           // Unix ns at T=0
	Boot      string   `json:"boot,omitempty"` // kernel boot id: equal ids share one clock
	// ns from the process's creation (before the runtime's exec) to the first
	// instruction of main, to 10 ms
	Age int64 `json:"age,omitempty"`

	Interval        int64 `json:"interval"`                    // ns between questions of one stream
	Deadline        int64 `json:"deadline"`                    // ns; nothing is asked after it
	FirstQueryAfter int64 `json:"first_query_after,omitempty"` // ns
	ConnectTimeout  int64 `json:"connect_timeout,omitempty"`   // ns, solo workers; 0 = the kernel decides

	Resolv   Resolv   `json:"resolv"`
	Replicas []string `json:"replicas,omitempty"` // host:port of each DNS replica, as told by the runner

	Kernel           string `json:"kernel,omitempty"`
	SynRetries       *int   `json:"tcp_syn_retries,omitempty"` // nil: the kernel has no such setting
	SynLinearRetries *int   `json:"tcp_syn_linear_timeouts,omitempty"`
}

// Resolv is what the pod's resolv.conf says.
type Resolv struct {
	Servers  []string `json:"servers"` // host:port
	Search   []string `json:"search,omitempty"`
	Ndots    int      `json:"ndots"`
	Timeout  int      `json:"timeout_s"` // seconds
	Attempts int      `json:"attempts"`
	Text     string   `json:"text,omitempty"`
}

// Check says whether a server answers questions of unserved types as CoreDNS
// does: NODATA where the name exists, NXDOMAIN where it does not. Only then is
// the uncached view of that server meaningful.
type Check struct {
	Server  string `json:"server"`
	OK      bool   `json:"ok"`
	Present string `json:"present"` // class seen for a name that exists; empty: all ended before an answer came
	Absent  string `json:"absent"`  // class seen for one that does not
}

// View tells which question was asked.
type View string

const (
	// A or AAAA through resolv.conf, as an application asks; in Prime, of one
	// server that it names
	Client   View = "client"
	Uncached View = "uncached" // an unserved type, once per key, of one replica directly
	Direct   View = "direct"   // A or AAAA of one replica directly (Prime only)
)

// Class sorts the answers to a question.
type Class string

const (
	Address    Class = "address"  // NOERROR with at least one address
	NoData     Class = "nodata"   // NOERROR without one: the name exists
	NXDomain   Class = "nxdomain" // the name does not exist
	ServFail   Class = "servfail"
	Refused    Class = "refused"
	OtherRcode Class = "rcode"   // any other response code; see Answer.Rcode
	Timeout    Class = "timeout" // no answer within the resolver's time-out
	Error      Class = "error"   // no usable answer: malformed, wrong id, socket error; see Answer.Err
)

// Answer opens a run of equal answers to one stream of questions. A stream is
// (peer, view, type, name suffix), for Uncached and Direct and in Prime also the
// server, which the probe chose; a run is (stream, server, class, addresses). TTLs
// that count down belong to one run. Runs of one stream overlap while their
// answers alternate, as they do where two replicas disagree behind one
// address; a run is closed when many others have come since its last answer.
type Answer struct {
	ID     int    `json:"id"` // number of the run in this log; Closed refers to it
	Peer   int    `json:"peer"`
	View   View   `json:"view"`
	Type   string `json:"type"`             // "A", "AAAA"; for Uncached the type asked first, e.g. "TYPE65280"
	Suffix string `json:"suffix,omitempty"` // search domain appended after the full name, solo only
	Server string `json:"server"`

	Class  Class    `json:"class"`
	Rcode  string   `json:"rcode,omitempty"`
	Addrs  []string `json:"addrs,omitempty"`   // sorted
	TTL    *uint32  `json:"ttl,omitempty"`     // seconds, smallest of the answer's records
	SOATTL *uint32  `json:"soa_ttl,omitempty"` // seconds, of a negative answer's SOA record
	Err    string   `json:"err,omitempty"`

	Asked int64 `json:"asked"` // when this question was sent; the answer came at Line.T
	Prev  int64 `json:"prev"`  // when the stream's question before this one was sent; -1: this was the first
}

// Dial opens a run of equal outcomes of TCP connects to one address.
type Dial struct {
	ID      int     `json:"id"`
	Peer    int     `json:"peer"`
	Addr    string  `json:"addr"`            // without port
	Asked   int64   `json:"asked"`           // connect called; Line.T is when its outcome was known
	Limit   int64   `json:"limit,omitempty"` // ns allowed; 0 = the kernel decides
	Outcome Outcome `json:"outcome"`
	Err     string  `json:"err,omitempty"`
	Who     *Who    `json:"who,omitempty"`    // who answered, when connected
	WhoAt   int64   `json:"who_at,omitempty"` // when Who had been read: Who.Wall lies between Asked and WhoAt
}

// Outcome sorts the ends of a connect.
type Outcome string

const (
	Connected   Outcome = "connected"
	ConnRefused Outcome = "refused"
	Unreachable Outcome = "unreachable"
	DialTimeout Outcome = "timeout" // the limit, or the kernel's own, ran out
	DialCut     Outcome = "cut"     // the probe was done, or told to end, before it was known: censored
	DialError   Outcome = "error"
)

// Who is how a probe identifies itself to whoever connects: one JSON line,
// sent at once, nothing read.
type Who struct {
	Run   string `json:"run,omitempty"`
	Trial string `json:"trial,omitempty"`
	Job   string `json:"job"`
	Pod   string `json:"pod,omitempty"`
	UID   string `json:"uid,omitempty"`
	Index int    `json:"index"`
	Wall  int64  `json:"wall"` // Unix ns when the line was written
}

// Closed ends the run of answers or dials with the same ID.
type Closed struct {
	ID     int     `json:"id"`
	Count  int     `json:"count"`         // answers in the run, the first included
	Last   int64   `json:"last"`          // when the last one was received
	Until  int64   `json:"until"`         // when the last one had been asked
	TTL    *uint32 `json:"ttl,omitempty"` // of the last one
	SOATTL *uint32 `json:"soa_ttl,omitempty"`
	MaxRTT int64   `json:"max_rtt,omitempty"` // ns
	MinRTT int64   `json:"min_rtt,omitempty"` // ns

	// TopTTL is the highest governing TTL of the run in seconds (the SOA's
	// for a denial, the record's for an address) and AtTop how many answers
	// had it. A denial below the zone's full TTL was cached for certain; one
	// at the full TTL may be fresh or cached for less than a second.
	TopTTL *uint32 `json:"top_ttl,omitempty"`
	AtTop  int     `json:"at_top,omitempty"`
}

// Caching is what the caching observer saw of one server: TTLs of the same
// question asked repeatedly, about 1.1 s apart.
type Caching struct {
	Server   string   `json:"server"`
	Positive []uint32 `json:"positive"` // TTLs of an existing name's A record
	Negative []uint32 `json:"negative"` // SOA TTLs of a missing name's denial
	Err      string   `json:"err,omitempty"`
}

// Done is the last line that a probe writes; after it the probe stays up,
// listens, and asks nothing.
type Done struct {
	Reason string `json:"reason"` // complete, deadline, released, error
	Err    string `json:"err,omitempty"`
	// sent, by view; those of Check and Caching lines as "check" and "caching"
	Questions map[string]int `json:"questions,omitempty"`
	RSS       int64          `json:"rss,omitempty"` // peak resident bytes
}
