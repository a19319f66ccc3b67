package hypothesis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
)

// seconds shows a duration as the report does: to 10 ms, and below 0.1 s to
// 1 ms.
func seconds(d time.Duration) string {
	places := 2
	if d < 100*time.Millisecond && d > -100*time.Millisecond {
		places = 3
	}
	text := strconv.FormatFloat(d.Seconds(), 'f', places, 64) + " s"
	if strings.Trim(text, "-0. s") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	return text
}

// setting shows a threshold as people write it: "1 s".
func setting(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

// some is "1 trial", "2 trials".
func some(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// extent is one duration or the range of several.
func extent(d []time.Duration) string {
	least, most := seconds(slices.Min(d)), seconds(slices.Max(d))
	if least == most {
		return least
	}
	return least + " to " + most
}

// support, refute and untestable make findings.
func support(seen string) finding         { return finding{status: Supported, seen: seen} }
func refute(seen, why string) finding     { return finding{status: Refuted, seen: seen, why: why} }
func untestable(seen, why string) finding { return finding{status: NotTestable, seen: seen, why: why} }

// byDNS decides for each DNS configuration and for the run.
func (in *Input) byDNS(decide func(plan.DNS) finding) finding {
	configurations := in.dns()
	if len(configurations) == 0 {
		return untestable("", "there are no trials")
	}
	with := map[Status][]plan.DNS{}
	var seen, whys []string // whys in the order in which they first came
	whose := map[string][]string{}
	for _, d := range configurations {
		f := decide(d)
		if !f.idle {
			with[f.status] = append(with[f.status], d)
		}
		if f.seen != "" {
			text := string(d)
			if len(configurations) > 1 {
				text += " (" + strings.TrimSuffix(string(f.status), " here") + ")"
			}
			seen = append(seen, text+": "+f.seen)
		}
		if f.why != "" {
			if whose[f.why] == nil {
				whys = append(whys, f.why)
			}
			whose[f.why] = append(whose[f.why], string(d))
		}
	}
	out := untestable(strings.Join(seen, ". "), "")
	switch {
	case len(with[Supported]) > 0:
		out.status, out.with = Supported, with[Supported]
	case len(with[Refuted]) > 0 && len(with[NotTestable]) == 0:
		out.status, out.with = Refuted, with[Refuted]
	}
	for i, why := range whys {
		if len(whose[why]) < len(configurations) {
			whys[i] = strings.Join(whose[why], ", ") + ": " + why
		}
	}
	out.why = strings.Join(whys, ". ")
	return out
}
