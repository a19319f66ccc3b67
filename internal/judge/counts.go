package judge

import (
	"cmp"

	"headless-job-dns/internal/record"
)

// Counts are what the client's view held beside right answers, and how dials
// ended. A search domain's denials are not counted: they say nothing about the
// peer's name.
type Counts struct {
	Questions int
	// Denials by what their SOA's TTL proves. At the full TTL a denial is
	// fresh or was cached for less than a second.
	ProvenCached int
	Undecided    int
	Stale        []Stale // answers with an address that is not the peer's
	Failed       int     // time-outs, SERVFAIL and everything else that is no answer

	DialTimeouts int // connects that ended in silence, at the limit or the kernel's
	SilentRight  int // of these, to an address that is the peer's own
	DialRefused  int // refused or unreachable
	DialCut      int // ended by the probe's deadline
	WrongPeer    int // connects that another pod than the asked one answered
	Unidentified int // connects to something that did not say who it is
}

// Stale is how often answers held an address of one owner.
type Stale struct {
	Owner Owner
	Count int
}

// Denials is the number of all denials.
func (c Counts) Denials() int { return c.ProvenCached + c.Undecided }

// StaleAnswers is the number of all stale answers.
func (c Counts) StaleAnswers() int {
	n := 0
	for _, s := range c.Stale {
		n += s.Count
	}
	return n
}

func (c *Counts) stale(by Owner, n int) {
	for i := range c.Stale {
		if c.Stale[i].Owner == by {
			c.Stale[i].Count += n
			return
		}
	}
	c.Stale = append(c.Stale, Stale{by, n})
}

// Add adds the counts of another pair or trial.
func (c *Counts) Add(o Counts) {
	c.Questions += o.Questions
	c.ProvenCached += o.ProvenCached
	c.Undecided += o.Undecided
	c.Failed += o.Failed
	c.DialTimeouts += o.DialTimeouts
	c.SilentRight += o.SilentRight
	c.Unidentified += o.Unidentified
	c.DialRefused += o.DialRefused
	c.DialCut += o.DialCut
	c.WrongPeer += o.WrongPeer
	for _, s := range o.Stale {
		c.stale(s.Owner, s.Count)
	}
}

// denial counts a run of denials, or of other answers whose TTL says as much.
func (c *Counts) denial(a answer, full uint32) {
	n := count(a.closed)
	top, atTop := a.firstTTL(), 1
	if a.closed != nil && a.closed.TopTTL != nil {
		top, atTop = a.closed.TopTTL, min(max(a.closed.AtTop, 0), n)
	}
	switch {
	case top == nil || full == 0:
		c.Undecided += n
	case *top < full:
		c.ProvenCached += n
	case a.closed == nil:
		c.Undecided += n
	default:
		c.ProvenCached += n - atTop
		c.Undecided += atTop
	}
}

// denials tells the answers whose TTL is the SOA's.
func denials(c record.Class) bool { return c == record.NXDomain || c == record.NoData }

// addresses tells those whose TTL is the records'.
func addresses(c record.Class) bool { return c == record.Address }

// fullTTL is the TTL of a client's answer that no cache has aged: the
// configuration's where that is known, or the highest that a client saw. An
// answer with less was cached for certain. What the DNS servers themselves say
// is left out: a cache in front of them may cut it.
func (j *judgement) fullTTL(of func(record.Class) bool) uint32 {
	var full uint32
	if f := j.t.Plan.Arm.DNS.Facts(); of(record.Address) {
		full = f.TTL
	} else {
		full = cmp.Or(f.DenialTTL, f.TTL)
	}
	for _, l := range j.logs {
		for i := range l.answers {
			a := &l.answers[i]
			if a.View != record.Client || a.Suffix != "" || !of(a.Class) {
				continue
			}
			full = max(full, deref(a.firstTTL()))
			if a.closed != nil {
				full = max(full, deref(a.closed.TopTTL))
			}
		}
	}
	return full
}

// firstTTL is the governing TTL of a run's first answer in seconds, nil where
// it had none.
func (a *answer) firstTTL() *uint32 {
	if a.Class == record.Address {
		return a.TTL
	}
	return a.SOATTL
}

// lastTTL is that of its last.
func (a *answer) lastTTL() *uint32 {
	switch {
	case a.closed == nil:
		return a.firstTTL()
	case a.Class == record.Address:
		return a.closed.TTL
	}
	return a.closed.SOATTL
}

func deref(ttl *uint32) uint32 {
	if ttl == nil {
		return 0
	}
	return *ttl
}
