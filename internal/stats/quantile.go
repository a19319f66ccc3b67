package stats

import (
	"fmt"
	"math"
	"slices"
)

// Quantile is a quantile of values, in their unit.
type Quantile struct {
	Q        float64 // e.g. 0.5 for the median
	Estimate float64
	Interval Interval
	N        int
}

// NewQuantile estimates the q-quantile by interpolation (type 7 of Hyndman and
// Fan 1996, Am. Stat. 50:361, which is R's default; for 0.5 the usual median),
// with the interval between two order statistics that misses at most half of
// what level leaves on either side (David and Nagaraja, Order Statistics,
// section 7.1). It assumes nothing about the shape; ties make it cover more.
//
// It fails without values, with one that is not finite, and where q or level is
// not between 0 and 1.
func NewQuantile(x []float64, q, level float64) (Quantile, error) {
	if err := checkLevel(level); err != nil {
		return Quantile{}, err
	}
	if err := checkValues(x); err != nil {
		return Quantile{}, err
	}
	if !(q > 0 && q < 1) {
		return Quantile{}, fmt.Errorf("quantile %v is not between 0 and 1", q)
	}
	sorted := slices.Sorted(slices.Values(x))
	n := len(sorted)
	at := q * float64(n-1)
	low := int(at)
	estimate := sorted[low]
	if low+1 < n {
		estimate += (at - float64(low)) * (sorted[low+1] - sorted[low])
	}
	tail := (1 - level) / 2
	// The number of values below the quantile is binomial. The l-th smallest
	// is above it when fewer than l are below, the u-th is below it when at
	// least u are.
	interval := unbounded(level)
	for l := n; l >= 1; l-- {
		if missed := binomialCDF(l-1, n, q); missed <= tail*slack {
			interval.Lo = sorted[l-1]
			interval.Attained -= missed
			break
		}
	}
	for u := 1; u <= n; u++ {
		if missed := 1 - binomialCDF(u-1, n, q); missed <= tail*slack {
			interval.Hi = sorted[u-1]
			interval.Attained -= missed
			break
		}
	}
	return Quantile{q, estimate, interval, n}, nil
}

// Mixed reports whether values are of two kinds, prompt and late ones: some of
// at most limit, some above, and nothing in between over a stretch as wide as
// limit. A shift describes neither kind then, and the proportion above limit
// has to be read beside it. limit is in the values' unit, e.g. 1 s.
func Mixed(x []float64, limit float64) bool {
	prompt, late := math.Inf(-1), math.Inf(1)
	for _, v := range x {
		if v <= limit {
			prompt = max(prompt, v)
		} else {
			late = min(late, v)
		}
	}
	return !math.IsInf(prompt, 0) && !math.IsInf(late, 0) && late-prompt > limit
}
