package analysis

import (
	"fmt"
	"time"

	"headless-job-dns/internal/plan"
)

// Prediction is one thing that must hold where a DNS' records are written by a
// controller that never writes an empty set.
type Prediction struct {
	What      string
	Predicted string
	Seen      string
	Decision  Decision // Supported, Refuted or NotTestable
}

const (
	// longEnough is from when on a Service is deleted late enough for the record
	// writer of the model to have acted: its pause and its write take 0.6 s after
	// the kubelet's tick, of a second.
	longEnough = 2 * time.Second
	// outlives is by how much workers have to outlive pod 0 for the set never to be
	// empty when it goes.
	outlives = 3 * time.Second
	// fewest is how many trials a share is judged of at least.
	fewest = 3
)

// Predictions are those that the original experiment's model makes of a DNS, none
// where no previous Job ran on it.
func (a *Analysis) Predictions(dns plan.DNS) []Prediction {
	var late, outlived, all, none, member PreviousArm
	turned := 0
	for _, p := range a.Previous() {
		if p.Arm.DNS != dns {
			continue
		}
		usual := p.Arm.DeleteAfter == 0 && p.Arm.Outlive == 0
		for into, is := range map[*PreviousArm]bool{
			&all:    true,
			&none:   usual && p.Arm.Extra == plan.ExtraNone,
			&member: usual && p.Arm.Extra == plan.ExtraMemberPod,
			&late:   p.Arm.Extra == plan.ExtraMemberPod && p.Deleted >= longEnough.Seconds(),
			&outlived: p.Arm.Extra == plan.ExtraNone && time.Duration(p.Arm.Outlive) >= outlives &&
				p.Deleted >= outlives.Seconds(),
		} {
			if is {
				into.Old, into.Withdrawn, into.Unknown = into.Old+p.Old, into.Withdrawn+p.Withdrawn, into.Unknown+p.Unknown
			}
		}
		turned += p.Turned
	}
	if all.Old+all.Withdrawn+all.Unknown == 0 {
		return nil
	}
	share := func(what, predicted string, p PreviousArm, holds func(share float64) bool) Prediction {
		n := p.Withdrawn + p.Old
		out := Prediction{What: what, Predicted: predicted, Seen: fmt.Sprintf("%d of %d", p.Withdrawn, n),
			Decision: NotTestable}
		switch {
		case n < fewest:
		case holds(float64(p.Withdrawn) / float64(n)):
			out.Decision = Supported
		default:
			out.Decision = Refuted
		}
		return out
	}
	stays := Prediction{What: "an old address turns into a denial, or back, while nothing is deleted", Predicted: "never",
		Seen: fmt.Sprintf("%d of %d", turned, all.Old+all.Withdrawn+all.Unknown), Decision: Supported}
	if turned > 0 {
		stays.Decision = Refuted
	}
	few := func(s float64) bool { return s <= 0.25 }
	most := func(s float64) bool { return s >= 0.5 }
	nearly := func(s float64) bool { return s >= 0.9 }
	return []Prediction{
		a.stays(dns),
		share("withdrawn without an extra", ".07", none, few),
		share("withdrawn with a pod inside the Service", ".78", member, most),
		share("the same, the Service deleted 2 s or more after the end", ".9 to 1", late, nearly),
		share("withdrawn without an extra where workers outlive pod 0 by 3 s", "1", outlived, nearly),
		stays,
	}
}
