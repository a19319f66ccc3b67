package experiment

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
