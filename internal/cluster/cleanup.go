package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// Looks while waiting: soon at first, for most deletions take a moment,
	// then as often as a busy API server does not notice.
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	// collectorGrace is how long the garbage collector has for what a deleted
	// controller leaves before it is deleted from here. Usually it takes a
	// second, and needs no right of the user's.
	collectorGrace = 10 * time.Second
)

// ledger is what this client has created. Another process may be using the same
// run id.
type ledger struct {
	mu    sync.Mutex
	names map[place]map[string]bool
}

func (l *ledger) add(kind string, o metav1.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place{kind, o.GetNamespace()}
	if l.names == nil {
		l.names = map[place]map[string]bool{}
	}
	if l.names[at] == nil {
		l.names[at] = map[string]bool{}
	}
	l.names[at][o.GetName()] = true
}

// places are where it created anything.
func (l *ledger) places() []place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.names))
}

// of returns what it created of these, which are in the order of deletion, and
// what controllers made. Whose owner is gone may be of either.
func (l *ledger) of(found []Leftover) []Leftover {
	l.mu.Lock()
	defer l.mu.Unlock()
	theirs := map[types.UID]bool{}
	return slices.DeleteFunc(found, func(o Leftover) bool {
		made := l.names[place{o.Kind, o.Namespace}][o.Name] || o.job != "" && l.names[place{"job", o.Namespace}][o.job]
		theirs[o.UID] = theirs[o.owner] || o.owner == "" && !made
		return theirs[o.UID]
	})
}

// Clear looks for what a run left that this client created, and sweeps it. A
// look that fails for a reason that may pass is repeated, until patience runs
// out for all of it. What is returned is as of Sweep; the error also says what
// was created of a kind that this user may not list, or no longer.
func (c *Client) Clear(ctx context.Context, s Scope, patience time.Duration) (left []Leftover, unknown error) {
	began := time.Now()
	var found Leftovers
	err := RetryTransient(ctx, patience, func(ctx context.Context) error {
		now, err := c.look(ctx, s)
		if err != nil {
			return err
		}
		found = now
		return found.blind(c.created.places())
	})
	found.Items = c.created.of(found.Items)
	left, unknown = c.Sweep(ctx, found, patience-time.Since(began))
	return c.created.of(left), errors.Join(err, unknown)
}

// Sweep deletes what a look found, and what controllers have made of it since,
// and waits until it is gone or patience runs out. It returns what is left and
// why. Nothing else is deleted: an object of the same name that came later has
// another UID. What carries a swept run's labels and came later is left and
// returned as well: then the run is alive.
//
// The error says that it cannot be known what is left (the list is of the last
// successful look), or is the context's.
func (c *Client) Sweep(ctx context.Context, found Leftovers, patience time.Duration) (left []Leftover, unknown error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w := sweep{c: c, began: time.Now(), ours: map[types.UID]bool{}, runs: map[string]bool{}, refused: map[types.UID]bool{},
		why: map[types.UID]string{}}
	for _, l := range found.Items {
		w.ours[l.UID], w.runs[l.Run] = true, true
	}
	left = slices.Clone(found.Items)
	var strangers []Leftover
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		now, err := c.lookAgain(limited, found, left)
		if err == nil {
			left, strangers = w.sort(now.Items)
			if len(left) == 0 || w.hopeless(left) {
				return append(w.explain(left), strangers...), nil
			}
			w.pass(limited, left)
			unknown = nil
		} else if limited.Err() == nil {
			unknown = err // the API server may be back at the next look
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
			if ctx.Err() != nil {
				unknown = ctx.Err()
			}
			return append(w.explain(left), strangers...), unknown
		}
	}
}

// lookAgain looks where a look was allowed. That what is left may no longer be
// listed is an error, except in a namespace that is going: what stands in it goes
// with it, as the right to look there may.
func (c *Client) lookAgain(ctx context.Context, before Leftovers, left []Leftover) (Leftovers, error) {
	now := Leftovers{run: before.run, refused: map[place]error{}}
	for _, p := range before.seen {
		if err := now.list(ctx, c, kinds[kindNumber(p.kind)], p.namespace); err != nil {
			return now, err
		}
	}
	going := map[string]bool{}
	for _, l := range left {
		going[l.Name] = going[l.Name] || l.Kind == "namespace"
	}
	var places []place
	for _, l := range left {
		if !going[l.Namespace] {
			places = append(places, place{l.Kind, l.Namespace}, place{l.Kind, metav1.NamespaceAll})
		}
	}
	now.sort()
	return now, now.blind(places)
}

// sweep is a deletion under way.
type sweep struct {
	c       *Client
	began   time.Time
	ours    map[types.UID]bool // confirmed, or made by what was
	runs    map[string]bool    // that they are of
	refused map[types.UID]bool // this user may not delete it
	why     map[types.UID]string
}

// sort tells what is left of ours from what came later.
func (w *sweep) sort(items []Leftover) (left, strangers []Leftover) {
	for _, l := range items { // owners come before what they own
		switch {
		case w.ours[l.UID] || w.ours[l.owner]:
			w.ours[l.UID] = true
			left = append(left, l)
		case w.runs[l.Run]:
			l.Why = "it appeared during the deletion: is the run still alive?"
			strangers = append(strangers, l)
		}
	}
	return left, strangers
}

// explain adds why each object is left.
func (w *sweep) explain(left []Leftover) []Leftover {
	for i, l := range left {
		// What holds a deletion that was accepted, the object itself says best.
		if why := w.why[l.UID]; why != "" && !l.Deleting {
			left[i].Why = why
		}
	}
	return left
}

// hopeless tells whether waiting changes nothing: whatever is left may not be
// deleted by this user or belongs to something of that kind. What a controller
// made whose own object is gone is the garbage collector's, which may be late.
func (w *sweep) hopeless(left []Leftover) bool {
	stuck := map[types.UID]bool{}
	for _, l := range left {
		stuck[l.UID] = stuck[l.owner] || w.refused[l.UID] && l.owner == ""
	}
	return !slices.ContainsFunc(left, func(l Leftover) bool { return !stuck[l.UID] })
}

// pass asks for the deletion of everything that is due.
func (w *sweep) pass(ctx context.Context, left []Leftover) {
	names := map[types.UID]string{}
	for _, l := range left {
		names[l.UID] = l.String()
	}
	for _, l := range left {
		owner, owned := names[l.owner]
		switch {
		case l.Deleting, w.refused[l.UID]:
		case owned: // would be made anew
			w.why[l.UID] = owner + " is still there"
		case w.ours[l.owner] && time.Since(w.began) < collectorGrace:
			w.why[l.UID] = "the garbage collector has not come to it"
		default:
			w.delete(ctx, l)
		}
	}
}

func (w *sweep) delete(ctx context.Context, l Leftover) {
	k := kinds[kindNumber(l.Kind)]
	err := k.at(w.c.Kube, l.Namespace).delete(ctx, l.Name, metav1.DeleteOptions{
		PropagationPolicy: &background,
		Preconditions:     &metav1.Preconditions{UID: &l.UID},
	})
	switch {
	case err == nil:
		w.why[l.UID] = "its deletion was accepted, but it is still there"
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // gone; the name may be another object's by now
	default:
		w.refused[l.UID] = apierrors.IsForbidden(err)
		w.why[l.UID] = fmt.Sprintf("cannot delete it: %v", err)
	}
}
