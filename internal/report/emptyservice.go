package report

import (
	"fmt"
	"strings"

	"headless-job-dns/internal/analysis"
)

// stay says how an address went.
func stay(s analysis.Stay) string {
	switch s.Ending {
	case analysis.WithdrawnAtOnce:
		return string(s.Ending)
	case analysis.NeverWithdrawn:
		return fmt.Sprintf("%s, watched for %.0f s", s.Ending, s.For.At)
	}
	return fmt.Sprintf("%s: %s", s.Ending, seconds(s.For))
}

// emptiedRows are the trials of observer empty-service.
func emptiedRows(list []analysis.Emptied) [][]string {
	out := [][]string{{"DNS", "the last pod gone, the Service there", "the Service gone as well", "TTL"}}
	for _, e := range list {
		if e.Invalid != "" {
			out = append(out, []string{label(e.DNS), "invalid", "-", "-"})
			continue
		}
		row := []string{label(e.DNS), stay(e.PodGone), "-", fmt.Sprintf("%d s", e.TTL)}
		if e.ServiceGone != nil {
			row[2] = stay(*e.ServiceGone)
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
			all = append(all, label(e.DNS)+": "+stay(e.PodGone))
		}
	}
	if len(all) == 0 {
		return "Nothing is known: no trial counts."
	}
	return "The address of a headless Service's last pod, after that pod was gone: " + strings.Join(all, "; ") + "."
}
