package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Test is one of several that are tested together.
type Test struct {
	Name string
	P    float64
	// Adjusted is P after Holm, at most 1.
	Adjusted float64
}

// Holm adjusts the tests' p for there being several, so that the chance of
// any false claim among them is at most the level that they are compared to:
// the k-th smallest of m is multiplied by m-k+1, and none is smaller than the
// one before (Holm 1979, Scand. J. Stat. 6:65; R's p.adjust). The order is
// kept.
//
// It fails where a p is not a probability or a name comes twice.
func Holm(tests []Test) ([]Test, error) {
	out := slices.Clone(tests)
	names := map[string]bool{}
	order := make([]int, len(out))
	for i, o := range out {
		if !(o.P >= 0 && o.P <= 1) {
			return nil, fmt.Errorf("p of %s is %v, not a probability", o.Name, o.P)
		}
		if names[o.Name] {
			return nil, fmt.Errorf("test %s is given twice", o.Name)
		}
		names[o.Name] = true
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(out[i].P, out[j].P) })
	least := 0.0
	for k, i := range order {
		least = max(least, min(1, float64(len(order)-k)*out[i].P))
		out[i].Adjusted = least
	}
	return out, nil
}

// SmallestP is the smallest two-sided p that a design of so many blocks can
// reach: both ways of all differences having one sign, among 2^blocks. With
// Holm over several outcomes it is the smallest adjusted p; a primary outcome
// that stands alone is 1. It is 1 where either number is not positive.
func SmallestP(blocks, outcomes int) float64 {
	if blocks < 1 || outcomes < 1 {
		return 1
	}
	return min(1, float64(outcomes)*math.Ldexp(1, 1-blocks))
}

// BlocksFor is how many blocks a design needs for SmallestP to be below alpha:
// 6 for one outcome and 0.05, 8 for four.
//
// It fails where alpha is not between 0 and 1 or outcomes is not positive.
func BlocksFor(alpha float64, outcomes int) (int, error) {
	switch {
	case !(alpha > 0 && alpha < 1):
		return 0, fmt.Errorf("alpha %v is not between 0 and 1", alpha)
	case outcomes < 1:
		return 0, fmt.Errorf("%d outcomes are too few: a design needs at least 1", outcomes)
	}
	n := 1
	for SmallestP(n, outcomes) >= alpha {
		n++
	}
	return n, nil
}
