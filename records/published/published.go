// Package published holds what others measured or worked out (see README.md), to be
// drawn beside our own: the times behind the plot of the original report, which count
// from another zero, the whole Job's time as its client saw it; what workers on
// Cloud DNS saw; and what the model of a record writer predicts.
package published

import (
	"cmp"
	_ "embed"
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

//go:embed clouddns-workers.csv
var workers string

// unsetTimeout is what Flux, the application's broker, sets where its user does not.
const unsetTimeout = 30 * time.Second

// Joins are run1.csv's times by extra and connect timeout, in its order, sorted.
func Joins() []analysis.Join {
	var all joins
	for _, row := range rows(run1) {
		timeout, unset := time.ParseDuration(row[1])
		if unset != nil {
			timeout = unsetTimeout // "no-timeout-set"
		}
		all.add(row[0], timeout, seconds(row[2]))
	}
	return all.sorted()
}

// CloudDNS are run8's joins of clouddns-workers.csv by extra and connect timeout: from
// a worker's lookup until it had joined, the last worker's of each iteration.
func CloudDNS() []analysis.Join {
	type iteration struct{ extra, timeout, n string }
	last := map[iteration]float64{}
	var order []iteration
	for _, row := range rows(workers) {
		if row[0] != "run8" {
			continue
		}
		i := iteration{row[1], row[2], row[3]}
		if _, known := last[i]; !known {
			order = append(order, i)
		}
		last[i] = max(last[i], seconds(row[6]))
	}
	var all joins
	for _, i := range order {
		all.add(i.extra, time.Duration(seconds(i.timeout))*time.Second, last[i])
	}
	return all.sorted()
}

// Withdrawn is, by when the Service is deleted after the end of its Job, the share of
// trials whose old record the record writer of the model withdraws, with a pod inside
// the Service: 3,000 simulated trials each with the original experiment's timing.
func Withdrawn() map[time.Duration]float64 {
	return map[time.Duration]float64{
		600 * time.Millisecond: .17, time.Second: .49, 1200 * time.Millisecond: .68,
		1500 * time.Millisecond: .87, 2 * time.Second: 1,
	}
}

// rows are a file's lines but the first, as cells.
func rows(csv string) [][]string {
	var out [][]string
	for _, line := range strings.Split(strings.TrimSpace(csv), "\n")[1:] {
		out = append(out, strings.Split(line, ","))
	}
	return out
}

func seconds(cell string) float64 {
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		panic(err) // it is part of the program
	}
	return v
}

type joins []analysis.Join

func (all *joins) add(extra string, timeout time.Duration, at float64) {
	arm := plan.Arm{Extra: plan.Extra(extra)}
	i := slices.IndexFunc(*all, func(o analysis.Join) bool { return o.Arm == arm && time.Duration(o.Timeout) == timeout })
	if i < 0 {
		i, *all = len(*all), append(*all, analysis.Join{Arm: arm, Timeout: plan.Duration(timeout)})
	}
	(*all)[i].Times = append((*all)[i].Times, stats.Time{At: at})
}

// sorted has none before the others, as in our own plans.
func (all joins) sorted() []analysis.Join {
	slices.SortStableFunc(all, func(a, b analysis.Join) int { return cmp.Compare(b.Arm.Extra, a.Arm.Extra) })
	for i := range all {
		slices.SortFunc(all[i].Times, stats.CompareTimes)
		all[i].Median = stats.Quantile(all[i].Times, 0.5)
	}
	return all
}
