package main

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// quickFor is how long looks are quick once a record is due: those of pods
	// that start together come within a second or two.
	quickFor = 2 * time.Second
	// quickest is the least time between quick looks, whatever --interval says:
	// record.Interval's own least. Two bursts of it take 200 keys of 508.
	quickest = 20 * time.Millisecond
)

// schedule says when the next look is due: quickly for quickFor after each
// wakeup, slowly otherwise. Half of the keys are for either, so that slow looks
// last until the deadline however many wakeups there are. Times are ns.
type schedule struct {
	quick, slow int64
	left        int   // quick looks that may still be made
	until       int64 // looks are quick until then
	last, next  int64 // looks
}

func newSchedule(interval, deadline time.Duration, keys int) *schedule {
	quick := max(interval, quickest)
	slow := deadline / time.Duration(max(1, keys-keys/2-1)) // one is the first look
	return &schedule{quick: int64(quick), slow: int64(max(quick, slow)), left: keys / 2}
}

// looked notes when a look was made.
func (s *schedule) looked(at int64) {
	s.last, s.next = at, at+s.slow
	if at < s.until && s.left > 0 {
		s.left--
		s.next = at + s.quick
	}
}

// wake notes that the record is due. A slow look that is waited for becomes a
// quick one.
func (s *schedule) wake(now int64) {
	if quick := s.last + s.quick; quick < s.next && s.left > 0 {
		s.left--
		s.next = quick
	}
	s.until = now + int64(quickFor)
}

// wait waits for the time of the next look and reports whether ctx was still
// alive then.
func (s *schedule) wait(ctx context.Context, now func() int64, wakeups <-chan struct{}) bool {
	for {
		timer := time.NewTimer(time.Duration(s.next - now()))
		select {
		case <-timer.C:
			return ctx.Err() == nil
		case <-wakeups:
			s.wake(now())
		case <-ctx.Done():
			return false
		}
	}
}

// wakeups tells the looks at a name that its record is due: the resolver or
// another replica knows the peer, or somebody new has connected to this pod,
// which a peer does soon after its start.
type wakeups struct {
	mu    sync.Mutex
	looks map[int][]chan struct{} // by peer
	heard map[netip.Addr]bool     // who has connected
}

// watch returns a channel that receives the wakeups of one peer.
func (w *wakeups) watch(peer int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	look := make(chan struct{}, 1)
	if w.looks == nil {
		w.looks = map[int][]chan struct{}{}
	}
	w.looks[peer] = append(w.looks[peer], look)
	return look
}

// wake wakes the looks at one peer's name.
func (w *wakeups) wake(peer int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wakeAll(w.looks[peer])
}

// connected takes the first connect from an address for a wakeup of every peer:
// whose address it is, no name tells yet.
func (w *wakeups) connected(from netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.heard[from] || len(w.heard) >= maxPods {
		return
	}
	if w.heard == nil {
		w.heard = map[netip.Addr]bool{}
	}
	w.heard[from] = true
	for _, looks := range w.looks {
		wakeAll(looks)
	}
}

func wakeAll(looks []chan struct{}) {
	for _, look := range looks {
		select {
		case look <- struct{}{}:
		default: // it is awake
		}
	}
}
