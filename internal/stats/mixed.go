package stats

import "math"

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
