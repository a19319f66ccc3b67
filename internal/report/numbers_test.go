package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
)

// of makes a series from seconds; negative ones are censored there.
func of(values ...float64) series {
	var s series
	for _, v := range values {
		d := time.Duration(v * float64(time.Second))
		s = append(s, judge.Outcome{Value: max(d, -d), Censored: v < 0})
	}
	return s
}

func TestNumbers(t *testing.T) {
	for _, tc := range []struct {
		name                   string
		s                      series
		median, span, delayed_ string
	}{
		{"none", nil, "-", "-", "-"},
		{"one", of(0.3), "0.30 s", "n=1", "0/1"},
		{"one, censored", of(-40), ">40.00 s", "n=1", "1/1"},
		{"small", of(0.004), "0.004 s", "n=1", "0/1"},
		{"odd", of(3, 1, 2), "2.00 s", "1.00 s to 3.00 s", "2/3"},
		{"even", of(4, 1, 2, 3), "2.50 s", "1.00 s to 4.00 s", "3/4"},
		{"one of three censored", of(0.5, 30, -40), "30.00 s", "0.50 s to >40.00 s", "2/3"},
		{"half censored: not reached", of(30, -40), "≥30.00 s", "30.00 s to >40.00 s", "2/2"},
		{"most censored", of(133.5, -40, -40), ">40.00 s", ">40.00 s to ≥133.50 s", "3/3"},
		{"one of two followed longer", of(-40, 135), ">40.00 s", ">40.00 s to ≥135.00 s", "2/2"},
		{"all censored", of(-40, -40), ">40.00 s", ">40.00 s to >40.00 s", "2/2"},
		{"a bound below the middle: the median is at least that", of(-1, 2, 3), "≥2.00 s", ">1.00 s to ≥3.00 s", "2/2"},
		{"exactly 1 s is not late", of(1), "1.00 s", "n=1", "0/1"},
		{"censored early tells nothing about 1 s", of(-0.5), ">0.50 s", "n=1", "0/0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.median, tc.s.medianText())
			require.Equal(t, tc.span, tc.s.rangeText())
			require.Equal(t, tc.delayed_, tc.s.delayedText())
		})
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000 s", -100 * time.Nanosecond: "0.000 s", -20 * ms: "-0.020 s", 30*time.Second + 15*ms: "30.02 s", 133500 * ms: "133.50 s", 99 * ms: "0.099 s",
	} {
		require.Equal(t, want, seconds(d))
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 35900: "35,900", 1234567: "1,234,567"} {
		require.Equal(t, want, count(n))
	}
}
