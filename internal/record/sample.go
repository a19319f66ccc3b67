package record

import (
	"math/rand/v2"
	"slices"
)

// Sample says for which of a Job's pods each pod asks, where asking for all
// would be too many questions: both sides of the log draw the same pairs from
// the same few numbers. The zero value is all pairs. A pod never asks for its own
// name: an early question would put a denial of it into the caches of the others.
//
// The pods are put on a ring in an order drawn from the seed. Each asks for the
// next one, and for those at Peers-1 further distances, also drawn. So every
// pod asks for as many others as ask for it, and no name is asked for more than
// another; the ring of neighbours alone joins all pods, so that the clocks of
// all nodes are tied together by exchanges; and the order keeps distances from
// meaning anything: schedulers deal indices out over nodes in turn, and those
// that are an even number apart may all share theirs.
type Sample struct {
	Peers int    `json:"peers,omitempty"` // each pod asks for so many others; 0: for all
	Seed  uint64 `json:"seed,omitempty"`
}

// All tells that every pod asks for every other.
func (s Sample) All() bool { return s.Peers <= 0 }

// Ring is a sample drawn for a number of pods.
type Ring struct {
	order     []int // by place: which pod is there; nil: all pairs
	place     []int // by pod
	distances []int
	pods      int
}

// Ring draws the sample for so many pods. It takes memory in proportion to the
// pods, not to the pairs. More peers than there are others are all others.
func (s Sample) Ring(pods int) *Ring {
	r := &Ring{pods: max(pods, 0)}
	if s.All() {
		return r
	}
	draw := rand.NewPCG(s.Seed, ringStream)
	r.order = shuffled(draw, 0, r.pods)
	r.place = make([]int, r.pods)
	for place, pod := range r.order {
		r.place[pod] = place
	}
	if r.pods > 1 {
		others := shuffled(draw, 2, r.pods)
		r.distances = append([]int{1}, others[:min(s.Peers-1, len(others))]...)
	}
	return r
}

// ringStream sets these draws apart from others of the same seed.
const ringStream = 0x70656572 // "peer"

// shuffled returns the numbers from low up to high in a random order. The
// standard library does not promise the same order in every version, and a
// probe may have been built with another one than the runner.
func shuffled(draw *rand.PCG, low, high int) []int {
	out := make([]int, 0, max(0, high-low))
	for n := low; n < high; n++ {
		out = append(out, n)
	}
	for i := len(out) - 1; i > 0; i-- {
		k := int(draw.Uint64() % uint64(i+1)) // the bias is below 1 in 2^54
		out[i], out[k] = out[k], out[i]
	}
	return out
}

// Asked returns for whom a pod asks, in ascending order.
func (r *Ring) Asked(asker int) []int {
	if asker < 0 || asker >= r.pods {
		return nil
	}
	if r.order == nil {
		var others []int
		for i := range r.pods {
			if i != asker {
				others = append(others, i)
			}
		}
		return others
	}
	out := r.at(asker, 1)
	slices.Sort(out)
	return out
}

// Lookers returns who watches for a pod's name on the DNS servers themselves:
// two of those who ask for it, or as many as there are.
func (r *Ring) Lookers(asked int) []int { return r.looks(asked, -1) }

// Looked is the same seen from the other side: for whose names a pod watches,
// as their first looker, as their second.
func (r *Ring) Looked(looker int) []int { return r.looks(looker, 1) }

// looks returns the pods that another one's looks lead to, in one direction of
// the ring; where all pairs ask, the ring is in the order of the indices.
func (r *Ring) looks(pod, direction int) []int {
	switch {
	case pod < 0 || pod >= r.pods:
		return nil
	case r.order != nil:
		out := r.at(pod, direction)
		return out[:min(maxLookers, len(out))]
	}
	out := make([]int, min(maxLookers, r.pods-1))
	for i := range out {
		out[i] = r.wrap(pod - direction*(i+1))
	}
	return out
}

// maxLookers is how many look at one name: each sees what the other's gaps
// hide, and the keys of the uncached view last for two.
const maxLookers = 2

// at returns the pods at all distances from one, in one direction of the ring.
func (r *Ring) at(pod, direction int) []int {
	out := make([]int, len(r.distances))
	for i, d := range r.distances {
		out[i] = r.order[r.wrap(r.place[pod]+direction*d)]
	}
	return out
}

// wrap brings a place beyond either end back onto the ring.
func (r *Ring) wrap(place int) int { return (place%r.pods + r.pods) % r.pods }
