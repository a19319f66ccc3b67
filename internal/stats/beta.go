package stats

import "math"

// betaCDF is the regularised incomplete beta function I_x(a, b), the
// probability that a beta variable is at most x: the continued fraction of
// DLMF 8.17.22 by Lentz' method.
func betaCDF(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // where the fraction converges slowly
		return 1 - betaCDF(1-x, b, a)
	}
	const tiny, enough = 1e-300, 1e-16
	front := math.Exp(a*math.Log(x) + b*math.Log1p(-x) - logBeta(a, b))
	c, d := 1.0, 1/(1-(a+b)*x/(a+1))
	f := d
	// Some sqrt(max(a, b)) rounds are needed; this bound is for safety.
	for m := 1.0; m < 10_000; m++ {
		for _, step := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / nonzero(1+step*d, tiny)
			c = nonzero(1+step/c, tiny)
			f *= c * d
		}
		if math.Abs(c*d-1) < enough {
			break
		}
	}
	return min(1, front*f/a)
}

func nonzero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}

// betaQuantile is the x with betaCDF(x, a, b) = p, by Newton's method kept
// within a bracket that every step narrows. A parameter of zero puts all
// probability at one end.
func betaQuantile(p, a, b float64) float64 {
	switch {
	case a <= 0:
		return 0
	case b <= 0:
		return 1
	}
	norm := logBeta(a, b)
	lo, hi, x := 0.0, 1.0, a/(a+b)
	// Some ten rounds do; where the density is so small that Newton's steps
	// leave the bracket, halving it takes at most some sixty.
	for range 100 {
		f := betaCDF(x, a, b) - p
		if f < 0 {
			lo = x
		} else {
			hi = x
		}
		next := x - f/math.Exp((a-1)*math.Log(x)+(b-1)*math.Log1p(-x)-norm)
		if !(next > lo && next < hi) { // also where it is no number
			next = lo + (hi-lo)/2
		}
		if math.Abs(next-x) <= 1e-15 {
			return next
		}
		x = next
	}
	return x
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// binomialCDF is the probability of at most k successes of n.
func binomialCDF(k, n int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	}
	return betaCDF(1-p, float64(n-k), float64(k+1))
}
