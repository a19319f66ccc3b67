package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where a comment says "R", R 4.2.2 printed the numbers for the command beside
// them, with survival 3.5-3, coin 1.4-2 and exactRankTests 0.8-35.

var (
	// Hollander and Wolfe (1973), p. 29: depression scores of 9 patients at
	// the first and second visit; the example of R's help page wilcox.test.
	first  = []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	second = []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	// Darwin's maize (R package HistData, ZeaMays), in eighths of an inch;
	// Fisher (1935), The Design of Experiments, section 21.
	maize = []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}
)

func minus(x, y []float64) []float64 {
	d := make([]float64, len(x))
	for i := range d {
		d[i] = x[i] - y[i]
	}
	return d
}

func TestPairedIsAsR(t *testing.T) {
	for _, c := range []struct {
		name                        string
		d                           []float64
		level                       float64
		v, p, estimate, lo, hi, got float64
	}{
		// wilcox.test(first, second, paired=TRUE, conf.int=TRUE): V = 40,
		// p-value = 0.03906, 0.010 0.786, (pseudo)median 0.46. The p is on
		// many pages, e.g. the one-sided 0.01953 of the help page's example.
		// attained: 1-2*psignrank(qsignrank(.025, 9)-1, 9)
		{"depression", minus(first, second), 0.95, 40, 0.0390625, 0.46, 0.010, 0.786, 0.9609375},
		{"depression, conf.level=0.9", minus(first, second), 0.90, 40, 0.0390625, 0.46, 0.175, 0.726, 1 - 2*0.048828125},
		{"depression, conf.level=0.99", minus(first, second), 0.99, 40, 0.0390625, 0.46, -0.1135, 0.9870, 1 - 2*0.003906250},
		// wilcox.test(maize, conf.int=TRUE): V = 96, p-value = 0.04125977
		{"maize", maize, 0.95, 96, 0.04125977, 25, 4, 41.5, 0.9520874023},
		// wilcox.test(c(0.3,-0.1,0.7,1.1,0.45,2), conf.int=TRUE)
		{"six", []float64{0.3, -0.1, 0.7, 1.1, 0.45, 2}, 0.95, 20, 0.0625, 0.7, -0.1, 2, 0.96875},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Paired(c.d, c.level)
			require.NoError(t, err)
			require.Equal(t, c.v, s.Statistic)
			require.InDelta(t, c.p, s.P, 5e-9)
			require.InDelta(t, c.estimate, s.Estimate, 1e-12)
			require.InDelta(t, c.lo, s.Interval.Lo, 1e-12)
			require.InDelta(t, c.hi, s.Interval.Hi, 1e-12)
			require.InDelta(t, c.got, s.Interval.Attained, 1e-10)
			require.Equal(t, c.level, s.Interval.Level)
			require.False(t, s.Tied)
			require.Zero(t, s.Zeros)
			require.Equal(t, len(c.d), s.N)
		})
	}
}

// R's achieved confidence, 1-2*psignrank(qsignrank(.025, n)-1, n) for n = 6:20.
// From 8 blocks on, what is attained at level 0.95 lies between 95 and 97.5 %
// whatever n is: no other choice of level is needed for that.
func TestAttained(t *testing.T) {
	for i, want := range []float64{
		0.9687500000, 0.9531250000, 0.9609375000, 0.9609375000, 0.9511718750, 0.9580078125, 0.9575195312, 0.9521484375,
		0.9505615234, 0.9520874023, 0.9556884766, 0.9552307129, 0.9517211914, 0.9506340027, 0.9515590668,
	} {
		n := i + 6
		d := make([]float64, n)
		for j := range d {
			d[j] = math.Sqrt(float64(j + 2))
		}
		s, err := Paired(d, 0.95)
		require.NoError(t, err)
		require.InDelta(t, want, s.Interval.Attained, 1e-10, n)
		if n >= 8 {
			require.True(t, s.Interval.Attained >= 0.95 && s.Interval.Attained <= 0.975, n)
		}
		// All differences are positive: the smallest p there is.
		require.InDelta(t, SmallestP(n, 1), s.P, 1e-18, n)
	}
}

func TestTooFewToBound(t *testing.T) {
	// R prints the range, -0.1 1.1, whose achieved level is 0.9375.
	s, err := Paired([]float64{0.3, -0.1, 0.7, 1.1, 0.45}, 0.95)
	require.NoError(t, err)
	require.InDelta(t, 0.5, s.Estimate, 1e-12)
	require.InDelta(t, 0.125, s.P, 1e-15) // R
	require.False(t, s.Interval.Bounded())
	require.Equal(t, 1.0, s.Interval.Attained)
	require.True(t, s.Interval.Covers(1e300))

	s, err = Paired([]float64{0.3, -0.1, 0.7, 1.1, 0.45}, 0.9375)
	require.NoError(t, err)
	require.Equal(t, Interval{-0.1, 1.1, 0.9375, 0.9375}, s.Interval)

}

