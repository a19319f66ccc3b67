package published

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/stats"
)

// OrderConfounded is what every number of a Comparison has to be read with.
const OrderConfounded = "order-confounded: the runs without the extra were made first, those with it later, " +
	"each timeout's in a row; there are no blocks, so that whatever else changed in between is part of the difference"

// gap is what separates delayed runs from the others of their setting.
// Neighbours among the published times are less than 1.8 s apart or more than
// 2.4 s, the latter only where the timeout is 5 s or longer: a run waits for
// whole timeouts, and those below 3 s leave no gap. It was chosen from the
// data and describes them; nothing is tested with it.
const gap = 2.0 // seconds

// Series is one arm's times with one timeout.
type Series struct {
	Times            []float64 // seconds, ascending
	Median           stats.Quantile
	Fastest, Slowest float64
	Separate         stats.Proportion // runs above the first gap of 2 s or more
}

// Row compares the arms with one timeout.
type Row struct {
	Name          string
	Timeout       time.Duration // 0 for NoTimeout
	Without, With Series
	// Shift is by how many seconds runs with the extra took longer
	// (negative: were faster), with exact interval and p (Mann-Whitney).
	Shift stats.Shift
	// Adjusted is Shift's p after Holm over the settings.
	Adjusted float64
	// Mixed says that an arm has runs of two kinds, of which a shift
	// describes neither; read Separate.
	Mixed bool
}

// Comparison is what the published times say about the extra.
type Comparison struct {
	Rows []Row
	// Label is OrderConfounded.
	Label string
}

// Compare estimates, for each setting, how times with the extra differ from
// those without, at a level such as 0.95.
//
// It fails where the runs do not have the same settings, as those from Read do,
// and as stats.TwoSample does.
func Compare(without, with Run, level float64) (Comparison, error) {
	if len(without.Settings) == 0 || len(without.Settings) != len(with.Settings) {
		return Comparison{}, errors.New("the runs do not have the same settings")
	}
	out := Comparison{Label: OrderConfounded}
	var outcomes []stats.Outcome
	for i, a := range without.Settings {
		b := with.Settings[i]
		if a.Name != b.Name {
			return Comparison{}, fmt.Errorf("setting %d is %s in one run and %s in the other", i+1, a.Name, b.Name)
		}
		row := Row{Name: a.Name, Timeout: a.Timeout}
		var err error
		if row.Shift, err = stats.TwoSample(a.Times, b.Times, level); err != nil {
			return Comparison{}, fmt.Errorf("setting %s: %w", a.Name, err)
		}
		if row.Without, err = series(a.Times, level); err != nil {
			return Comparison{}, fmt.Errorf("setting %s: %w", a.Name, err)
		}
		if row.With, err = series(b.Times, level); err != nil {
			return Comparison{}, fmt.Errorf("setting %s: %w", a.Name, err)
		}
		row.Mixed = row.Without.Separate.K > 0 || row.With.Separate.K > 0
		out.Rows = append(out.Rows, row)
		outcomes = append(outcomes, stats.Outcome{Name: a.Name, P: row.Shift.P})
	}
	adjusted, err := stats.Holm(outcomes)
	if err != nil {
		return Comparison{}, err
	}
	for i := range out.Rows {
		out.Rows[i].Adjusted = adjusted[i].Adjusted
	}
	return out, nil
}

func series(times []float64, level float64) (Series, error) {
	s := Series{Times: slices.Sorted(slices.Values(times))}
	var err error
	if s.Median, err = stats.NewQuantile(times, 0.5, level); err != nil {
		return Series{}, err
	}
	n := len(s.Times)
	s.Fastest, s.Slowest = s.Times[0], s.Times[n-1]
	above := 0
	for i := 1; i < n; i++ {
		if s.Times[i]-s.Times[i-1] >= gap {
			above = n - i
			break
		}
	}
	s.Separate, err = stats.NewProportion(above, n, level)
	return s, err
}
