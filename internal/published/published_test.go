package published

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// file writes what Read accepts, with the given times for every setting, then
// lets change edit it.
func file(t testing.TB, times []float64, change func(parts map[string]map[string]any)) string {
	parts := map[string]map[string]any{"times": {}, "means": {}, "stds": {}}
	for _, name := range Settings() {
		mean, std := meanAndStd(times)
		parts["times"][name], parts["means"][name], parts["stds"][name] = times, mean, std
	}
	if change != nil {
		change(parts)
	}
	text, err := json.MarshalIndent(parts, "", "    ")
	require.NoError(t, err)
	return string(text)
}

func TestSettings(t *testing.T) {
	require.Equal(t, strings.Fields("1s 2s 3s 4s 5s 6s 7s 8s 9s 10s no-timeout-set"), Settings())
}

func TestRead(t *testing.T) {
	run, err := Read(strings.NewReader(file(t, []float64{12.5, 11, 14}, nil)))
	require.NoError(t, err)
	require.Len(t, run.Settings, 11)
	for i, s := range run.Settings {
		require.Equal(t, Settings()[i], s.Name)
		require.Equal(t, []float64{12.5, 11, 14}, s.Times, "in the order of the runs")
	}
	require.Equal(t, time.Second, run.Settings[0].Timeout)
	require.Equal(t, 10*time.Second, run.Settings[9].Timeout)
	require.Zero(t, run.Settings[10].Timeout)
}

func TestReadRefuses(t *testing.T) {
	good := []float64{12.5, 11, 14}
	edit := func(part, name string, value any) func(map[string]map[string]any) {
		return func(p map[string]map[string]any) { p[part][name] = value }
	}
	for _, c := range []struct {
		name, text, err string
	}{
		{"nothing", "", "line 1 is not JSON: unexpected end of JSON input"},
		{"cut", file(t, good, nil)[:300], "is not JSON: unexpected end of JSON input"},
		{"NaN, as Python writes it", strings.Replace(file(t, good, nil), "12.5", "NaN", 1), "is not JSON: invalid character 'N' looking for beginning of value"},
		{"more after it", file(t, good, nil) + "{}", "is not JSON: invalid character '{' after top-level value"},
		{"a list", "[]", "file is not an object"},
		{"null", "null", "file is not an object"},
		{"no means", `{"times": {}, "stds": {}}`, "file misses means"},
		{"another part", `{"time": {}}`, `file has "time", which is none of times, means, stds`},
		{"a part twice", `{"times": {}, "times": {}}`, `file has "times" twice`},
		{"times no object", `{"times": [], "means": {}, "stds": {}}`, "times is not an object"},
		{"a setting missing", file(t, good, func(p map[string]map[string]any) { delete(p["times"], "8s"); delete(p["times"], NoTimeout) }),
			"times misses 8s, no-timeout-set"},
		{"another setting", file(t, good, edit("times", "11s", good)), `times has "11s", which is none of 1s, 2s, `},
		{"a mean missing", file(t, good, func(p map[string]map[string]any) { delete(p["means"], "3s") }), "means misses 3s"},
		{"a setting twice", strings.Replace(file(t, good, nil), `"2s"`, `"1s"`, 1), `means has "1s" twice`},
		{"negative", file(t, good, edit("times", "3s", []float64{1, -2})), "setting 3s: time 2 is negative: -2"},
		{"zero", file(t, good, edit("times", "3s", []float64{0, 2})), "setting 3s: time 1 is zero"},
		{"null time", file(t, good, edit("times", "3s", []any{1, nil})), "setting 3s: time 2 is null"},
		{"null times", file(t, good, edit("times", "3s", nil)), "setting 3s: 0 times; accepted: 2 to 100"},
		{"one time", file(t, good, edit("times", "3s", []float64{1})), "setting 3s: 1 times; accepted: 2 to 100"},
		{"too many times", file(t, good, edit("times", "3s", make([]float64, 101))), "setting 3s: 101 times; accepted: 2 to 100"},
		{"text for a time", file(t, good, edit("times", "3s", []any{1, "2"})), "setting 3s: times are not a list of numbers"},
		{"beyond all numbers", file(t, good, edit("times", "1s", json.RawMessage("[1, 1e999]"))), "setting 1s: times are not a list of numbers"},
		{"mean of other times", file(t, good, edit("means", "5s", 13.0)), "setting 5s: mean is 13, but its times have 12.5"},
		{"deviation of other times", file(t, good, edit("stds", "5s", 1.2)), "setting 5s: standard deviation is 1.2, but its times have 1.5"},
		{"mean no number", file(t, good, edit("means", "5s", "x")), `setting 5s: mean is "x", not a number`},
		{"mean null", file(t, good, edit("means", "5s", nil)), "setting 5s: mean is null, not a number"},
		{"a long name", `{"` + strings.Repeat("x", 500) + `": 1}`, `file has "` + strings.Repeat("x", 40) + `..."`},
		{"too long", strings.Repeat(" ", maxSize+1), "file is longer than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, err := Read(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.err)
			require.Less(t, len(err.Error()), 300)
			require.Zero(t, run)
		})
	}
	broken := errors.New("stream broke off")
	_, err := Read(io.MultiReader(strings.NewReader("{"), failing{broken}))
	require.ErrorIs(t, err, broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.json")
	_, err := ReadFile(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(name, []byte("{}"), 0o600))
	_, err = ReadFile(name)
	require.EqualError(t, err, name+": file misses times, means, stds")
	require.NoError(t, os.WriteFile(name, []byte(file(t, []float64{1, 2}, nil)), 0o600))
	_, err = ReadFile(name)
	require.NoError(t, err)
}

