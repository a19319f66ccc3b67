package record

import "time"

// minInterval bounds the resolution for small jobs: below it a busy node
// delays the probe's own timers by more than the interval.
const minInterval = 20 * time.Millisecond

// PerTick counts the questions that one DNS replica gets per interval at most:
// every pod asks for every pod, or for so many peers (0: all), all through one
// replica in the worst case, and two pods a name ask each replica directly.
func PerTick(pods, peers int) int {
	if peers == 0 {
		peers = pods
	}
	return pods*peers + 2*pods
}

// Interval returns the time between two questions of one stream that keeps
// every replica within qps questions a second, rounded up to milliseconds. Each
// pod asks for so many peers; 0: for all.
func Interval(pods, peers, qps int) time.Duration {
	d := time.Duration(PerTick(pods, peers)) * time.Second / time.Duration(qps)
	d = (d + time.Millisecond - 1).Truncate(time.Millisecond)
	return max(d, minInterval)
}
