package report

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
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
	require.Equal(f, 30.0, none.TTL, "nothing aged the old record")

	// What was published of Cloud DNS.
	gone, old := map[string]int{}, map[string]int{}
	for _, row := range f.published("clouddns-iterations.csv") { // run, extra, iteration, record before the new one
		switch row[3] {
		case "withdrawn":
			gone[row[1]]++
		case "old":
			old[row[1]]++
		}
	}
	joins := map[string][]stats.Time{}
	for _, row := range f.published("clouddns-workers.csv") { // run, extra, timeout, iteration, rank, answer, seconds
		if row[2] == "30" {
			at, err := strconv.ParseFloat(row[6], 64)
			require.NoError(f, err)
			joins[row[1]] = append(joins[row[1]], stats.Time{At: at})
		}
	}
	holds("in %d of %d iterations, without it in %d of %d; workers with a connect timeout of 30 s joined after %s and %s",
		gone["member-pod"], gone["member-pod"]+old["member-pod"], gone["none"], gone["none"]+old["none"],
		seconds(stats.Quantile(joins["member-pod"], 0.5)), seconds(stats.Quantile(joins["none"], 0.5)))
}

// published are the rows of a file in records/published, without its head.
func (f found) published(name string) [][]string {
	file, err := os.Open(filepath.Join("..", "..", "records", "published", name))
	require.NoError(f, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(f, err)
	return rows[1:]
}