func read(t testing.TB, text string) Run {
	run, err := Read(strings.NewReader(text))
	require.NoError(t, err)
	return run
}

func TestCompareByHand(t *testing.T) {
	without := read(t, file(t, []float64{12, 16.5, 12.5, 17, 13, 16}, nil))
	with := read(t, file(t, []float64{11.1, 11.2, 11.3, 11.4, 11.5, 11.6}, nil))
	c, err := Compare(without, with, 0.95)
	require.NoError(t, err)
	require.Equal(t, OrderConfounded, c.Label)
	require.Len(t, c.Rows, 11)
	for _, r := range c.Rows {
		require.Equal(t, 14.5, r.Without.Median.Estimate)
		require.InDelta(t, 11.35, r.With.Median.Estimate, 1e-12)
		require.Equal(t, 12.0, r.Without.Fastest)
		require.Equal(t, 17.0, r.Without.Slowest)
		require.Equal(t, 3, r.Without.Separate.K)
		require.Zero(t, r.With.Separate.K)
		require.True(t, r.Mixed)
		require.InDelta(t, 2.0/924, r.Shift.P, 1e-15) // all of 12 choose 6, one on either side
		require.InDelta(t, 11*2.0/924, r.Adjusted, 1e-15)
		require.Less(t, r.Shift.Interval.Hi, 0.0)
	}
	require.True(t, slices.IsSorted(c.Rows[0].Without.Times))
	require.Equal(t, 12.0, without.Settings[0].Times[0], "the caller's are left alone")
	require.Equal(t, 16.5, without.Settings[0].Times[1])
}

func TestCompareRefuses(t *testing.T) {
	run := read(t, file(t, []float64{1, 2}, nil))
	_, err := Compare(run, Run{}, 0.95)
	require.EqualError(t, err, "the runs do not have the same settings")
	_, err = Compare(Run{}, Run{}, 0.95)
	require.Error(t, err)
	_, err = Compare(run, run, 1)
	require.EqualError(t, err, "setting 1s: level 1 is not between 0 and 1")
	other := Run{Settings: slices.Clone(run.Settings)}
	slices.Reverse(other.Settings)
	_, err = Compare(run, other, 0.95)
	require.EqualError(t, err, "setting 1 is 1s in one run and no-timeout-set in the other")
}

// data finds the published files beside the repository.
func data(t *testing.T) (without, with Run) {
	dir := filepath.Join("..", "..", "..", "shared", "data")
	var runs []Run
	for _, name := range []string{"published-run1-no-services.json", "published-run1-with-services.json"} {
		run, err := ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			t.Skipf("the published times are not beside this repository: %v", err)
		}
		require.NoError(t, err)
		runs = append(runs, run)
	}
	return runs[0], runs[1]
}

