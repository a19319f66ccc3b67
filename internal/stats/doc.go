// Package stats estimates what trials show: shifts with exact intervals,
// proportions, censored times, and verdicts. It is pure: no clock, no files,
// and randomness only from a seed that the caller names. It knows no units:
// what goes in as seconds comes out as seconds.
//
// # What is compared
//
// The unit is the trial. Trials come in randomised complete blocks, each with
// every arm once, so that an effect is estimated from the differences within
// blocks (b-a: positive where b took longer). Pods of one trial are not
// independent and must be reduced to one number before they come here.
//
//   - [Compare] takes the two arms of a contrast and gives everything that has
//     to be shown together; the others are its parts.
//   - [Paired] is the Hodges-Lehmann shift of block differences with the exact
//     signed-rank interval and p.
//   - [NewProportion] and [CompareProportions] are about shares of trials.
//   - [Quantile], [RestrictedMean] and [CompareRestricted] are for times of
//     which some are only known to exceed a bound.
//   - [Holm] adjusts several p; [Decide] makes a verdict; [SmallestP] and
//     [BlocksFor] say beforehand what a design can show at all.
//
// # What an interval promises
//
// Every interval covers with at least its Attained probability, which is at
// least the level asked for. Where so few values cannot give the level on one
// or both sides, that side is infinite instead of falling short: 5 blocks
// cannot bound a shift at 95 %, 6 can.
//
// The shift's interval promises this in the model that a shift belongs to: b's
// times are distributed as a's plus one constant, apart from what their block
// does to both, so that differences are symmetric about the shift. Then it
// holds for any shape, bimodal and tied ones included. Where an extra Service
// turns some 0 s into 30 s and leaves others, there is no such constant, and
// no interval for it can mean much: see [Mixed]. The proportions assume no
// symmetry.
//
// # Ties and zeros
//
// Tied absolute differences get midranks, and p is exact in the distribution
// of the signed midranks given the ties (all 2^n signs, by convolution; no
// normal approximation anywhere). Differences of zero are ranked and then have
// no sign (Pratt 1959), which agrees with the Walsh averages that estimate and
// interval are made of; R's wilcox.test drops them. Without ties and zeros
// both are what R gives. Interval limits are Walsh averages (pairwise
// differences) at the ranks of the untied distribution and belong to the
// interval: with ties it covers at least as often as without (Noether 1967,
// J. Am. Stat. Assoc. 62:184), so Attained stays a lower bound.
//
// # Permutations
//
// A block's two trials could have been run under each other's arm; every
// swapping of blocks was equally likely. [SignFlip] uses the mean of the
// differences as its statistic and [CompareRestricted] the difference of
// restricted means; [Paired] the signed-rank sum, which is the statistic that
// the Hodges-Lehmann shift and its interval come from, so that p and interval
// say the same. All are two-sided and can be no smaller than [SmallestP].
package stats
