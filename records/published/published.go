// Package published holds the times behind the plot of the original report (see
// README.md), to be drawn beside our own. They count from another zero: the whole
// Job's time as its client saw it.
package published

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

//go:embed run1.csv
var run1 string

// unsetTimeout is what Flux, the application's broker, sets where its user does not.
const unsetTimeout = 30 * time.Second

// Joins are run1.csv's times by extra and connect timeout, in its order, sorted.
func Joins() []analysis.Join {
	var out []analysis.Join
	for _, row := range strings.Fields(run1)[1:] {
		cells := strings.Split(row, ",")
		seconds, err := strconv.ParseFloat(cells[2], 64)
		timeout, unset := time.ParseDuration(cells[1])
		if unset != nil {
			timeout = unsetTimeout // "no-timeout-set"
		}
		if err != nil {
			panic(fmt.Sprintf("run1.csv: %q: %v", row, err)) // it is part of the program
		}
		j := analysis.Join{Arm: plan.Arm{Extra: plan.Extra(cells[0])}, Timeout: plan.Duration(timeout)}
		i := slices.IndexFunc(out, func(o analysis.Join) bool { return o.Arm == j.Arm && o.Timeout == j.Timeout })
		if i < 0 {
			i, out = len(out), append(out, j)
		}
		out[i].Times = append(out[i].Times, stats.Time{At: seconds})
	}
	for i := range out {
		slices.SortFunc(out[i].Times, stats.CompareTimes)
		out[i].Median = stats.Quantile(out[i].Times, 0.5)
	}
	return out
}
