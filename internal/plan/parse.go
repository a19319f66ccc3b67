package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
)

// levels parses a comma-separated list of factor levels.
func levels[T ~string](flag, list string, accepted []T) ([]T, error) {
	var out []T
	for _, v := range strings.Split(list, ",") {
		v := T(strings.TrimSpace(v))
		if v == "" && list == "" {
			continue
		}
		if !slices.Contains(accepted, v) {
			return nil, Inputf("--%s %q is not known; accepted: %s", flag, string(v), Join(accepted))
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// Join lists factor levels as help and errors show them.
func Join[T ~string](levels []T) string {
	s := make([]string, len(levels))
	for i, l := range levels {
		s[i] = string(l)
	}
	return strings.Join(s, ", ")
}

// ParseDNS parses the --dns list; empty means the plan's own.
func ParseDNS(list string) ([]DNS, error) { return levels("dns", list, AllDNS) }

// ParseNames parses the --names list.
func ParseNames(list string) ([]Names, error) { return levels("names", list, AllNames) }

// ParseExtras parses the --extra list; "all" stands for every extra.
func ParseExtras(list string) ([]Extra, error) {
	if list == "all" {
		return Extras, nil
	}
	return levels("extra", list, Extras)
}

// ParseObservers parses the --observer list.
func ParseObservers(list string) ([]record.Observer, error) {
	return levels("observer", list, Observers)
}

// ParseTimeouts parses a list of connect timeouts; "none" leaves it to the
// kernel.
func ParseTimeouts(list string) ([]Duration, error) {
	var out []Duration
	for _, v := range strings.Split(list, ",") {
		v = strings.TrimSpace(v)
		if v == "none" {
			out = append(out, 0)
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return nil, Inputf("--connect-timeouts holds %q; accepted: none and positive durations, e.g. none,30s,5s,1s", v)
		}
		out = append(out, Duration(d))
	}
	return out, nil
}

// FormatTimeouts is the inverse of ParseTimeouts.
func FormatTimeouts(ts []Duration) string {
	s := make([]string, len(ts))
	for i, t := range ts {
		s[i] = TimeoutName(t)
	}
	return strings.Join(s, ",")
}

// TimeoutName names a connect timeout as flags and reports do.
func TimeoutName(t Duration) string {
	if t == 0 {
		return "none"
	}
	if d := time.Duration(t); d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return time.Duration(t).String()
}

// gapsAccepted is what --gap and a plan's gaps may be.
const gapsAccepted = "no-wait and durations such as 0s, 2s or 35s"

// gapLevel names a gap as flags and arms do.
func gapLevel(d time.Duration) Gap {
	if d == 0 {
		return "0s"
	}
	return Gap(TimeoutName(Duration(d)))
}

// parseGap reads one gap and returns it in its one spelling.
func parseGap(s string) (Gap, error) {
	if s == string(NoWait) {
		return NoWait, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxTime {
		return "", Inputf("--gap %q is not known; accepted: %s", s, gapsAccepted)
	}
	return gapLevel(d), nil
}

// each parses a comma-separated list, each level once; empty means the plan's.
func each[T comparable](list string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	if list == "" {
		return nil, nil
	}
	for _, v := range strings.Split(list, ",") {
		l, err := parse(strings.TrimSpace(v))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out, nil
}

// ParseGaps parses the --gap list.
func ParseGaps(list string) ([]Gap, error) { return each(list, parseGap) }

// ParseFirst parses the --first-query-after list.
func ParseFirst(list string) ([]Duration, error) {
	return each(list, func(s string) (Duration, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil || d > maxTime:
			return 0, Inputf("--first-query-after %q is not known; accepted: durations such as 0s, 1s or 5s", s)
		case d < 0:
			return 0, Inputf("--first-query-after %s is negative; accepted: 0s or a duration such as 5s", d)
		}
		return Duration(d), nil
	})
}

// ParsePrevious parses the --previous list.
func ParsePrevious(list string) ([]Previous, error) {
	const primed = "primed"
	names, err := levels("previous", list, []string{primed, string(Ran)})
	out := make([]Previous, 0, len(names))
	for _, n := range names {
		out = append(out, Previous(strings.TrimPrefix(n, primed)))
	}
	return out, err
}

// ParseOutlive parses the --workers-outlive list.
func ParseOutlive(list string) ([]Duration, error) {
	return each(list, func(s string) (Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > maxTime {
			return 0, Inputf("--workers-outlive %q is not known; accepted: durations such as 0s or 3s", s)
		}
		return Duration(d), nil
	})
}

// ParsePublish parses the --publish-not-ready list.
func ParsePublish(list string) ([]bool, error) {
	return each(list, func(s string) (bool, error) {
		switch s {
		case "false":
			return false, nil
		case "true":
			return true, nil
		}
		return false, Inputf("--publish-not-ready %q is not known; accepted: false, true", s)
	})
}

// serviceFirst is how flags name the default order.
const serviceFirst = "service-first"

// ParseOrders parses the --order list.
func ParseOrders(list string) ([]Order, error) {
	names, err := levels("order", list, []string{serviceFirst, string(JobFirst)})
	out := make([]Order, 0, len(names))
	for _, n := range names {
		out = append(out, Order(strings.TrimPrefix(n, serviceFirst)))
	}
	return out, err
}

// ParseArm reads an arm as Arm.String writes it, e.g.
// "cache-30/reused/none/solo/gap=35s".
func ParseArm(s string) (Arm, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 4 {
		return Arm{}, Inputf("arm %q is too short; accepted: dns/names/extra/observer, then what is not the default, e.g. cache-30/reused/none/solo/gap=35s", s)
	}
	a := Arm{DNS: DNS(parts[0]), Names: Names(parts[1]), Extra: Extra(parts[2]), Observer: record.Observer(parts[3])}
	for _, p := range parts[4:] {
		before := a
		name, value, _ := strings.Cut(p, "=")
		switch {
		case p == "publish-not-ready":
			a.Publish = true
		case p == string(JobFirst):
			a.Order = JobFirst
		case p == "again":
			a.Copy = 2
		case name == "first":
			first, err := ParseFirst(value)
			if err != nil || len(first) != 1 || first[0] == 0 {
				return Arm{}, Inputf("arm %q: %q is not known; accepted: first= and a positive duration such as 5s", s, p)
			}
			a.First = first[0]
		case p == string(Ran):
			a.Previous = Ran
		case name == "delete-after" || name == "workers-outlive":
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 {
				return Arm{}, Inputf("arm %q: %q is not known; accepted: %s= and a positive duration such as 2s", s, p, name)
			}
			if name == "delete-after" {
				a.DeleteAfter = Duration(d)
			} else {
				a.Outlive = Duration(d)
			}
		case name == "gap":
			gap, err := parseGap(value)
			if err != nil {
				return Arm{}, Inputf("arm %q: %q is not known; accepted: gap= and %s", s, p, gapsAccepted)
			}
			a.Gap = gap
		default:
			return Arm{}, Inputf("arm %q: %q is not known; accepted: publish-not-ready, job-first, first=5s, ran, delete-after=2s, workers-outlive=3s, gap=35s, again", s, p)
		}
		if a == before {
			return Arm{}, Inputf("arm %q: %q is there twice; accepted: each once", s, p)
		}
	}
	return a, a.check()
}
