// Package stats estimates what trials show: shifts with exact intervals,
// proportions, censored times, and verdicts. It is pure: no clock, no files, and
// randomness only from a seed that the caller names. What goes in as seconds
// comes out as seconds.
//
// The unit is the trial. Trials come in randomised complete blocks, each with
// every arm once, so that an effect is estimated from the differences within
// blocks (b-a: positive where b took longer). Pods of one trial are not
// independent and must be reduced to one number before they come here.
package stats
