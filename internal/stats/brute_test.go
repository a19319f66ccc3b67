package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// No printed results were found for what is here: it is checked against going
// through every possibility, written as directly as can be.

// midrank counts.
func midrank(x []float64, i int) float64 {
	below, same := 0, 0
	for _, v := range x {
		if v < x[i] {
			below++
		}
		if v == x[i] {
			same++
		}
	}
	return float64(below) + float64(same+1)/2
}

// bruteSignedRank goes through all signs of the differences from shift.
func bruteSignedRank(d []float64, shift float64) float64 {
	n := len(d)
	size := make([]float64, n)
	for i := range d {
		size[i] = math.Abs(d[i] - shift)
	}
	statistic := func(positive func(i int) bool) float64 {
		v := 0.0
		for i := range d {
			if size[i] != 0 && positive(i) {
				v += midrank(size, i)
			}
		}
		return v
	}
	observed := statistic(func(i int) bool { return d[i] > shift })
	below, above := 0, 0
	for mask := range 1 << n {
		v := statistic(func(i int) bool { return mask>>i&1 == 1 })
		if v <= observed {
			below++
		}
		if v >= observed {
			above++
		}
	}
	return min(1, 2*float64(min(below, above))/float64(int(1)<<n))
}

// values draws whole numbers, many of them equal and some zero, or normal ones.
func values(rng *rand.Rand, n int, whole bool) []float64 {
	x := make([]float64, n)
	for i := range x {
		if whole {
			x[i] = float64(rng.IntN(9) - 3)
		} else {
			x[i] = rng.NormFloat64() + 0.5
		}
	}
	return x
}

func TestPIsBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		whole := i%3 > 0
		d := values(rng, 1+rng.IntN(8), whole)
		s, err := Paired(d, 0.95)
		require.NoError(t, err)
		require.InDelta(t, bruteSignedRank(d, 0), s.P, 1e-12, "%v", d)
	}
}

// Without ties the interval holds the shifts that the test does not reject, and
// no more: p exceeds alpha just inside either end and not just outside.
func TestIntervalInvertsTheTest(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const inch = 1e-9
	for range 60 {
		d := values(rng, 6+rng.IntN(3), false)
		s, err := Paired(d, 0.95)
		require.NoError(t, err)
		for _, end := range []struct{ inside, outside float64 }{
			{s.Interval.Lo + inch, s.Interval.Lo - inch},
			{s.Interval.Hi - inch, s.Interval.Hi + inch},
		} {
			require.Greater(t, bruteSignedRank(d, end.inside), 0.05)
			require.LessOrEqual(t, bruteSignedRank(d, end.outside), 0.05)
		}
	}
}

// Swapping the arms turns everything round; moving one moves the estimate.
func TestShiftProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range 100 {
		d := values(rng, 1+rng.IntN(15), i%2 == 0)
		negated, moved := make([]float64, len(d)), make([]float64, len(d))
		for j := range d {
			negated[j], moved[j] = -d[j], d[j]+7
		}
		s, err := Paired(d, 0.95)
		require.NoError(t, err)
		n, err := Paired(negated, 0.95)
		require.NoError(t, err)
		m, err := Paired(moved, 0.95)
		require.NoError(t, err)
		require.InDelta(t, s.P, n.P, 1e-12)
		require.InDelta(t, s.Estimate, -n.Estimate, 1e-12)
		require.InDelta(t, s.Estimate+7, m.Estimate, 1e-12)
		require.True(t, s.Interval.Covers(s.Estimate))
		if s.Interval.Bounded() {
			require.InDelta(t, s.Interval.Lo, -n.Interval.Hi, 1e-12)
			require.InDelta(t, s.Interval.Hi+7, m.Interval.Hi, 1e-12)
		}
		require.GreaterOrEqual(t, s.P, SmallestP(len(d), 1)*(1-1e-12))
	}
}
