package judge

import (
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/results"
)

// Clock is a node's clock as seen from the runner's.
type Clock struct {
	ID    string // kernel boot id, or what stands for it
	Pods  []int
	Same  bool          // it is the runner's own
	Bound bool          // Lo and Hi are known
	Lo    time.Duration // its reading minus the runner's, at least
	Hi    time.Duration // and at most
}

const (
	// unbound is more than any two clocks differ, with room to add two of it.
	unbound = int64(1) << 61
	// latestWall is the largest wall reading that is believed (the year
	// 2096): differences of two then stay below unbound.
	latestWall = int64(4_000_000_000_000_000_000)
	// slew is the fastest at which Linux lets a clock be corrected, 500 ppm.
	// Readings of one clock that lie apart may disagree by that much.
	slew = 500e-6
)

// clocks bounds the differences of the readings of all clocks of a run. Clock
// 0 is the runner's; pods on one kernel (equal boot ids) share one.
//
// Two facts bound a clock that is not the runner's. Causality: a process
// started after the Job was asked for and before its first line reached the
// runner. Exchanges: a peer's reading was taken between a dial and its end on
// the client's clock. The first is as wide as a pod start, the second as a
// round trip, so that differences between nodes are known far better than a
// node's place on the runner's axis. All bounds are combined by shortest
// paths, which gives the tightest that follow from them.
type clocks struct {
	ids []string
	// most[a][b] is the most by which a's reading can exceed b's.
	most [][]int64
}

// span returns the bounds of a's reading minus b's.
func (c *clocks) span(a, b int) (lo, hi int64) { return -c.most[b][a], c.most[a][b] }

// moment is a point in time on some axis, known to [lo, hi].
type moment struct {
	mid, lo, hi int64
	ok          bool
}

// orEarlier is the earlier of two moments that may not be known.
func (m moment) orEarlier(n moment) moment {
	switch {
	case !n.ok:
		return m
	case !m.ok:
		return n
	}
	return moment{min(m.mid, n.mid), min(m.lo, n.lo), min(m.hi, n.hi), true}
}

// notBefore is the later of two moments.
func (m moment) notBefore(n moment) moment {
	return moment{max(m.mid, n.mid), max(m.lo, n.lo), max(m.hi, n.hi), true}
}

// on moves a reading of clock a to the axis of clock b whose zero is b's
// reading zero.
func (c *clocks) on(a int, reading int64, b int, zero int64) moment {
	lo, hi := c.span(a, b)
	if lo <= -unbound || hi >= unbound {
		return moment{}
	}
	x := reading - zero
	return moment{mid: x - lo - (hi-lo)/2, lo: x - hi, hi: x - lo, ok: true}
}

func (m moment) error() time.Duration { return time.Duration(max(m.hi-m.mid, m.mid-m.lo)) }

// tieClocks gives every pod with a usable log its clock and bounds them all.
func (j *judgement) tieClocks() {
	c := &clocks{}
	j.clocks = c
	j.assignClocks(func(l *podLog) string { return l.start.Boot })
	j.boundByCausality()
	j.boundByExchanges()
	if !c.close() {
		// A clock was set during the trial, or a peer lied. What a pod
		// measured on its own clock still holds.
		j.note("the clocks contradict each other (one was set during the trial?): exchanges between peers are not used")
		c.reset()
		j.boundByCausality()
		if !c.close() {
			j.note("a clock was set during the trial: pods on one node are not taken to share one")
			j.assignClocks(func(*podLog) string { return "" })
			j.boundByCausality()
			if !c.close() { // no clock is between two that it has to be after and before
				c.reset()
			}
		}
	}
	j.describeClocks()
}

// assignClocks gives every pod with a usable log a clock, the same one to those
// with the same id; a pod without an id has one of its own. The runner's comes
// first.
func (j *judgement) assignClocks(id func(*podLog) string) {
	c := j.clocks
	c.ids = []string{j.t.Run.Boot}
	for _, l := range j.logs {
		if l.start == nil {
			continue
		}
		id := id(l)
		if id == "" {
			id = "pod " + l.pod.Name
		}
		l.clock = slices.Index(c.ids, id)
		if l.clock < 0 {
			l.clock = len(c.ids)
			c.ids = append(c.ids, id)
		}
	}
	c.reset()
}

func (c *clocks) reset() {
	c.most = make([][]int64, len(c.ids))
	for a := range c.most {
		c.most[a] = make([]int64, len(c.ids))
		for b := range c.most[a] {
			if a != b {
				c.most[a][b] = unbound
			}
		}
	}
}

// bound takes in that a's reading exceeds b's by so much at most. Of a clock and
// itself that can only be contradicted: it was set in between.
func (c *clocks) bound(a, b int, most int64) { c.most[a][b] = min(c.most[a][b], most) }

