package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// experiments is how many each simulation makes, and margin is for the chance in
// so few: three standard errors of 5 %.
const (
	experiments = 2000
	margin      = 0.015
)

// noise is a trial's time apart from its block and arm.
type noise struct {
	name       string
	continuous bool
	draw       func(*rand.Rand) float64
}

// bimodal is what denial caching makes: at once, or after some 30 s.
func bimodal(late float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 {
		if r.Float64() < late {
			return 30 + 0.05*r.NormFloat64()
		}
		return 0.1 + 0.02*r.ExpFloat64()
	}
}

var noises = []noise{
	{"normal", true, func(r *rand.Rand) float64 { return r.NormFloat64() }},
	{"Cauchy", true, func(r *rand.Rand) float64 { return r.NormFloat64() / r.NormFloat64() }},
	{"exponential", true, func(r *rand.Rand) float64 { return r.ExpFloat64() }},
	{"bimodal, half late", true, bimodal(0.5)},
	{"bimodal, one in ten late", true, bimodal(0.1)},
	{"uniform 0 to 30", true, func(r *rand.Rand) float64 { return 30 * r.Float64() }},
	{"whole seconds", false, func(r *rand.Rand) float64 { return math.Floor(r.ExpFloat64() * 2) }},
	{"exactly 0 or 30", false, func(r *rand.Rand) float64 { return 30 * float64(r.IntN(2)) }},
	{"exactly 0, one in ten 30", false, func(r *rand.Rand) float64 { return 30 * float64(r.IntN(10)/9) }},
}

// each runs the experiments of one cell with their own seed.
func each(t *testing.T, name string, f func(*rand.Rand)) {
	h := uint64(0)
	for _, c := range name {
		h = h*31 + uint64(c)
	}
	rng := rand.New(rand.NewPCG(20261122, h))
	for range experiments {
		f(rng)
	}
}

func share(k int) float64 { return float64(k) / float64(experiments) }

// The interval of a shift covers it at least 94.5 % of the time, whatever the
// shape, and for continuous data and 8 blocks or more at most 97.5 %.
func TestShiftCovers(t *testing.T) {
	const shift = 2 // whole, so that rounded times stay tied
	for _, z := range noises {
		for _, n := range []int{6, 8, 10, 20} {
			t.Run(fmt.Sprintf("%s, %d blocks", z.name, n), func(t *testing.T) {
				t.Parallel()
				covered := 0
				d := make([]float64, n)
				each(t, t.Name(), func(r *rand.Rand) {
					for i := range d {
						d[i] = shift + z.draw(r) - z.draw(r) // what the block does cancels
					}
					s, err := Paired(d, 0.95)
					if err != nil {
						t.Fatal(err)
					}
					// Adding and taking away round; no more than that.
					if s.Interval.Lo <= shift+1e-9 && s.Interval.Hi >= shift-1e-9 {
						covered++
					}
				})
				t.Logf("covered %.2f %%", 100*share(covered))
				require.GreaterOrEqual(t, share(covered), 0.945-margin)
				if z.continuous && n >= 8 {
					require.LessOrEqual(t, share(covered), 0.975+margin)
				}
			})
		}
	}
}

