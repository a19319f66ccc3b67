package stats

import (
	"fmt"
	"slices"
)

// RestrictedDifference compares the restricted means of two arms.
type RestrictedDifference struct {
	A, B       Restricted
	Difference float64 // B's mean minus A's, in the times' unit
	// There is no interval: a few trials cannot exclude that one in ten is late
	// by as much as the deadline.
	Permutation
}

// CompareRestricted compares the restricted means of a and b to a common
// deadline; elements of the same index are of one block. Its p is from
// swapping the arms within blocks, with the difference as the statistic.
//
// It fails as RestrictedMean does for either arm, where the arms are not of
// one length, and with fewer than 2 blocks.
func CompareRestricted(a, b []Time, deadline float64, seed uint64) (RestrictedDifference, error) {
	n := len(a)
	switch {
	case n != len(b):
		return RestrictedDifference{}, fmt.Errorf("%d values of one arm and %d of the other are not blocks", n, len(b))
	case n < 2:
		return RestrictedDifference{}, fmt.Errorf("%d blocks are too few: there have to be at least 2", n)
	}
	var out RestrictedDifference
	var err error
	if out.A, err = RestrictedMean(a, deadline); err != nil {
		return RestrictedDifference{}, err
	}
	if out.B, err = RestrictedMean(b, deadline); err != nil {
		return RestrictedDifference{}, err
	}
	out.Difference = out.B.Mean - out.A.Mean
	p := pairs(a, b, deadline)
	if out.A.Early+out.B.Early > 0 {
		out.Permutation = permute(n, seed, func(swapped []bool) float64 { return p.difference(swapped) })
		return out, nil
	}
	// Both curves end at the deadline: their means are means of numbers, and
	// swapping a block changes its difference's sign.
	d := make([]float64, n)
	for i := range d {
		d[i] = min(b[i].At, deadline) - min(a[i].At, deadline)
	}
	out.Permutation, err = SignFlip(d, seed)
	return out, err
}

// member is a time with the block and arm that it is of.
type member struct {
	Time
	block int
	b     bool
}

// blocks has the times of both arms in ascending order, so that the curves of
// any swapping take one pass.
type blocks struct {
	sorted   []member
	deadline float64
	n        int
}

func pairs(a, b []Time, deadline float64) blocks {
	a, b = restrict(a, deadline), restrict(b, deadline)
	out := blocks{deadline: deadline, n: len(a)}
	for i := range a {
		out.sorted = append(out.sorted, member{a[i], i, false}, member{b[i], i, true})
	}
	slices.SortStableFunc(out.sorted, func(x, y member) int { return CompareTimes(x.Time, y.Time) })
	return out
}

// difference of the areas of b and a after swapping some blocks.
func (p blocks) difference(swapped []bool) float64 {
	type curve struct{ sum, survival, from, left float64 }
	start := curve{survival: 1, left: float64(p.n)}
	arms := [2]curve{start, start}
	for _, m := range p.sorted {
		i := 0
		if m.b != swapped[m.block] {
			i = 1
		}
		c := &arms[i]
		if !m.Censored {
			c.sum += c.survival * (m.At - c.from)
			c.from = m.At
			c.survival *= (c.left - 1) / c.left
		}
		c.left--
	}
	end := func(c curve) float64 { return c.sum + c.survival*(p.deadline-c.from) }
	return end(arms[1]) - end(arms[0])
}
