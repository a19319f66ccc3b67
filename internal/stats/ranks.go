package stats

import (
	"cmp"
	"slices"
)

// doubledRanks returns twice the midranks of x, so that they are whole, and
// whether any two are tied.
func doubledRanks(x []float64) (ranks []int, tied bool) {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	ranks = make([]int, len(x))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = from + 1 + to // twice the mean of from+1..to
		}
		tied = tied || to-from > 1
		from = to
	}
	return ranks, tied
}

// distribution holds the probability of each sum 0, 1, 2, ...
type distribution []float64

// signDistribution is the distribution of the sum of those of the ranks whose
// sign is positive, all 2^n signs being equally likely: of the signed-rank
// statistic, where ranks are 1..n.
func signDistribution(ranks []int) distribution {
	sum := 0
	for _, r := range ranks {
		sum += r
	}
	p := make(distribution, sum+1)
	p[0] = 1
	top := 0
	for _, r := range ranks {
		for s := top; s >= 0; s-- {
			p[s] /= 2
			p[s+r] += p[s]
		}
		top += r
	}
	return p
}

// tails returns P(sum <= s) and P(sum >= s).
func (p distribution) tails(s int) (below, above float64) {
	for i, v := range p {
		if i <= s {
			below += v
		}
		if i >= s {
			above += v
		}
	}
	return min(below, 1), min(above, 1)
}

// twoSided is twice the smaller tail at s, at most 1.
func (p distribution) twoSided(s int) float64 {
	below, above := p.tails(s)
	return min(1, 2*min(below, above))
}

// slack lets a probability that equals a tail count as equal whatever way the
// two were rounded: 1/20 is a tail of level 0.9.
const slack = 1 + 1e-9

// lower returns the largest k with P(sum < k) <= tail, and that probability.
func (p distribution) lower(tail float64) (k int, below float64) {
	for k, v := range p {
		if below+v > tail*slack {
			return k, below
		}
		below += v
	}
	return len(p), below
}

// halved undoes the doubling where no rank needs it; convolution is then four
// times cheaper.
func halved(ranks []int) ([]int, int) {
	if slices.ContainsFunc(ranks, func(r int) bool { return r%2 != 0 }) {
		return ranks, 2
	}
	out := make([]int, len(ranks))
	for i, r := range ranks {
		out[i] = r / 2
	}
	return out, 1
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return sorted[n/2-1] + (sorted[n/2]-sorted[n/2-1])/2
}

// between takes the limits of an interval from sorted candidates of which the
// statistic counts how many lie on one side, so that P(statistic < k) is what
// is missed on either side. It is unbounded where k is 0.
func between(sorted []float64, k int, missed, level float64) Interval {
	if k == 0 {
		return unbounded(level)
	}
	return Interval{sorted[k-1], sorted[len(sorted)-k], level, 1 - 2*missed}
}