// An arm against itself differs in at most 5 % of the plans, also where a trial
// in ten is never resolved, or is lost sight of before the deadline.
func TestAgainstItself(t *testing.T) {
	type cell struct {
		noise
		censored func(*rand.Rand, float64) Time
	}
	never := func(_ *rand.Rand, v float64) Time { return Time{At: v} }
	var cells []cell
	for _, z := range noises {
		cells = append(cells, cell{z, never})
	}
	cells = append(cells,
		cell{noise{name: "censored at the deadline", draw: bimodal(0.3)}, func(r *rand.Rand, v float64) Time {
			if r.IntN(10) == 0 {
				return Time{40, true}
			}
			return Time{At: v}
		}})
	for _, c := range cells {
		for _, n := range []int{8, 12} {
			t.Run(fmt.Sprintf("%s, %d blocks", c.name, n), func(t *testing.T) {
				t.Parallel()
				differs := 0
				a, b := make([]Time, n), make([]Time, n)
				each(t, t.Name(), func(r *rand.Rand) {
					for i := range n {
						block := 5 * r.Float64()
						if !c.continuous {
							block = 0 // keeps the ties
						}
						a[i] = c.censored(r, math.Abs(block+c.draw(r)))
						b[i] = c.censored(r, math.Abs(block+c.draw(r)))
					}
					got, err := Compare(a, b, Options{Level: 0.95, Late: 1, Deadline: 40, Seed: 1})
					if err != nil {
						t.Fatal(err)
					}
					// A margin that hides nothing behind "equivalent".
					v, err := got.Verdict(got.P, 1e-9)
					if err != nil {
						t.Fatal(err)
					}
					if v == Differs {
						differs++
					}
				})
				t.Logf("differs in %.2f %%", 100*share(differs))
				require.LessOrEqual(t, share(differs), 0.05+margin)
			})
		}
	}
}

// Exactly, not by simulation: how often p is below 0.05 when nothing differs.
func TestLevelIsKept(t *testing.T) {
	for n := 1; n <= 20; n++ {
		p := signDistribution(upTo(n))
		level := 0.0
		for v := range p {
			if p.twoSided(v) < Alpha {
				level += p[v]
			}
		}
		require.LessOrEqual(t, level, Alpha, n)
		if n < 6 {
			require.Zero(t, level, n)
		}
	}
	// All signs of given differences: none of the tests may reject more than
	// one in twenty.
	for _, size := range [][]float64{
		{1, 2, 3, 4, 5, 6, 7, 8}, {0.1, 0.2, 0.4, 30, 30.1, 30.2, 0.3, 0.05}, {0, 0, 1, 1, 30, 30, 30, 30}, {30, 30, 30, 30, 30, 30, 30, 30},
	} {
		ranks, means := 0, 0
		d := make([]float64, len(size))
		for mask := range 1 << len(size) {
			for i, x := range size {
				d[i] = x * float64(1-2*(mask>>i&1))
			}
			s, err := Paired(d, 0.95)
			require.NoError(t, err)
			p, err := SignFlip(d, 1)
			require.NoError(t, err)
			if s.P < Alpha {
				ranks++
			}
			if p.P < Alpha {
				means++
			}
		}
		require.LessOrEqual(t, float64(ranks), Alpha*256, size)
		require.LessOrEqual(t, float64(means), Alpha*256, size)
	}
}

// Why mixed outcomes are never equivalent: where the arm makes one trial in ten
// late by 30 s, the shift's interval alone would often say that it does nothing.
func TestMixedIsNotEquivalent(t *testing.T) {
	const n = 20
	alone := 0
	a, b := make([]Time, n), make([]Time, n)
	prompt, late := bimodal(0), bimodal(0.1)
	each(t, t.Name(), func(r *rand.Rand) {
		for i := range n {
			a[i], b[i] = Time{At: prompt(r)}, Time{At: late(r)}
		}
		c, err := Compare(a, b, Options{Level: 0.95, Late: 1, Deadline: 40})
		if err != nil {
			t.Fatal(err)
		}
		v, err := Decide(c.P, c.Shift.Interval, 0.25, false)
		if err != nil {
			t.Fatal(err)
		}
		guarded, err := c.Verdict(c.P, 0.25)
		if err != nil {
			t.Fatal(err)
		}
		if c.Late.B.K > 0 {
			if v == Equivalent {
				alone++
			}
			if guarded == Equivalent {
				t.Fatal("equivalent, with late trials in one arm only")
			}
		}
	})
	t.Logf("the interval alone would have said equivalent in %.0f %%", 100*share(alone))
	require.Greater(t, share(alone), 0.2)
}