func TestPairedWithTiesAndZeros(t *testing.T) {
	for _, c := range []struct {
		name     string
		d        []float64
		v, p     float64
		estimate float64
		zeros    int
	}{
		// R: pvalue(wilcoxsign_test(d ~ rep(0, 10), distribution="exact",
		// zero.method="Pratt")), package coin; the estimate is the median
		// of outer(d, d, "+")[upper.tri(diag(10), TRUE)]/2. V by hand.
		{"ties and two zeros", []float64{5, -1, 0, 3, 0, -2, 2, 7, 4, 1}, 55 - 3 - 3.5 - 5.5, 0.1015625, 2, 2},
		{"bimodal", []float64{0, 0, 0, 0, 30, 30, -30, 30, 30, 30, 0, 30}, 6 * 9, 0.125, 15, 5},
		// Student's sleep data, R's sleep: extra[11:20]-extra[1:10].
		{"sleep", []float64{1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4}, 54, 0.00390625, 1.3, 1},
		// Package exactRankTests: wilcox.exact(d): V = 31, p-value = 0.0859375.
		{"ties", []float64{5, -1, 3, -2, 2, 7, 4, 1}, 31, 0.0859375, 2.5, 0},
		{"all zero", []float64{0, 0, 0, 0, 0, 0}, 0, 1, 0, 6},
		{"all the same", []float64{2, 2, 2, 2, 2, 2}, 21, 2.0 / 64, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Paired(c.d, 0.95)
			require.NoError(t, err)
			require.InDelta(t, c.p, s.P, 1e-12)
			require.Equal(t, c.v, s.Statistic)
			require.InDelta(t, c.estimate, s.Estimate, 1e-12)
			require.Equal(t, c.zeros, s.Zeros)
			require.True(t, s.Tied)
			require.True(t, s.Interval.Covers(s.Estimate))
		})
	}
}

func TestSignFlip(t *testing.T) {
	// Fisher (1935), section 21: 863 of 32,768 sums are as large as Darwin's,
	// 314, so that both sides have 5.267 %. R's perm.test of exactRankTests:
	// p-value = 0.05267334.
	p, err := SignFlip(maize, 1)
	require.NoError(t, err)
	require.Equal(t, Permutation{P: 2 * 863.0 / 32768, Exact: true}, p)
	// perm.test(round(1000*(first-second))): p-value = 0.02734375
	p, err = SignFlip(minus(first, second), 1)
	require.NoError(t, err)
	require.Equal(t, 0.02734375, p.P)

	p, err = SignFlip([]float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, 1) // sums that round
	require.NoError(t, err)
	require.Equal(t, SmallestP(6, 1), p.P)
	p, err = SignFlip([]float64{0, 0, 0}, 1)
	require.NoError(t, err)
	require.Equal(t, 1.0, p.P)
	p, err = SignFlip([]float64{3}, 1)
	require.NoError(t, err)
	require.Equal(t, 1.0, p.P)
}

func TestSignFlipOfManyBlocks(t *testing.T) {
	// 24 blocks are drawn from; the exact p by brute force is near the drawn
	// one, which does not depend on anything but the seed.
	rng := rand.New(rand.NewPCG(3, 0))
	d := make([]float64, 24)
	for i := range d {
		d[i] = math.Round(10*rng.NormFloat64() + 3)
	}
	drawn, err := SignFlip(d, 7)
	require.NoError(t, err)
	require.False(t, drawn.Exact)
	require.Equal(t, 100_000, drawn.Draws)
	again, _ := SignFlip(d, 7)
	require.Equal(t, drawn, again)
	ranks := make([]int, len(d)) // the sum of positive |d| has the same order
	sum := 0
	for i, x := range d {
		ranks[i] = int(math.Abs(x))
		sum += int(max(x, 0))
	}
	exact := signDistribution(ranks).twoSided(sum)
	require.Greater(t, exact, 0.01)
	require.InDelta(t, exact, drawn.P, 5*math.Sqrt(exact/100_000))

	for i := range d {
		d[i] = 1
	}
	drawn, _ = SignFlip(d, 7)
	require.Equal(t, 1.0/100_001, drawn.P, "never zero")
	_, err = SignFlip(make([]float64, 200), 1)
	require.NoError(t, err)
}

func TestShiftRefuses(t *testing.T) {
	good := []float64{1, 2, 3}
	for _, c := range []struct {
		name  string
		d     []float64
		level float64
		err   string
	}{
		{"none", nil, 0.95, "no values"},
		{"NaN", []float64{1, math.NaN()}, 0.95, "value 2 is NaN"},
		{"infinite", []float64{math.Inf(-1)}, 0.95, "value 1 is -Inf"},
		{"level 1", good, 1, "level 1 is not between 0 and 1"},
		{"level 0", good, 0, "level 0 is not between 0 and 1"},
		{"level NaN", good, math.NaN(), "level NaN is not between 0 and 1"},
		{"too many", make([]float64, 501), 0.95, "501 blocks are more than the 500 that are analysed exactly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Paired(c.d, c.level)
			require.EqualError(t, err, c.err)
		})
	}
	_, err := SignFlip(nil, 1)
	require.ErrorIs(t, err, ErrNoData)
}

func TestManyBlocks(t *testing.T) {
	d := make([]float64, maxBlocks)
	for i := range d {
		d[i] = float64(i%7) - 2
	}
	s, err := Paired(d, 0.95)
	require.NoError(t, err)
	require.Less(t, s.P, 1e-10)
	require.True(t, s.Interval.Covers(1))
}
