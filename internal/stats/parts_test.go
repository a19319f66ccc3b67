package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHolm(t *testing.T) {
	for _, c := range []struct {
		source  string
		p, want []float64
	}{
		{"R: p.adjust(c(.01,.04,.03,.005), \"holm\")", []float64{.01, .04, .03, .005}, []float64{.03, .06, .06, .02}},
		{"documentation of pingouin.multicomp", []float64{.50, .003, .32, .054, .0003}, []float64{.64, .012, .64, .162, .0015}},
		{"documentation of stdlib's padjust, which leaves out the third", []float64{.319, .201, .4, .374, .113}, []float64{.957, .804, .957, .957, .565}},
		{"one alone is not adjusted", []float64{.04}, []float64{.04}},
		{"at most 1", []float64{1, .6}, []float64{1, 1}},
		{"equal ones stay equal", []float64{.02, .02}, []float64{.04, .04}},
		{"none", nil, nil},
	} {
		var in []Test
		for i, p := range c.p {
			in = append(in, Test{Name: string(rune('a' + i)), P: p})
		}
		out, err := Holm(in)
		require.NoError(t, err, c.source)
		require.Len(t, out, len(in))
		for i, o := range out {
			require.InDelta(t, c.want[i], o.Adjusted, 1e-12, c.source)
			require.Equal(t, in[i].Name, o.Name)
			require.Zero(t, in[i].Adjusted, "the caller's are left alone")
		}
	}
	_, err := Holm([]Test{{Name: "x", P: math.NaN()}})
	require.EqualError(t, err, "p of x is NaN, not a probability")
	_, err = Holm([]Test{{Name: "x", P: 1.1}})
	require.Error(t, err)
	_, err = Holm([]Test{{Name: "x"}, {Name: "x"}})
	require.EqualError(t, err, "test x is given twice")
}

func TestSmallestP(t *testing.T) {
	require.Equal(t, 2.0/32, SmallestP(5, 1))
	require.Equal(t, 2.0/64, SmallestP(6, 1))
	require.Equal(t, 4*2.0/256, SmallestP(8, 4))
	require.Equal(t, 1.0, SmallestP(1, 1))
	require.Equal(t, 1.0, SmallestP(3, 16))
	require.Equal(t, 1.0, SmallestP(0, 1))
	require.Equal(t, 1.0, SmallestP(9, 0))
	for outcomes, blocks := range map[int]int{1: 6, 2: 7, 4: 8, 16: 10} {
		n, err := BlocksFor(Alpha, outcomes)
		require.NoError(t, err)
		require.Equal(t, blocks, n, outcomes)
		require.Less(t, SmallestP(n, outcomes), Alpha)
		require.GreaterOrEqual(t, SmallestP(n-1, outcomes), Alpha)
	}
	_, err := BlocksFor(0, 1)
	require.EqualError(t, err, "alpha 0 is not between 0 and 1")
	_, err = BlocksFor(0.05, 0)
	require.EqualError(t, err, "0 outcomes are too few: a design needs at least 1")
}

func TestProportion(t *testing.T) {
	for _, c := range []struct {
		k, n          int
		level, lo, hi float64
	}{
		{682, 925, 0.95, 0.7076682641, 0.7654065582}, // R's help page binom.test; printed as 0.708 0.765
		{0, 10, 0.95, 0, 0.3084971078},               // R: binom.test(0, 10); published tables: 0.3085
		{1, 10, 0.95, 0.002528578544, 0.445016117028},
		{5, 10, 0.95, 0.1870860284, 0.8129139716},
		{10, 10, 0.95, 0.6915028922, 1},
		{1, 8, 0.99, 0.0006263714754, 0.6315171396408},
		{3, 20, 0.95, 0.03207093719, 0.37892682655},
		{13, 16, 0.95, 0.5435, 0.9595}, // Fagerland, Lydersen, Laake, Statistical Analysis of Contingency Tables; R package contingencytables' tests
	} {
		p, err := NewProportion(c.k, c.n, c.level)
		require.NoError(t, err)
		within := 1e-9
		if c.n == 16 {
			within = 5e-5
		}
		require.InDelta(t, c.lo, p.Interval.Lo, within, "%d of %d", c.k, c.n)
		require.InDelta(t, c.hi, p.Interval.Hi, within, "%d of %d", c.k, c.n)
		require.Equal(t, float64(c.k)/float64(c.n), p.Share)
	}
	for _, c := range []struct {
		k, n  int
		level float64
		err   string
	}{{0, 0, 0.95, "no values"}, {-1, 3, 0.95, "-1 of 3 is not a proportion"}, {4, 3, 0.95, "4 of 3 is not a proportion"}, {1, 3, 2, "level 2 is not between 0 and 1"}} {
		_, err := NewProportion(c.k, c.n, c.level)
		require.EqualError(t, err, c.err)
	}
}

// The probability of covering by summing over all outcomes, not by simulation.
func TestProportionCovers(t *testing.T) {
	for _, n := range []int{1, 8, 20} {
		intervals := make([]Interval, n+1)
		for k := range intervals {
			p, err := NewProportion(k, n, 0.95)
			require.NoError(t, err)
			intervals[k] = p.Interval
		}
		for share := 0.005; share < 1; share += 0.005 {
			covered := 0.0
			for k, i := range intervals {
				if i.Covers(share) {
					covered += binomialCDF(k, n, share) - binomialCDF(k-1, n, share)
				}
			}
			require.GreaterOrEqual(t, covered, 0.95-1e-9)
		}
	}
}

