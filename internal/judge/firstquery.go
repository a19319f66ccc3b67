package judge

import (
	"time"
)

// firstQueryDelay is the longest time that a pod took from the creation of its
// container's process to its first question, less what its plan delayed that
// question: what the runtime, the way in which the probe got into the pod, and
// the probe itself took. It is known to 10 ms; 0: no log tells.
func (j *judgement) firstQueryDelay() time.Duration {
	longest := int64(0)
	for _, l := range j.logs {
		if l.start == nil || l.start.Age == 0 {
			continue
		}
		first := int64(-1)
		for _, a := range l.answers {
			if first < 0 || a.Asked < first {
				first = a.Asked
			}
		}
		if first >= 0 {
			longest = max(longest, l.start.Age+first-l.start.FirstQueryAfter)
		}
	}
	return time.Duration(longest)
}
