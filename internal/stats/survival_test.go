package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// at makes times; negative ones are censored there.
func at(values ...float64) []Time {
	var out []Time
	for _, v := range values {
		out = append(out, Time{math.Abs(v), v < 0})
	}
	return out
}

// Survival in acute myelogenous leukaemia, aml of R's package survival.
var (
	maintained    = at(9, 13, -13, 18, 23, -28, 31, 34, -45, 48, -161)
	notMaintained = at(5, 5, 8, 8, 12, -16, 23, 27, 30, 33, 43, 45)
)

// survfit(Surv(time, status) ~ x, aml) as printed in the package's
// tests/doaml.Rout.save (therneau/survival).
func TestKaplanMeierIsAsR(t *testing.T) {
	type row struct {
		at           float64
		risk, events int
		survival, se float64
	}
	for name, c := range map[string]struct {
		times []Time
		rows  []row
	}{
		"maintained": {maintained, []row{
			{9, 11, 1, 0.909, 0.0867},
			{13, 10, 1, 0.818, 0.1163},
			{18, 8, 1, 0.716, 0.1397},
			{23, 7, 1, 0.614, 0.1526},
			{31, 5, 1, 0.491, 0.1642},
			{34, 4, 1, 0.368, 0.1627},
			{48, 2, 1, 0.184, 0.1535},
		}},
		"not maintained": {notMaintained, []row{
			{5, 12, 2, 0.8333, 0.1076},
			{8, 10, 2, 0.6667, 0.1361},
			{12, 8, 1, 0.5833, 0.1423},
			{23, 6, 1, 0.4861, 0.1481},
			{27, 5, 1, 0.3889, 0.1470},
			{30, 4, 1, 0.2917, 0.1387},
			{33, 3, 1, 0.1944, 0.1219},
			{43, 2, 1, 0.0972, 0.0919},
			{45, 1, 1, 0.0000, 0}, // std.err NaN
		}},
	} {
		curve, err := KaplanMeier(c.times, 0.95)
		require.NoError(t, err)
		curve = slices.DeleteFunc(curve, func(s Step) bool { return s.Events == 0 })
		require.Len(t, curve, len(c.rows), name)
		for i, want := range c.rows {
			got := curve[i]
			require.Equal(t, want.at, got.At)
			require.Equal(t, want.risk, got.AtRisk)
			require.Equal(t, want.events, got.Events)
			require.InDelta(t, want.survival, got.Survival, 0.0005)
			require.InDelta(t, want.se, got.StdErr, 0.00005)
			require.True(t, got.Interval.Covers(got.Survival))
		}
	}
}

// Where nothing was censored before, the beta product is Clopper-Pearson's
// interval for the share that is later: Fay, Brittain and Proschan (2013).
func TestKaplanMeierIntervalIsClopperPearson(t *testing.T) {
	times := at(1, 2, 2, 2, 5, 7, -9, -9, -9)
	curve, err := KaplanMeier(times, 0.95)
	require.NoError(t, err)
	require.Equal(t, 3, curve[len(curve)-1].Censored)
	left := len(times)
	for _, s := range curve {
		left -= s.Events
		p, err := NewProportion(left, len(times), 0.95)
		require.NoError(t, err)
		require.InDelta(t, p.Interval.Lo, s.Interval.Lo, 1e-9, s.At)
		require.InDelta(t, p.Interval.Hi, s.Interval.Hi, 1e-9, s.At)
	}
	for _, all := range [][]Time{at(-9, -9, -9), at(2, 2, 2)} { // nothing, everything happened
		curve, err = KaplanMeier(all, 0.95)
		require.NoError(t, err)
		require.Len(t, curve, 1)
		p, _ := NewProportion(int(3*curve[0].Survival), 3, 0.95)
		require.InDelta(t, p.Interval.Lo, curve[0].Interval.Lo, 1e-9)
		require.InDelta(t, p.Interval.Hi, curve[0].Interval.Hi, 1e-9)
	}
}

// With censoring the two moments stand for the product of beta variables: no
// printed results were found, so that the product itself is drawn here.
func TestKaplanMeierIntervalIsTheBetaProduct(t *testing.T) {
	curve, err := KaplanMeier(maintained, 0.95)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(6, 6))
	// A Beta(a, b) of whole a and b is an order statistic of uniform ones.
	beta := func(a, b int) float64 {
		if b == 0 {
			return 1
		}
		if a == 0 {
			return 0
		}
		u := make([]float64, a+b-1)
		for i := range u {
			u[i] = rng.Float64()
		}
		slices.Sort(u)
		return u[a-1]
	}
	const rounds = 20_000
	low, high := make([][]float64, len(curve)), make([][]float64, len(curve))
	for range rounds {
		product := 1.0
		for i, s := range curve {
			product *= beta(s.AtRisk-s.Events+1, s.Events)
			high[i] = append(high[i], product)
			low[i] = append(low[i], product*beta(s.AtRisk-s.Events, 1))
		}
	}
	for i, s := range curve {
		slices.Sort(low[i])
		slices.Sort(high[i])
		require.InDelta(t, low[i][rounds/40], s.Interval.Lo, 0.012, "at %v", s.At)
		require.InDelta(t, high[i][rounds-rounds/40], s.Interval.Hi, 0.012, "at %v", s.At)
	}
}

