package published

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// says joins the sentences about two made-up runs; without and with give a
// setting's times.
func says(t *testing.T, without, with func(name string, timeout float64) []float64) string {
	make := func(times func(string, float64) []float64) Run {
		return read(t, file(t, []float64{1, 2}, func(parts map[string]map[string]any) {
			for i, name := range Settings() {
				x := times(name, min(float64(i+1), 10))
				if name == NoTimeout {
					x = times(name, 30)
				}
				mean, std := meanAndStd(x)
				parts["times"][name], parts["means"][name], parts["stds"][name] = x, mean, std
			}
		}))
	}
	c, err := Compare(make(without), make(with), 0.95)
	require.NoError(t, err)
	return strings.Join(c.Says(), "\n")
}

func prompt(string, float64) []float64 { return []float64{11.1, 11.2, 11.3, 11.4, 11.5, 11.6} }

// waits has half of its runs wait for one connect in vain.
func waits(name string, timeout float64) []float64 {
	return []float64{11.15, 11.25, 11.35, 11.4 + timeout, 11.5 + timeout, 11.6 + timeout}
}

func TestSays(t *testing.T) {
	for _, c := range []struct {
		name          string
		without, with func(string, float64) []float64
		want, not     []string
	}{
		{"the same", prompt, prompt,
			[]string{
				"Order-confounded: the runs without the extra were made first",
				"No shift has p below 0.05 after Holm",
				"The median is lower with the extra at no timeout.",
				"8s, which the report calls an exception, is one by the medians: 11.35 s with the extra against 11.35 s, shift +0.00 s, p 1.000.",
				"They do not say which stage was late",
			},
			[]string{"Late runs", "No run is late", "two kinds", "stands out"}},
		{"as many wait", waits, waits,
			[]string{
				"Late runs took their connect timeout and 11.5 to 11.5 s (medians; at 2s, 3s, 4s, 5s, 6s, 7s, 8s, 9s, 10s, no-timeout-set, where Flux's own 30 s were in force)",
				"No run is late at 1s:",
				"At 2s, 3s, 4s, 5s, 6s, 7s, 8s, 9s, 10s, no-timeout-set an arm has runs of two kinds",
			},
			[]string{"stands out"}},
		{"the extra helps but at 8 s", waits,
			func(name string, timeout float64) []float64 {
				if name == "8s" {
					return []float64{11.2, 19, 19.1, 19.2, 19.3, 19.4}
				}
				return []float64{9.1, 9.2, 9.3, 9.4, 9.5, 9.6}
			},
			[]string{
				"Shifts with p below 0.05 after Holm: 1s (-",
				"The median is not lower with the extra at 8s (19.15 against 15.38 s); it is at the others.",
				"8s, which the report calls an exception, is one by the medians: 19.15 s with the extra against 15.38 s",
				"It stands out by late runs with the extra: 5 of 6, more than at any other timeout.",
			},
			[]string{"8s (-"}},
		{"late by as much whatever the timeout",
			func(string, float64) []float64 { return []float64{11, 11.1, 11.2, 26, 26.1, 26.2} }, prompt,
			[]string{"What late runs took beyond their connect timeout differs from -3.9 to 25.1 s: one wait for a connect does not explain them."},
			[]string{"No run is late", "in vain"}},
		{"faster throughout", prompt,
			func(string, float64) []float64 { return []float64{9.1, 9.2, 9.3, 9.4, 9.5, 9.6} },
			[]string{"Every shift has p below 0.05 after Holm: 1s (-2.00 s), ", "The median is lower with the extra at every timeout.", "8s, which the report calls an exception, is none by the medians"},
			[]string{"not decide", "stands out"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := says(t, c.without, c.with)
			for _, s := range c.want {
				require.Contains(t, got, s)
			}
			for _, s := range c.not {
				require.NotContains(t, got, s)
			}
		})
	}
}

// What is written in this project about the published times has to follow from
// them.
func TestPublishedSays(t *testing.T) {
	without, with := data(t)
	c, err := Compare(without, with, 0.95)
	require.NoError(t, err)
	got := strings.Join(c.Says(), "\n")
	for _, s := range []string{
		"Shifts with p below 0.05 after Holm: 1s (-1.51 s), 6s (-4.59 s), 7s (-5.69 s), 8s (-5.29 s), 9s (-1.32 s), 10s (-1.28 s).",
		"The median is not lower with the extra at 4s (13.00 against 11.97 s); it is at the others.",
		"8s, which the report calls an exception, is none by the medians: 13.37 s with the extra against 19.39 s, shift -5.29 s, p 0.005. " +
			"It stands out by late runs with the extra: 7 of 20, more than at any other timeout.",
		"Late runs took their connect timeout and 11.1 to 11.9 s (medians; at 5s, 6s, 7s, 8s, 9s, 10s, no-timeout-set, where Flux's own 30 s were in force)",
		"No run is late at 1s, 2s, 3s, 4s: so short a timeout would hardly stand out.",
	} {
		require.Contains(t, got, s)
	}
}
