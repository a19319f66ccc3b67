package stats

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkPaired20(b *testing.B) {
	d := values(rand.New(rand.NewPCG(1, 0)), 20, false)
	for b.Loop() {
		_, _ = Paired(d, 0.95)
	}
}

func BenchmarkTwoSample20And20(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	x, y := values(rng, 20, false), values(rng, 20, false)
	for b.Loop() {
		_, _ = TwoSample(x, y, 0.95)
	}
}

// The most that is gone through exactly: 2^19 swaps, with curves for each.
func BenchmarkCompareRestricted20(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	x, y := make([]Time, 20), make([]Time, 20)
	for i := range x {
		x[i], y[i] = Time{At: 40 * rng.Float64()}, Time{40 * rng.Float64(), i%5 == 0}
	}
	x[0], y[0] = Time{40, true}, Time{40, true}
	for b.Loop() {
		if _, err := CompareRestricted(x, y, 40, 1); err != nil {
			b.Fatal(err)
		}
	}
}