func TestRestrictedMeanIsAsR(t *testing.T) {
	for _, c := range []struct {
		times    []Time
		deadline float64
		mean, se float64
	}{
		// summary(survfit(Surv(time, status) ~ x, aml), rmean=D)$table; the
		// 22.70833 and 4.180942 are also in the reverse dependency checks of
		// dplyr, for survivalAnalysis.
		{maintained, 20, 18.15909091, 1.066831946},
		{notMaintained, 20, 14.83333333, 1.828908802},
		{maintained, 40, 28.89772727, 3.467577679},
		{notMaintained, 40, 21.93055556, 3.835641163},
		{maintained, 48, 31.84318182, 4.527884712},
		{notMaintained, 48, 22.70833333, 4.180941981},
	} {
		r, err := RestrictedMean(c.times, c.deadline)
		require.NoError(t, err)
		require.InDelta(t, c.mean, r.Mean, 5e-9)
		require.InDelta(t, c.se, r.StdErr, 5e-9)
		require.Equal(t, len(c.times), r.N)
	}
}

func TestRestrictedMeanByHand(t *testing.T) {
	r, err := RestrictedMean(at(1, 2, -40, 50, 39), 40) // 50 counts as not by 40
	require.NoError(t, err)
	require.InDelta(t, (1+2+40+40+39)/5.0, r.Mean, 1e-12)
	require.Equal(t, 3, r.Events)
	require.Zero(t, r.Early)
	// Without early censoring Greenwood's is the variance with n for n-1.
	sum := 0.0
	for _, v := range []float64{1, 2, 40, 40, 39} {
		sum += (v - r.Mean) * (v - r.Mean)
	}
	require.InDelta(t, math.Sqrt(sum)/5, r.StdErr, 1e-12)

	r, err = RestrictedMean(at(-40, -41), 40)
	require.NoError(t, err)
	require.Equal(t, Restricted{Mean: 40, Deadline: 40, N: 2}, r)
	r, err = RestrictedMean(at(1, -20, 30), 40) // the last happened: nothing is unknown
	require.NoError(t, err)
	require.Equal(t, 1, r.Early)
	require.InDelta(t, 1+2.0/3*29, r.Mean, 1e-12)
}

func TestSurvivalRefuses(t *testing.T) {
	_, err := RestrictedMean(at(1, -20), 40)
	require.EqualError(t, err, "the last of 2 trials was censored at 20, before the deadline 40: the restricted mean is unknown beyond")
	_, err = RestrictedMean(at(1), 0)
	require.EqualError(t, err, "deadline 0 is not positive")
	for _, bad := range []struct {
		times []Time
		err   string
	}{
		{nil, "no values"},
		{[]Time{{1, false}, {-1, false}}, "time 2 is -1"},
		{[]Time{{math.NaN(), false}}, "time 1 is NaN"},
		{[]Time{{math.Inf(1), true}}, "time 1 is +Inf"},
	} {
		_, err = RestrictedMean(bad.times, 40)
		require.EqualError(t, err, bad.err)
		_, err = KaplanMeier(bad.times, 0.95)
		require.EqualError(t, err, bad.err)
	}
	_, err = KaplanMeier(at(1), 1.5)
	require.Error(t, err)
	_, err = CompareRestricted(at(1, 2), at(1), 40, 1)
	require.EqualError(t, err, "2 values of one arm and 1 of the other are not blocks")
	_, err = CompareRestricted(at(1), at(1), 40, 1)
	require.EqualError(t, err, "1 blocks are too few: there have to be at least 2")
	_, err = CompareRestricted(at(1, 2), at(1, -2), 40, 1)
	require.ErrorIs(t, err, errUnknown)
}

