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

// What a difference is where times are censored: of the times to the deadline.
func TestCompareRestricted(t *testing.T) {
	o := Options{Level: 0.95, Late: 1, Deadline: 40}
	a, b := at(1, 1, 1, 1, 1, 1, 2, 2), at(31, 31, -40, 50, 31, 31, 30, 33)
	c, err := Compare(a, b, o)
	require.NoError(t, err)
	require.Nil(t, c.Shift)
	require.InDelta(t, (30+30+39+39+30+30+28+31)/8.0, c.Difference(), 1e-12)
	require.Equal(t, SmallestP(8, 1), c.P)
	a[0] = Time{1.5, true}
	_, err = Compare(a, b, o)
	require.EqualError(t, err, "a time is censored at 1.5, before the deadline 40")
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
	require.NotNil(t, c.Restricted)
	require.Equal(t, 7, c.Late.B.K)
	v, err = c.Verdict(0.01, 0.25)
	require.NoError(t, err)
	require.Equal(t, Differs, v)
	v, err = c.Verdict(0.9, 1e9)
	require.NoError(t, err)
	require.Equal(t, Inconclusive, v, "censored outcomes are never equivalent")
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
		{[]Time{{1, false}, {-1, false}}, at(1, 1), good, "time 2 is -1"},
		{[]Time{{math.Inf(1), true}}, at(1), good, "time 1 is +Inf"},
		{at(1), []Time{{math.NaN(), false}}, good, "time 1 is NaN"},
		{at(1), at(1), Options{Level: 0.95}, "limit 0 of what is late is not positive"},
		{at(1), at(1), Options{Late: 1}, "level 0 is not between 0 and 1"},
		{at(1, 2), at(1, -2), Options{Level: 0.95, Late: 1}, "deadline 0 is not positive"},
	} {
		_, err := Compare(c.a, c.b, c.o)
		require.EqualError(t, err, c.err)
	}
}
