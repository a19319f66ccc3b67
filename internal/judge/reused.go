package judge

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/results"
)

// reused works out how long before the judged run its primer was gone.
func (j *judgement) reused() {
	v, t := j.v, j.t
	j.judgePrimer()
	first, known := j.firstQuestion()
	if t.Primer == nil || !known {
		return
	}
	if t.Primer.Gone > 0 {
		// Both runs' zeros are readings of the runner's clock.
		gap := time.Duration(first + t.Run.Zero.UnixNano() - t.Primer.Zero.UnixNano() - t.Primer.Gone)
		v.Gap = &gap
	}
}

// judgePrimer makes a trial invalid whose primer did not do all that it was
// there for: what the caches held at the judged run's start is not what the
// arm says.
func (j *judgement) judgePrimer() {
	if j.t.Primer == nil {
		return
	}
	var undone []string
	for i := range j.t.Primer.Pods {
		l := readLog(&j.t.Primer.Pods[i])
		switch {
		case l.done != nil && l.done.Reason == "complete":
			if l.problem != "" {
				j.note("primer, %s: %s", l.name(), l.problem)
			}
		case l.done != nil && l.done.Reason != "error":
			undone = append(undone, fmt.Sprintf("%s ended with %q", l.name(), l.done.Reason))
		default:
			undone = append(undone, l.name()+": "+l.problem)
		}
	}
	if len(undone) > 0 {
		j.v.Status = results.Invalid
		j.v.Reasons = append(j.v.Reasons, "primer not complete: "+strings.Join(undone, "; "))
	}
}

// firstQuestion is when the first question of the judged run was sent, on the
// runner's axis.
func (j *judgement) firstQuestion() (int64, bool) {
	first, known := int64(0), false
	for _, l := range j.logs {
		for _, a := range l.answers {
			if m := j.own(l, a.Asked); m.ok && (!known || m.mid < first) {
				first, known = m.mid, true
			}
		}
	}
	return first, known
}