func TestCompareRestricted(t *testing.T) {
	a, b := at(1, 1, 1, 1, 1, 1, 2, 2), at(31, 31, -40, 50, 31, 31, 30, 33)
	r, err := CompareRestricted(a, b, 40, 1)
	require.NoError(t, err)
	d := []float64{30, 30, 39, 39, 30, 30, 28, 31}
	mean, sum := 0.0, 0.0
	for _, x := range d {
		mean += x / 8
	}
	for _, x := range d {
		sum += (x - mean) * (x - mean)
	}
	require.InDelta(t, mean, r.Difference, 1e-12)
	require.InDelta(t, math.Sqrt(sum/7/8), r.StdErr, 1e-12, "the paired standard error")
	require.Equal(t, SmallestP(8, 1), r.P)
	require.True(t, r.Exact)

	// One early censoring takes the long way; the jackknife still works.
	a[0] = Time{1.5, true}
	r, err = CompareRestricted(a, b, 40, 1)
	require.NoError(t, err)
	require.Equal(t, 1, r.A.Early)
	require.InDelta(t, SmallestP(8, 1), r.P, 1e-15)
	require.Greater(t, r.StdErr, 0.0)
}

func TestCompare(t *testing.T) {
	o := Options{Level: 0.95, Late: 1, Deadline: 40, Seed: 1}
	a := at(0.1, 0.2, 0.15, 0.1, 30.1, 0.3, 0.1, 0.2)
	b := at(30.0, 0.3, 30.2, 30.1, 29.9, 30.3, 0.2, 31.0)
	c, err := Compare(a, b, o)
	require.NoError(t, err)
	require.Nil(t, c.Restricted)
	require.Equal(t, c.Shift.P, c.P)
	require.True(t, c.Mixed() && c.MixedA && c.MixedB)
	require.Equal(t, 8, c.LateBlocks)
	require.Equal(t, 1, c.Late.A.K)
	require.Equal(t, 6, c.Late.B.K)
	require.Len(t, c.Warnings, 1)
	require.Contains(t, c.Warnings[0], "read the proportions")
	require.Less(t, c.P, 0.05)
	v, err := c.Verdict(c.P, 100)
	require.NoError(t, err)
	require.Equal(t, Differs, v, "mixed outcomes are not equivalent, however wide the margin")
	v, err = c.Verdict(0.3, 100)
	require.NoError(t, err)
	require.Equal(t, Inconclusive, v)

	b[1] = Time{40, true}
	c, err = Compare(a, b, o)
	require.NoError(t, err)
	require.Nil(t, c.Shift)
	require.Nil(t, c.Median)
	require.Equal(t, c.Restricted.P, c.P)
	require.Equal(t, 7, c.Late.B.K)
	v, err = c.Verdict(0.01, 0.25)
	require.NoError(t, err)
	require.Equal(t, Differs, v)
	v, err = c.Verdict(0.9, 1e9)
	require.NoError(t, err)
	require.Equal(t, Inconclusive, v, "censored outcomes are never equivalent")

	a[0] = Time{0.5, true} // lost sight of before 1 s
	c, err = Compare(a, b, o)
	require.NoError(t, err)
	require.Equal(t, 7, c.LateBlocks)
	require.Contains(t, fmt.Sprint(c.Warnings), "1 outcome(s) were censored before the common deadline")
	require.Contains(t, fmt.Sprint(c.Warnings), "in 1 block(s) it is unknown whether an outcome was late")

	c, err = Compare(at(0.1, 0.2, 0.1), at(0.1, 0.1, 0.15), o)
	require.NoError(t, err)
	require.Equal(t, []string{
		"3 block(s) cannot bound the shift at 95 %",
		"3 block(s) cannot reach p < 0.05: the smallest possible is 0.25",
	}, c.Warnings)
	c, err = Compare([]Time{{0.5, true}, {50, false}}, at(1, 2), o)
	require.NoError(t, err)
	require.Equal(t, 1, c.LateBlocks)
	c, err = Compare([]Time{{0.5, true}}, at(1), o)
	require.Error(t, err)
	require.Zero(t, c)
}

func TestCompareRefuses(t *testing.T) {
	good := Options{Level: 0.95, Late: 1, Deadline: 40}
	for _, c := range []struct {
		a, b []Time
		o    Options
		err  string
	}{
		{at(1, 2), at(1), good, "2 values of one arm and 1 of the other are not blocks"},
		{nil, nil, good, "no values"},
		{at(1), []Time{{math.NaN(), false}}, good, "time 1 is NaN"},
		{at(1), at(1), Options{Level: 0.95}, "limit 0 of what is late is not positive"},
		{at(1), at(1), Options{Late: 1}, "level 0 is not between 0 and 1"},
		{at(1, 2), at(1, -2), Options{Late: 1, Deadline: 40}, "level 0 is not between 0 and 1"},
		{at(1, 2), at(1, -2), Options{Level: 0.95, Late: 1}, "deadline 0 is not positive"},
	} {
		_, err := Compare(c.a, c.b, c.o)
		require.EqualError(t, err, c.err)
	}
}
