package stats

import (
	"math"
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

func TestRestrictedMeanIsAsR(t *testing.T) {
	for _, c := range []struct {
		times    []Time
		deadline float64
		mean     float64
	}{
		// summary(survfit(Surv(time, status) ~ x, aml), rmean=D)$table; the
		// 22.70833 and 4.180942 are also in the reverse dependency checks of
		// dplyr, for survivalAnalysis.
		{maintained, 20, 18.15909091},
		{notMaintained, 20, 14.83333333},
		{maintained, 40, 28.89772727},
		{notMaintained, 40, 21.93055556},
		{maintained, 48, 31.84318182},
		{notMaintained, 48, 22.70833333},
	} {
		r, err := RestrictedMean(c.times, c.deadline)
		require.NoError(t, err)
		require.InDelta(t, c.mean, r.Mean, 5e-9)
		require.Equal(t, len(c.times), r.N)
	}
}

func TestRestrictedMeanByHand(t *testing.T) {
	r, err := RestrictedMean(at(1, 2, -40, 50, 39), 40) // 50 counts as not by 40
	require.NoError(t, err)
	require.InDelta(t, (1+2+40+40+39)/5.0, r.Mean, 1e-12)
	require.Equal(t, 3, r.Events)
	require.Zero(t, r.Early)
	r, err = RestrictedMean(at(-40, -41), 40)
	require.NoError(t, err)
	require.Equal(t, Restricted{Mean: 40, Deadline: 40, N: 2}, r)
	r, err = RestrictedMean(at(1, -20, 30), 40) // the last happened: nothing is unknown
	require.NoError(t, err)
	require.Equal(t, 1, r.Early)
	require.InDelta(t, 1+2.0/3*29, r.Mean, 1e-12)
}

// Where half or more are censored only a bound is known, also where one was
// censored before others happened.
func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		times []Time
		q     float64
		want  Time
	}{
		{nil, 0.5, Time{}},
		{at(3, 1, 2), 0.5, Time{2, false}},
		{at(4, 1, 3, 2), 0.5, Time{2.5, false}},
		{at(1, 2, 3, -40), 0.5, Time{2.5, false}},
		{at(1, 2, -40, -40), 0.5, Time{21, true}},
		{at(1, -2, 3), 0.5, Time{2, true}},
		{at(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), 0.9, Time{10, false}}, // R: quantile(1:11, 0.9)
		{at(1, 2), 0.99, Time{1.99, false}},
	} {
		got := Quantile(c.times, c.q)
		require.Equal(t, c.want.Censored, got.Censored, "%v", c)
		require.InDelta(t, c.want.At, got.At, 1e-12)
	}
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
	}
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
	mean := 0.0
	for _, x := range d {
		mean += x / 8
	}
	require.InDelta(t, mean, r.Difference, 1e-12)
	require.Equal(t, SmallestP(8, 1), r.P)
	require.True(t, r.Exact)

	// One early censoring takes the long way.
	a[0] = Time{1.5, true}
	r, err = CompareRestricted(a, b, 40, 1)
	require.NoError(t, err)
	require.Equal(t, 1, r.A.Early)
	require.InDelta(t, SmallestP(8, 1), r.P, 1e-15)
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
