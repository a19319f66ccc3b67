package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// of makes a series from seconds; negative ones are censored there.
func of(values ...float64) series {
	var s series
	for _, v := range values {
		d := time.Duration(v * float64(time.Second))
		s = append(s, judge.Measurement{Value: max(d, -d), Lo: max(d, -d), Censored: v < 0})
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
		{"a bound below the middle: the median is at least that", of(-1, 2, 3), "≥2.00 s", ">1.00 s to ≥3.00 s", "2/3 (1 undecided)"},
		{"exactly 1 s is not late", of(1), "1.00 s", "n=1", "0/1"},
		{"the interval is later", series{{Value: 1100 * ms, Lo: 1050 * ms}}, "1.10 s", "n=1", "1/1"},
		{"the interval holds 1 s", series{{Value: 1020 * ms, Lo: 980 * ms}, {Value: 2 * time.Second, Lo: 1900 * ms}}, "1.51 s", "1.02 s to 2.00 s", "1/2 (1 undecided)"},
		{"the interval ends at 1 s", series{{Value: time.Second, Lo: 960 * ms}}, "1.00 s", "n=1", "0/1"},
		{"the clocks are not known well enough", series{{Value: 990 * ms, Lo: 950 * ms, Clock: 20 * ms}}, "0.99 s", "n=1", "0/1 (1 undecided)"},
		{"censored early tells nothing about 1 s", of(-0.5), ">0.50 s", "n=1", "0/1 (1 undecided)"},
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

// Whether the first question tells late trials from the others is said only
// where it does.
func TestDecider(t *testing.T) {
	type of struct{ connected, start, slice float64 }
	for _, tc := range []struct {
		name   string
		trials []of
		want   string
	}{
		{"before and after", []of{{29, -0.6, -0.8}, {30, -0.2, -0.8}, {0.4, 0.3, -0.1}},
			" In 2 of 2 late trials the first question was sent before index 0's process had started, when its record could not exist (-0.60 s to -0.20 s relative to its start, -0.80 s to its entry in an EndpointSlice); in the other one later (+0.30 s and -0.10 s)."},
		{"earlier and later", []of{{29, 0.1, -0.5}, {0.4, 0.3, -0.1}, {0.5, 0.5, 0.1}},
			" In 1 of 1 late trial the first question was sent earlier, relative to index 0's start, than in any other (+0.10 s relative to its start, -0.50 s to its entry in an EndpointSlice); in the other 2 later (+0.30 s to +0.50 s and -0.10 s to +0.10 s)."},
		{"it does not tell them apart", []of{{29, 0.1, 0}, {30, 0.4, 0}, {31, -0.1, 0}, {0.4, 0.3, 0}}, ""},
		{"all delayed", []of{{29, -0.1, 0}}, ""},
		{"none delayed", []of{{0.2, 0.1, 0}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := seen{regime: regime{DNS: plan.Cache30, Names: plan.Fresh, Observer: record.Solo}}
			at := func(s float64) judge.Measurement {
				d := time.Duration(s * float64(time.Second))
				return judge.Measurement{Value: d, Lo: d}
			}
			for _, x := range tc.trials {
				f.trials = append(f.trials, trial{v: &judge.Verdict{Connected: judge.Timing{Lag: at(x.connected)}, FirstAsked: &judge.FirstAsked{Start: at(x.start), Slice: at(x.slice)}}})
			}
			require.Equal(t, tc.want, f.decider())
			if tc.name == "it does not tell them apart" {
				early, of := f.early()
				require.Equal(t, [2][2]int{{0, 1}, {1, 3}}, [2][2]int{early, of})
			}
			f.Names = plan.Reused
			require.Empty(t, f.decider())
		})
	}
}
