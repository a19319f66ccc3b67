package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever the sizes and the seed, a sample is balanced, joins all pods, holds
// nobody's own name, and is the same again.
func TestSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 400 {
		pods := 2 + rng.IntN(60)
		s := Sample{Peers: 1 + rng.IntN(pods-1), Seed: rng.Uint64()}
		t.Run(fmt.Sprintf("%d pods %d peers seed %d", pods, s.Peers, s.Seed), func(t *testing.T) {
			r := s.Ring(pods)
			askers := make([][]int, pods)
			for i := range pods {
				asked := r.Asked(i)
				require.Len(t, asked, s.Peers)
				require.True(t, slices.IsSorted(asked))
				require.Len(t, slices.Compact(slices.Clone(asked)), s.Peers, "each once")
				require.NotContains(t, asked, i, "not itself")
				require.Equal(t, asked, s.Ring(pods).Asked(i), "the same again")
				for _, k := range asked {
					askers[k] = append(askers[k], i)
				}
			}
			for i, of := range askers {
				require.Len(t, of, s.Peers, "asked for by as many")
				looking := r.Lookers(i)
				require.Len(t, looking, min(2, s.Peers))
				for _, l := range looking {
					require.Contains(t, of, l, "who looks also asks")
				}
				require.Len(t, slices.Compact(slices.Sorted(slices.Values(looking))), len(looking))
			}
			require.Equal(t, pods, reached(r, pods), "all pods are joined, following questions one way")
		})
	}
}

// reached counts the pods that can be come to from pod 0, from asker to asked.
func reached(r *Ring, pods int) int {
	seen := make([]bool, pods)
	seen[0] = true
	n := 0
	for next := []int{0}; len(next) > 0; {
		i := next[0]
		next = next[1:]
		n++
		for _, k := range r.Asked(i) {
			if !seen[k] {
				seen[k] = true
				next = append(next, k)
			}
		}
	}
	return n
}

// Indices are dealt out over nodes in turn: a sample must hold pairs within
// nodes and across them, in about the shares that all pairs have.
func TestSampleCrossesNodes(t *testing.T) {
	const pods, seeds = 150, 50
	s := Sample{Peers: 8}
	across := 0
	for seed := range uint64(seeds) {
		s.Seed = seed
		r := s.Ring(pods)
		for i := range pods {
			for _, k := range r.Asked(i) {
				if i%2 != k%2 {
					across++
				}
			}
		}
	}
	require.InDelta(t, 75.0/149, float64(across)/float64(seeds*pods*s.Peers), 0.01)
}

// Looking is shared evenly, with all pairs as with a sample.
func TestLookers(t *testing.T) {
	for pods := 2; pods < 20; pods++ {
		for _, s := range []Sample{{}, {Peers: 1}, {Peers: (pods + 1) / 2}} {
			r := s.Ring(pods)
			looks := map[int]int{}
			for asked := range pods {
				list := r.Lookers(asked)
				require.NotEmpty(t, list)
				require.LessOrEqual(t, len(list), 2)
				for i, l := range list {
					require.Equal(t, asked, r.Looked(l)[i], "the other side says the same")
					require.NotEqual(t, asked, l)
					require.NotContains(t, list[:i], l)
					looks[l]++
				}
			}
			for _, n := range looks {
				require.LessOrEqual(t, n, 2, "%d pods, %+v", pods, s)
			}
		}
	}
}

func TestSampleSeeds(t *testing.T) {
	a, b := Sample{Peers: 3, Seed: 1}.Ring(40), Sample{Peers: 3, Seed: 2}.Ring(40)
	require.NotEqual(t, a.Asked(0), b.Asked(0))
}

// A probe and a runner of different builds have to agree for good: what a seed
// gives is part of the schema.
func TestSampleIsPinned(t *testing.T) {
	r := Sample{Peers: 3, Seed: 117819}.Ring(10)
	var got [][]int
	for i := range 10 {
		got = append(got, r.Asked(i))
	}
	require.Equal(t, [][]int{{6, 8, 9}, {0, 3, 4}, {1, 3, 5}, {4, 6, 9}, {2, 8, 9}, {0, 4, 6}, {2, 7, 8}, {0, 3, 5}, {1, 5, 7}, {1, 2, 7}}, got)
	require.Equal(t, []int{1, 5}, r.Lookers(0))
}

func TestSampleBounds(t *testing.T) {
	var all Sample
	require.True(t, all.All())
	require.Equal(t, []int{0, 2}, all.Ring(3).Asked(1), "not its own name")
	require.Equal(t, []int{1, 2}, all.Ring(3).Lookers(0))
	require.Equal(t, []int{1}, all.Ring(2).Lookers(0))
	require.Empty(t, all.Ring(1).Lookers(0))
	require.Empty(t, all.Ring(1).Looked(0))
	require.Equal(t, []int{1, 2}, Sample{Peers: 9}.Ring(3).Asked(0), "no more than there are")
	// Records may claim anything.
	for _, s := range []Sample{all, {Peers: 4}, {Peers: -1}} {
		for _, pods := range []int{-1, 0, 1} {
			r := s.Ring(pods)
			for _, i := range []int{-1, 0, 1, 1000} {
				require.NotPanics(t, func() { r.Asked(i); r.Lookers(i); r.Looked(i) })
			}
		}
	}
	require.Empty(t, Sample{Peers: 4}.Ring(1).Asked(0))
}