func (j *judgement) boundByCausality() {
	zero := j.t.Run.Zero.UnixNano()
	for _, l := range j.logs {
		if l.start == nil {
			continue
		}
		ahead := l.start.Wall - zero
		j.clocks.bound(l.clock, 0, ahead)
		if l.pod.LogStart > 0 {
			j.clocks.bound(0, l.clock, l.pod.LogStart-l.pod.Lines[0].T-ahead)
		}
	}
}

func (j *judgement) boundByExchanges() {
	byUID := map[string]*podLog{}
	for _, l := range j.logs {
		if l.pod.UID != "" && l.start != nil {
			byUID[l.pod.UID] = l
		}
	}
	for _, client := range j.logs {
		for _, d := range client.dials {
			if d.Who == nil || d.WhoAt < d.Asked || d.Who.Wall < 0 || d.Who.Wall > latestWall {
				continue
			}
			peer := byUID[d.Who.UID]
			if peer == nil {
				continue
			}
			apart := max(abs(time.Duration(d.WhoAt)), abs(time.Duration(d.Who.Wall-peer.start.Wall)))
			slack := int64(slew * float64(apart))
			wall := client.start.Wall
			j.clocks.bound(peer.clock, client.clock, d.Who.Wall-(wall+d.Asked)+slack)
			j.clocks.bound(client.clock, peer.clock, wall+d.WhoAt-d.Who.Wall+slack)
		}
	}
}

// close combines the bounds (Floyd and Warshall) and tells whether they agree.
func (c *clocks) close() bool {
	for k := range c.ids {
		for a := range c.ids {
			if c.most[a][k] >= unbound {
				continue
			}
			for b := range c.ids {
				if c.most[k][b] < unbound {
					c.most[a][b] = max(min(c.most[a][b], c.most[a][k]+c.most[k][b]), -unbound)
				}
			}
			if c.most[a][a] < 0 {
				return false
			}
		}
	}
	return true
}

func (j *judgement) describeClocks() {
	for i, id := range j.clocks.ids {
		lo, hi := j.clocks.span(i, 0)
		k := Clock{ID: id, Same: i == 0, Bound: lo > -unbound && hi < unbound}
		if k.Bound {
			k.Lo, k.Hi = time.Duration(lo), time.Duration(hi)
		}
		for _, l := range j.logs {
			if l.start != nil && l.clock == i {
				k.Pods = append(k.Pods, l.pod.Index)
			}
		}
		switch {
		case len(k.Pods) == 0: // the runner's, which no pod shares
			continue
		case !k.Bound:
			j.note("the clock of pods %v is not tied to the runner's: their times since the Job's creation are not known",
				k.Pods)
		}
		j.v.Clocks = append(j.v.Clocks, k)
	}
}

// own places a time of a pod's log on the runner's axis.
func (j *judgement) own(l *podLog, t int64) moment {
	if l.start == nil {
		return moment{}
	}
	return j.clocks.on(l.clock, l.start.Wall+t, 0, j.t.Run.Zero.UnixNano())
}

// zeroOf returns the zero of a pair's lag on the client's axis, or why it is not
// known: the client's process runs, and the peer is Ready or, where its name is
// published before that, has its address. ready is false where that was not
// seen; the zero is then when the peer existed.
//
// Ready is known from the watch's receipt of the condition or of an
// EndpointSlice that holds the pod as ready, whichever came first. The fact is
// earlier than that by the way from the kubelet through the API server, so
// that a lag is too short by as much and never too long.
func (j *judgement) zeroOf(client, peer *podLog) (zero moment, ready bool, why string) {
	events := &j.events[peer.pod.Index]
	receipt := func(t int64, ok bool) moment {
		if !ok {
			return moment{}
		}
		return j.clocks.on(0, j.t.Run.Zero.UnixNano()+t, client.clock, client.start.Wall)
	}
	var process moment
	if peer.start != nil {
		process = j.clocks.on(peer.clock, peer.start.Wall, client.clock, client.start.Wall)
	}
	addressed, hasAddress := events.at[results.Addressed]
	exists := process.orEarlier(receipt(addressed, hasAddress))
	if ready = j.t.Plan.Arm.Publish; ready {
		zero = exists
	} else {
		t, ok := events.at[results.Ready]
		zero = receipt(t, ok).orEarlier(receipt(events.inSlice, events.hasInSlice))
		if ready = zero.ok; !ready {
			zero = exists
		} else if process.ok { // a pod is not Ready before its process runs
			zero = zero.notBefore(process)
		}
	}
	if !zero.ok {
		return zero, false, fmt.Sprintf("when index %d was there is not known", peer.pod.Index)
	}
	return zero.notBefore(moment{ok: true}), ready, ""
}
