package stats

import (
	"errors"
	"fmt"
	"math"
)

// Interval is a closed interval for an unknown number, in that number's unit. It
// covers with at least its Attained probability, which is at least the level
// asked for. Where so few values cannot give the level on one or both sides, that
// side is infinite instead of falling short: 5 blocks cannot bound a shift at
// 95 %, 6 can.
type Interval struct {
	Lo, Hi float64
	// Level is the probability of covering that was asked for, e.g. 0.95.
	Level float64
	// Attained is a lower bound of the probability of covering. It is the
	// probability itself for a shift of untied data; 1 where both sides are
	// infinite.
	Attained float64
}

// unbounded is all that can be said at level.
func unbounded(level float64) Interval {
	return Interval{math.Inf(-1), math.Inf(1), level, 1}
}

// Bounded reports whether both sides are finite.
func (i Interval) Bounded() bool {
	return !math.IsInf(i.Lo, 0) && !math.IsInf(i.Hi, 0)
}

// Covers reports whether x lies in the interval, ends included.
func (i Interval) Covers(x float64) bool { return i.Lo <= x && x <= i.Hi }

// ErrNoData is returned where there is nothing to estimate from.
var ErrNoData = errors.New("no values")

func checkLevel(level float64) error {
	if !(level > 0 && level < 1) {
		return fmt.Errorf("level %v is not between 0 and 1", level)
	}
	return nil
}

// checkValues refuses what would silently spoil ranks and sums.
func checkValues(x []float64) error {
	if len(x) == 0 {
		return ErrNoData
	}
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("value %d is %v", i+1, v)
		}
	}
	return nil
}
