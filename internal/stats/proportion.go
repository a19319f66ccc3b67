package stats

import "fmt"

// Proportion is how many of so many, e.g. trials delayed by more than 1 s.
type Proportion struct {
	K, N     int
	Share    float64 // K/N
	Interval Interval
}

// NewProportion is k of n with the exact interval of Clopper and Pearson (1934,
// Biometrika 26:404): the shares under which neither as few nor as many as k
// would be rarer than half of what level leaves. It covers more often than
// asked for, the more so for small n.
//
// It fails where k is not between 0 and n, n is not positive, or level is not
// between 0 and 1.
func NewProportion(k, n int, level float64) (Proportion, error) {
	if err := checkLevel(level); err != nil {
		return Proportion{}, err
	}
	switch {
	case n < 1:
		return Proportion{}, ErrNoData
	case k < 0 || k > n:
		return Proportion{}, fmt.Errorf("%d of %d is not a proportion", k, n)
	}
	tail := (1 - level) / 2
	return Proportion{k, n, float64(k) / float64(n), Interval{
		betaQuantile(tail, float64(k), float64(n-k+1)),
		betaQuantile(1-tail, float64(k+1), float64(n-k)),
		level, level,
	}}, nil
}

// PairedProportions compares what happened in two arms block by block.
type PairedProportions struct {
	A, B Proportion
	// OnlyA and OnlyB count the blocks in which it happened in one arm only;
	// the others say nothing about the difference.
	OnlyA, OnlyB int
	// Difference is B's share minus A's.
	Difference float64
	// Interval is for Difference. It joins an exact interval for OnlyA's share
	// and one for OnlyB's, each missing half as often as allowed: simple and
	// sure rather than short.
	Interval Interval
	// P is McNemar's exact: twice the smaller binomial tail of OnlyA among
	// OnlyA+OnlyB at one half, at most 1.
	P float64
}

// CompareProportions compares a and b, whose elements of the same index are of
// one block.
//
// It fails where they are not of one length, are empty, or level is not between
// 0 and 1.
func CompareProportions(a, b []bool, level float64) (PairedProportions, error) {
	if len(a) != len(b) {
		return PairedProportions{}, fmt.Errorf("%d values of one arm and %d of the other are not blocks", len(a), len(b))
	}
	var inA, inB int
	var out PairedProportions
	for i := range a {
		switch {
		case a[i] && b[i]:
			inA++
			inB++
		case a[i]:
			inA++
			out.OnlyA++
		case b[i]:
			inB++
			out.OnlyB++
		}
	}
	n := len(a)
	var err error
	if out.A, err = NewProportion(inA, n, level); err != nil {
		return PairedProportions{}, err
	}
	if out.B, err = NewProportion(inB, n, level); err != nil {
		return PairedProportions{}, err
	}
	half := 1 - (1-level)/2
	// Arguments that were good for A are good for these.
	onlyA, _ := NewProportion(out.OnlyA, n, half)
	onlyB, _ := NewProportion(out.OnlyB, n, half)
	out.Difference = float64(out.OnlyB-out.OnlyA) / float64(n)
	out.Interval = Interval{
		onlyB.Interval.Lo - onlyA.Interval.Hi,
		onlyB.Interval.Hi - onlyA.Interval.Lo,
		level, level,
	}
	out.P = min(1, 2*binomialCDF(min(out.OnlyA, out.OnlyB), out.OnlyA+out.OnlyB, 0.5))
	return out, nil
}
