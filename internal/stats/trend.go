package stats

import (
	"errors"
	"fmt"
	"math"
)

// Dose is one level of what is varied: of N trials with it, K had the outcome.
type Dose struct {
	Score int // the level; only differences between scores matter
	K, N  int
}

// Trend is whether a share grows with the dose.
type Trend struct {
	Doses []Dose
	// P is two-sided and exact: of the Cochran-Armitage statistic, the sum of the
	// scores of all outcomes, given how many there are in all (Agresti, Categorical
	// Data Analysis, 5.3.4). Tables no more likely to come near its mean count.
	P float64
	// Rising tells whether the sum is above its mean: more of it with a higher dose.
	Rising bool
}

// NewTrend tests two doses or more. It fails where there are fewer, where a count
// is none, or where all trials have the outcome or none has: nothing can be told.
func NewTrend(doses []Dose) (Trend, error) {
	if len(doses) < 2 {
		return Trend{}, errors.New("a trend needs two doses")
	}
	k, n, sum, scores := 0, 0, 0, 0
	for _, d := range doses {
		if d.K < 0 || d.N < d.K {
			return Trend{}, fmt.Errorf("%d of %d trials is no count", d.K, d.N)
		}
		k, n, sum, scores = k+d.K, n+d.N, sum+d.Score*d.K, scores+d.Score*d.N
	}
	if k == 0 || k == n {
		return Trend{}, errors.New("all trials are alike")
	}
	// The number of tables by outcomes used up and sum of scores.
	type at struct{ k, sum int }
	ways := map[at]float64{{}: 1}
	for _, d := range doses {
		next := map[at]float64{}
		for a, w := range ways {
			for i := 0; i <= d.N && a.k+i <= k; i++ {
				next[at{a.k + i, a.sum + i*d.Score}] += w * choose(d.N, i)
			}
		}
		ways = next
	}
	mean := float64(scores) * float64(k) / float64(n)
	off := math.Abs(float64(sum) - mean)
	all, far := 0.0, 0.0
	for a, w := range ways {
		if a.k != k {
			continue
		}
		all += w
		if math.Abs(float64(a.sum)-mean) >= off-1e-9 {
			far += w
		}
	}
	return Trend{doses, far / all, float64(sum) > mean}, nil
}

// choose is the binomial coefficient.
func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}