func repeat(onlyA, onlyB, both, neither int) (a, b []bool) {
	for _, c := range []struct {
		n    int
		a, b bool
	}{{onlyA, true, false}, {onlyB, false, true}, {both, true, true}, {neither, false, false}} {
		for range c.n {
			a, b = append(a, c.a), append(b, c.b)
		}
	}
	return a, b
}

func TestCompareProportions(t *testing.T) {
	for _, c := range []struct {
		source       string
		onlyA, onlyB int
		p            float64
	}{
		{"Fagerland, Lydersen, Laake (2013), BMC Med. Res. Methodol. 13:91, airway data: 0.070", 1, 7, 0.0703125},
		{"R package contingencytables' tests, cavo_2012: P = 0.052479", 6, 16, 0.052479},
		{"R: binom.test(86, 236)$p.value, the approvals of the help page mcnemar.test", 86, 150, 3.71593613957143e-05},
		{"nothing differs", 0, 0, 1},
		{"as many either way", 3, 3, 1},
		{"the smallest of six", 0, 6, 2.0 / 64},
	} {
		a, b := repeat(c.onlyA, c.onlyB, 5, 8)
		p, err := CompareProportions(a, b, 0.95)
		require.NoError(t, err)
		within := 1e-13
		if c.onlyA == 6 {
			within = 5e-7
		}
		require.InDelta(t, c.p, p.P, within, c.source)
		require.Equal(t, c.onlyA, p.OnlyA)
		require.Equal(t, c.onlyB, p.OnlyB)
		require.InDelta(t, p.B.Share-p.A.Share, p.Difference, 1e-15)
		require.True(t, p.Interval.Covers(p.Difference))
		require.True(t, p.Interval.Lo >= -1 && p.Interval.Hi <= 1)
	}
	_, err := CompareProportions([]bool{true}, nil, 0.95)
	require.EqualError(t, err, "1 values of one arm and 0 of the other are not blocks")
	_, err = CompareProportions(nil, nil, 0.95)
	require.ErrorIs(t, err, ErrNoData)
}

func TestMixed(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float64
		want bool
	}{
		{"none", nil, false},
		{"all prompt", []float64{0.1, 0.2}, false},
		{"all late", []float64{30, 31}, false},
		{"two kinds", []float64{0.1, 30, 0.2}, true},
		{"on either side of the limit, but no gap", []float64{0.9, 1.1, 0.7, 1.6}, false},
		{"the limit itself is prompt", []float64{1, 2.5}, true},
	} {
		require.Equal(t, c.want, Mixed(c.x, 1), c.name)
	}
}

func TestDecide(t *testing.T) {
	within, outside := Interval{-0.1, 0.2, 0.95, 0.96}, Interval{0.1, 0.3, 0.95, 0.96}
	for _, c := range []struct {
		name     string
		p        float64
		interval Interval
		mixed    bool
		want     Verdict
	}{
		{"small p, interval beyond the margin", 0.01, outside, false, Differs},
		{"small p, but all of the interval is too small to matter", 0.01, within, false, Equivalent},
		{"large p, interval within", 0.5, within, false, Equivalent},
		{"large p, interval beyond", 0.5, outside, false, Inconclusive},
		{"p at the level", 0.05, outside, false, Inconclusive},
		{"ends on the margin", 0.5, Interval{-0.25, 0.25, 0.95, 0.96}, false, Equivalent},
		{"one end beyond", 0.5, Interval{-0.2500001, 0.1, 0.95, 0.96}, false, Inconclusive},
		{"mixed outcomes are not equivalent", 0.5, within, true, Inconclusive},
		{"mixed outcomes may differ", 0.01, within, true, Differs},
		{"no bounds", 0.5, unbounded(0.95), false, Inconclusive},
		{"no interval", 0.5, Interval{}, false, Inconclusive},
		{"no interval, small p", 0.01, Interval{}, false, Differs},
	} {
		got, err := Decide(c.p, c.interval, 0.25, c.mixed)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	_, err := Decide(math.NaN(), within, 0.25, false)
	require.EqualError(t, err, "p NaN is not a probability")
	_, err = Decide(0.5, within, 0, false)
	require.EqualError(t, err, "margin 0 is not positive")
	_, err = Decide(0.5, Interval{math.NaN(), 1, 0.95, 0.95}, 0.25, false)
	require.EqualError(t, err, "interval NaN to 1 at level 0.95 is none")
}

func TestBeta(t *testing.T) {
	// R: pbeta and qbeta
	for _, c := range []struct{ x, a, b, want float64 }{
		{.1, 2, 3, 0.0523}, {.5, .5, .5, 0.5}, {.9, 30, 4, 0.5769436641}, {.3, 200, 450, 0.3387573783}, {0, 2, 3, 0}, {1, 2, 3, 1},
	} {
		require.InDelta(t, c.want, betaCDF(c.x, c.a, c.b), 5e-11)
	}
	for _, c := range []struct{ p, a, b, want float64 }{
		{.025, 3, 8, 0.06673951118}, {.975, 1, 10, 0.30849710782}, {.5, 40, 2, 0.95940153297}, {.5, 0, 2, 0}, {.5, 2, 0, 1},
	} {
		require.InDelta(t, c.want, betaQuantile(c.p, c.a, c.b), 5e-11)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 { // against the sum of probabilities
		n, p := 1+rng.IntN(40), rng.Float64()
		k := rng.IntN(n + 1)
		sum, term := 0.0, math.Pow(1-p, float64(n))
		for i := range k + 1 {
			sum += term
			term *= float64(n-i) / float64(i+1) * p / (1 - p)
		}
		require.InDelta(t, sum, binomialCDF(k, n, p), 1e-11)
	}
}
