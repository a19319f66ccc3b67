package stats

import (
	"fmt"
	"math"
	"slices"
)

// maxBlocks keeps the hundred thousand Walsh averages and the exact distribution
// within a tenth of a second; no plan has as many blocks.
const maxBlocks = 500

// Shift is by how much one arm's values lie above the other's.
type Shift struct {
	// Estimate is the Hodges-Lehmann estimate, in the values' unit. It is no
	// difference of medians.
	Estimate float64
	Interval Interval
	// P is two-sided and exact, given the ties.
	P float64
	// Statistic is V, the sum of the positive ranks (Paired), or W, the
	// number of pairs in which b is above a (TwoSample), ties counted half.
	Statistic float64
	N         int // blocks, or values of both samples
	Zeros     int // block differences of exactly zero
	Tied      bool
}

// Paired estimates the shift from block differences.
//
// The estimate is the median of the Walsh averages (d[i]+d[j])/2, i <= j, the
// interval goes from the k-th smallest to the k-th largest of them with the
// largest k that keeps the level, and p comes from the signed-rank statistic:
// Hollander and Wolfe, Nonparametric Statistical Methods, chapter 3. That is
// R's wilcox.test(d, conf.int=TRUE, exact=TRUE), but R shows the range of d as
// the interval of fewer than 6 values.
//
// The interval promises its level in the model that a shift belongs to: b's times
// are distributed as a's plus one constant, apart from what their block does to
// both, so that differences are symmetric about the shift; of any shape, bimodal
// and tied ones included. Where an extra Service turns some 0 s into 30 s and
// leaves others, there is no such constant: see [Mixed].
//
// Tied absolute differences get midranks, and p is exact given the ties (all 2^n
// signs, by convolution). Differences of zero are ranked and then have no sign
// (Pratt 1959), which agrees with the Walsh averages; R drops them. The limits
// are those of the untied distribution and belong to the interval: with ties it
// covers at least as often (Noether 1967, J. Am. Stat. Assoc. 62:184).
//
// It fails without values, with one that is not finite, with more than 500,
// and with a level that is not between 0 and 1.
func Paired(d []float64, level float64) (Shift, error) {
	if err := checkLevel(level); err != nil {
		return Shift{}, err
	}
	if err := checkValues(d); err != nil {
		return Shift{}, err
	}
	n := len(d)
	if n > maxBlocks {
		return Shift{}, fmt.Errorf("%d blocks are more than the %d that are analysed exactly", n, maxBlocks)
	}
	walsh := make([]float64, 0, n*(n+1)/2)
	for i, x := range d {
		for _, y := range d[i:] {
			walsh = append(walsh, x/2+y/2) // x+y could overflow
		}
	}
	slices.Sort(walsh)
	untied := signDistribution(upTo(n))
	k, missed := untied.lower((1 - level) / 2)
	out := Shift{Estimate: middle(walsh), Interval: between(walsh, k, missed, level), N: n}

	size := make([]float64, n)
	for i, x := range d {
		size[i] = math.Abs(x)
	}
	doubled, tied := doubledRanks(size)
	var signed []int // Pratt: zeros took their ranks but have no sign
	v := 0
	for i, r := range doubled {
		switch {
		case d[i] > 0:
			v += r
			signed = append(signed, r)
		case d[i] < 0:
			signed = append(signed, r)
		default:
			out.Zeros++
		}
	}
	out.Tied = tied
	out.Statistic = float64(v) / 2
	if !tied && out.Zeros == 0 {
		out.P = untied.twoSided(v / 2)
		return out, nil
	}
	ranks, scale := halved(signed)
	if scale == 1 {
		v /= 2
	}
	out.P = signDistribution(ranks).twoSided(v)
	return out, nil
}
