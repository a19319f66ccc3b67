package report

import (
	"fmt"
	"strings"

	"headless-job-dns/internal/analysis"
)

// emptiedRows are the trials of observer empty-service.
func emptiedRows(list []analysis.Emptied) [][]string {
	out := [][]string{{"DNS", "the last pod gone, the Service there", "the Service gone as well", "TTL"}}
	for _, e := range list {
		row := []string{label(e.DNS), e.PodGone, "-", fmt.Sprintf("%d s", e.TTL)}
		switch {
		case e.Invalid != "":
			row = []string{label(e.DNS), "invalid", "-", "-"}
		case e.ServiceGone != "":
			row[2] = e.ServiceGone
		}
		if e.Falls {
			row[3] += ", falls"
		}
		out = append(out, row)
	}
	return out
}

// emptiedSentence is what they show in one sentence.
func emptiedSentence(list []analysis.Emptied) string {
	var all []string
	for _, e := range list {
		if e.Invalid == "" {
			all = append(all, label(e.DNS)+": "+e.PodGone)
		}
	}
	if len(all) == 0 {
		return "Nothing is known: no trial counts."
	}
	return "The address of a headless Service's last pod, after that pod was gone: " + strings.Join(all, "; ") + "."
}