// R 4.2.2 on the published files: median(x), median(y), wilcox.test(y, x,
// conf.int=TRUE, exact=TRUE) and p.adjust(p, "holm").
func TestPublishedIsAsR(t *testing.T) {
	without, with := data(t)
	c, err := Compare(without, with, 0.95)
	require.NoError(t, err)
	for i, want := range []struct {
		name                            string
		without, with, shift, lo, hi, p float64
		adjusted                        float64
		separateWithout, separateWith   int
	}{
		{"1s", 13.8364, 12.0743, -1.5129, -2.0824, -0.8516, 9.10478e-05, 7.28383e-04, 0, 0},
		{"2s", 13.4681, 12.5505, -0.7422, -1.2633, -0.2672, 0.010314, 5.15702e-02, 0, 0},
		{"3s", 12.3155, 12.2443, -0.0088, -0.4149, 0.6538, 0.989332, 9.89332e-01, 0, 0},
		{"4s", 11.9650, 13.0019, 0.5722, -0.2324, 1.2480, 0.1207, 2.41399e-01, 0, 0},
		{"5s", 16.2091, 12.3326, -1.4459, -4.0004, 0.1161, 0.0717768, 2.15330e-01, 11, 2},
		{"6s", 17.2676, 12.3720, -4.5893, -5.0317, -3.3661, 1.56463e-05, 1.40817e-04, 14, 0},
		{"7s", 18.4761, 12.7075, -5.6903, -6.1542, -5.3464, 8.34116e-08, 9.17528e-07, 18, 0},
		{"8s", 19.3866, 13.3662, -5.2854, -6.6227, -0.3489, 0.000747408, 5.23186e-03, 17, 7},
		{"9s", 17.1011, 12.3625, -1.3181, -7.9079, -0.3861, 0.00426675, 2.56005e-02, 10, 3},
		{"10s", 13.2238, 11.9379, -1.2765, -8.9303, -0.6775, 3.45213e-06, 3.45213e-05, 7, 0},
		{NoTimeout, 13.5811, 12.7297, -1.0374, -28.9375, -0.1563, 0.0180936, 7.23743e-02, 9, 0},
	} {
		r := c.Rows[i]
		require.Equal(t, want.name, r.Name)
		require.InDelta(t, want.without, r.Without.Median.Estimate, 5.1e-5)
		require.InDelta(t, want.with, r.With.Median.Estimate, 5.1e-5)
		require.InDelta(t, want.shift, r.Shift.Estimate, 5.1e-5)
		require.InDelta(t, want.lo, r.Shift.Interval.Lo, 5.1e-5)
		require.InDelta(t, want.hi, r.Shift.Interval.Hi, 5.1e-5)
		require.InEpsilon(t, want.p, r.Shift.P, 5e-6)
		require.InEpsilon(t, want.adjusted, r.Adjusted, 5e-6)
		require.InDelta(t, 0.9509097, r.Shift.Interval.Attained, 5e-8) // 1-2*pwilcox(qwilcox(.025,20,20)-1,20,20)
		require.Equal(t, want.separateWithout, r.Without.Separate.K, want.name)
		require.Equal(t, want.separateWith, r.With.Separate.K, want.name)
		require.Len(t, r.With.Times, 20)
	}
}

// Whatever is in a file, Read refuses it or returns a run that can be analysed.
func FuzzRead(f *testing.F) {
	f.Add([]byte(file(f, []float64{12.5, 11, 14}, nil)))
	f.Add([]byte(strings.Replace(file(f, []float64{12.5, 11}, nil), "12.5", "1e999", 1)))
	f.Add([]byte(strings.Replace(file(f, []float64{12.5, 11}, nil), "11", "-11", 1)))
	f.Add([]byte(`{"times": {"1s": [NaN]}}`))
	f.Add([]byte(`{"times": {}, "times": {}}`))
	f.Add([]byte("\xff{\"\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := Read(strings.NewReader(string(text)))
		if err != nil {
			if len(run.Settings) != 0 || len(err.Error()) > 1000 {
				t.Fatalf("%+v with %v", run, err)
			}
			return
		}
		if len(run.Settings) != len(Settings()) {
			t.Fatalf("%d settings", len(run.Settings))
		}
		for _, s := range run.Settings {
			for _, v := range s.Times {
				if !(v > 0) || math.IsInf(v, 0) {
					t.Fatalf("time %v", v)
				}
			}
		}
		if _, err := Compare(run, run, 0.95); err != nil {
			t.Fatal(err)
		}
	})
}
