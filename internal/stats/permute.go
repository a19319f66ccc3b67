package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

const (
	// maxExact is up to how many blocks all 2^n swaps are gone through: half
	// a million of them, as each and its opposite are as extreme.
	maxExact = 20
	// draws is the number of random swaps beyond that. At p = 0.05 they give
	// p to 0.0007 (one standard error).
	draws = 100_000
)

// Permutation is a two-sided p from swapping the arms within blocks: a block's
// two trials could have been run under each other's arm, and every swapping of
// blocks was equally likely. It can be no smaller than [SmallestP].
type Permutation struct {
	P float64
	// Exact says that all swaps were gone through. Otherwise P is from Draws
	// random ones, (1+extreme)/(1+draws), which is valid as it stands
	// (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39).
	Exact bool
	Draws int
}

// permute finds how often the statistic of swapped blocks is at least as large
// in size as that of the blocks as they are. The opposite swap of a swap has to
// give the opposite statistic.
func permute(n int, seed uint64, statistic func(swapped []bool) float64) Permutation {
	swapped := make([]bool, n)
	observed := math.Abs(statistic(swapped))
	// The same sum in another order differs by rounding; such swaps count.
	limit := observed * (1 - 1e-9)
	extreme := 0
	if n <= maxExact {
		// In Gray code's order one block changes at a time; the last never
		// does, since that half of the swaps is the opposite of the other.
		all := 1 << (n - 1)
		for i := 1; ; i++ {
			if math.Abs(statistic(swapped)) >= limit {
				extreme++
			}
			if i == all {
				break
			}
			change := bits.TrailingZeros(uint(i))
			swapped[change] = !swapped[change]
		}
		return Permutation{P: float64(extreme) / float64(all), Exact: true}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for range draws {
		var word uint64
		for i := range swapped {
			if i%64 == 0 {
				word = rng.Uint64()
			}
			swapped[i] = word>>(i%64)&1 == 1
		}
		if math.Abs(statistic(swapped)) >= limit {
			extreme++
		}
	}
	return Permutation{P: float64(1+extreme) / float64(1+draws), Draws: draws}
}

// SignFlip tests that block differences are symmetric about zero, with their
// mean as the statistic (Fisher 1935, The Design of Experiments, section 21).
// It goes through all signs of up to 20 differences and draws 100,000 from
// seed beyond.
//
// It fails without values and with one that is not finite.
func SignFlip(d []float64, seed uint64) (Permutation, error) {
	if err := checkValues(d); err != nil {
		return Permutation{}, err
	}
	return permute(len(d), seed, func(swapped []bool) float64 {
		sum := 0.0
		for i, x := range d {
			// The sign bit instead of a branch, which is mispredicted at half
			// of the random swaps and took most of the time.
			var flip uint64
			if swapped[i] {
				flip = 1
			}
			sum += math.Float64frombits(math.Float64bits(x) ^ flip<<63)
		}
		return sum
	}), nil
}
