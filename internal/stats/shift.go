package stats

import (
	"fmt"
	"math"
	"slices"
)

const (
	// maxBlocks keeps the hundred thousand Walsh averages and the exact
	// distribution within a tenth of a second; no plan has as many blocks.
	maxBlocks = 500
	// maxTwoSample keeps the rank-sum distribution within half a second.
	maxTwoSample = 200
)

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
// the interval of fewer than 6 values. See the package comment on ties.
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

// TwoSample estimates by how much b's values lie above a's where there are no
// blocks: anything that changed between the two series is in it.
//
// The estimate is the median of all differences b-a, the interval and p are
// exact by the Mann-Whitney statistic: Hollander and Wolfe, chapter 4; R's
// wilcox.test(b, a, conf.int=TRUE, exact=TRUE). Ties are treated as in Paired,
// p being twice the smaller tail of the conditional distribution.
//
// It fails as Paired does, with more than 200 values in all.
func TwoSample(a, b []float64, level float64) (Shift, error) {
	if err := checkLevel(level); err != nil {
		return Shift{}, err
	}
	for _, x := range [][]float64{a, b} {
		if err := checkValues(x); err != nil {
			return Shift{}, err
		}
	}
	n, m := len(a)+len(b), len(b)
	if n > maxTwoSample {
		return Shift{}, fmt.Errorf("%d values are more than the %d that are analysed exactly", n, maxTwoSample)
	}
	differences := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			differences = append(differences, y-x)
		}
	}
	slices.Sort(differences)
	// The rank sum of m of n ranks is m(m+1)/2 more than the Mann-Whitney count.
	untied := drawDistribution(upTo(n), m)
	least := m * (m + 1) / 2
	k, missed := untied.lower((1 - level) / 2)
	out := Shift{Estimate: middle(differences), Interval: between(differences, k-least, missed, level), N: n}

	doubled, tied := doubledRanks(slices.Concat(b, a))
	sum := 0
	for _, r := range doubled[:m] {
		sum += r
	}
	out.Tied = tied
	out.Statistic = float64(sum)/2 - float64(least)
	if !tied {
		out.P = untied.twoSided(sum / 2)
		return out, nil
	}
	ranks, scale := halved(doubled)
	if scale == 1 {
		sum /= 2
	}
	out.P = drawDistribution(ranks, m).twoSided(sum)
	return out, nil
}
