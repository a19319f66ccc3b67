package report

import (
	"fmt"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
)

// after is what was found of an arm of the plan seed.
func (f found) after(dns plan.DNS, extra plan.Extra) analysis.PreviousArm {
	for _, p := range f.records["seed"].analysis.Previous() {
		if p.Arm.DNS == dns && p.Arm.Extra == extra {
			return p
		}
	}
	f.Fatalf("seed has no %s with %s", dns, extra)
	return analysis.PreviousArm{}
}

// seed holds what is said of the extra pod.
func (f found) seed(holds func(format string, values ...any)) {
	told := func(dns plan.DNS, extra plan.Extra) string {
		p := f.after(dns, extra)
		return fmt.Sprintf("%d of %d", p.Old, p.Old+p.Withdrawn+p.Unknown)
	}
	joined := func(extra plan.Extra, timeout time.Duration) string {
		for _, j := range f.after(plan.RecordWriter, extra).Joins {
			if j.Timeout == plan.Duration(timeout) {
				return seconds(j.Median)
			}
		}
		return "-"
	}
	holds("told the old address in %s trials without and %s with the extra pod (McNemar, p = %s)",
		told(plan.RecordWriter, plan.ExtraNone), told(plan.RecordWriter, plan.ExtraMemberPod),
		fmt.Sprintf("%.2g", f.records["seed"].analysis.Findings()[0].Pairs.P))
	holds("joined after %s without and %s with it", joined(plan.ExtraNone, 5*time.Second), joined(plan.ExtraMemberPod, 5*time.Second))
	holds("writes the empty set as well: %s without, %s with it",
		told(plan.RecordWriterPublish, plan.ExtraNone), told(plan.RecordWriterPublish, plan.ExtraMemberPod))
	holds("an unrelated Service %s, an unrelated pod %s, one that ends at once %s.",
		told(plan.RecordWriter, plan.ExtraService), told(plan.RecordWriter, plan.ExtraPod), told(plan.RecordWriter, plan.ExtraOneshotPod))
	none := f.after(plan.RecordWriter, plan.ExtraNone)
	holds("deleted %.2f s after the old Job's end, and the new pod 0 ran after %.2f s", none.Deleted, none.Started)
}
