package judge

import (
	"headless-job-dns/internal/experiment"
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
	Stale        []Stale // answers with an address that is not the asked pod's
	Failed       int     // time-outs, SERVFAIL and everything else that is no answer

	DialTimeouts int // connects that ended in silence, at the limit or the kernel's
	SilentRight  int // of these, to an address that is the asked pod's own
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

// denial counts a run of denials.
func (c *Counts) denial(a answer, full uint32) {
	n := count(a.closed)
	top, atTop := a.SOATTL, 1
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

// kubeadmTTL is `ttl 30` in kubeadm's Corefile, which both private
// configurations keep.
const kubeadmTTL = 30

// fullTTL is the TTL of a denial that no cache has aged: the highest that the
// trial saw in any view, or the configuration's where that is known.
func (j *judgement) fullTTL() uint32 {
	var full uint32
	switch j.t.Plan.Arm.DNS {
	case experiment.Kubeadm131, experiment.Kubeadm132:
		full = kubeadmTTL
	}
	for _, l := range j.logs {
		for _, a := range l.answers {
			if a.Class != record.NXDomain && a.Class != record.NoData || a.Suffix != "" {
				continue
			}
			for _, ttl := range []*uint32{a.SOATTL, closedTop(a)} {
				if ttl != nil {
					full = max(full, *ttl)
				}
			}
		}
	}
	return full
}

func closedTop(a answer) *uint32 {
	if a.closed == nil {
		return nil
	}
	return a.closed.TopTTL
}
