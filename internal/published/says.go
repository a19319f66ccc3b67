package published

import (
	"fmt"
	"math"
	"strings"
	"time"

	"headless-job-dns/internal/stats"
)

// exception is the setting at which, the original report says, the extra did
// not help.
const exception = "8s"

// fluxDefault is the connect timeout that was in force where none was set:
// flux-core's tbon.connect_timeout since v0.50.0.
const fluxDefault = 30 * time.Second

// steady is by how much, in seconds, what late runs took beyond their timeout
// may differ between settings for it to count as the same time: less than two
// timeouts that follow each other do.
const steady = 1.0

// notSaid is what no analysis of these times can say.
const notSaid = "These are times of whole runs, one after another under the same names. They do not say which stage " +
	"was late, what DNS answered or which address was dialled. p and intervals take runs as independent, which those that share caches are not."

// Says are sentences on what the times support and what not, made from the
// numbers by fixed rules.
func (c Comparison) Says() []string {
	out := []string{sentenced(c.Label)}
	var differ, higher []string
	for _, r := range c.Rows {
		if r.Adjusted < stats.Alpha {
			differ = append(differ, fmt.Sprintf("%s (%+.2f s)", r.Name, r.Shift.Estimate))
		}
		if r.With.Median.Estimate >= r.Without.Median.Estimate {
			higher = append(higher, fmt.Sprintf("%s (%.2f against %.2f s)", r.Name, r.With.Median.Estimate, r.Without.Median.Estimate))
		}
	}
	switch len(differ) {
	case 0:
		out = append(out, fmt.Sprintf("No shift has p below %.2f after Holm: these data do not decide.", stats.Alpha))
	case len(c.Rows):
		out = append(out, fmt.Sprintf("Every shift has p below %.2f after Holm: %s.", stats.Alpha, strings.Join(differ, ", ")))
	default:
		out = append(out, fmt.Sprintf("Shifts with p below %.2f after Holm: %s. With the others these data do not decide.", stats.Alpha, strings.Join(differ, ", ")))
	}
	switch len(higher) {
	case 0:
		out = append(out, "The median is lower with the extra at every timeout.")
	case len(c.Rows):
		out = append(out, "The median is lower with the extra at no timeout.")
	default:
		out = append(out, fmt.Sprintf("The median is not lower with the extra at %s; it is at the others.", strings.Join(higher, ", ")))
	}
	out = append(out, c.saysException()...)
	out = append(out, c.saysLate()...)
	if mixed := c.mixed(); len(mixed) > 0 {
		out = append(out, fmt.Sprintf("At %s an arm has runs of two kinds, of which the shift describes neither: read how many are late.", strings.Join(mixed, ", ")))
	}
	return append(out, notSaid)
}

// mixed are the settings with runs of two kinds.
func (c Comparison) mixed() []string {
	var out []string
	for _, r := range c.Rows {
		if r.Mixed {
			out = append(out, r.Name)
		}
	}
	return out
}

// saysException says whether the setting that the report names stands out.
func (c Comparison) saysException() []string {
	var r *Row
	most := true // of late runs with the extra
	for i := range c.Rows {
		if c.Rows[i].Name == exception {
			r = &c.Rows[i]
		}
	}
	if r == nil {
		return nil
	}
	for _, o := range c.Rows {
		most = most && (o.Name == exception || o.With.Separate.Share < r.With.Separate.Share)
	}
	what := "is one by the medians"
	if r.With.Median.Estimate < r.Without.Median.Estimate {
		what = "is none by the medians"
	}
	s := fmt.Sprintf("%s, which the report calls an exception, %s: %.2f s with the extra against %.2f s, shift %+.2f s, p %s.",
		exception, what, r.With.Median.Estimate, r.Without.Median.Estimate, r.Shift.Estimate, Probability(r.Adjusted))
	if late := r.With.Separate; most && late.K > 0 {
		s += fmt.Sprintf(" It stands out by late runs with the extra: %d of %d, more than at any other timeout.", late.K, late.N)
	}
	return []string{s}
}

// saysLate says whether late runs took as long as their timeout and a time
// that is the same for all.
func (c Comparison) saysLate() []string {
	least, most := math.Inf(1), math.Inf(-1)
	var with, none []string
	for _, r := range c.Rows {
		timeout := r.Timeout
		if timeout == 0 {
			timeout = fluxDefault
		}
		for _, s := range []Series{r.Without, r.With} {
			if s.Separate.K > 0 {
				late := s.Times[len(s.Times)-s.Separate.K:]
				rest := middle(late) - timeout.Seconds()
				least, most = min(least, rest), max(most, rest)
			}
		}
		if r.Without.Separate.K+r.With.Separate.K > 0 {
			name := r.Name
			if r.Timeout == 0 {
				name += fmt.Sprintf(", where Flux's own %.0f s were in force", fluxDefault.Seconds())
			}
			with = append(with, name)
		} else {
			none = append(none, r.Name)
		}
	}
	var out []string
	switch {
	case len(with) < 3: // too few to tell a constant from chance
	case most-least <= steady:
		out = append(out, fmt.Sprintf("Late runs took their connect timeout and %.1f to %.1f s (medians; at %s), "+
			"as runs do that wait for one connect in vain.", least, most, strings.Join(with, ", ")))
	default:
		out = append(out, fmt.Sprintf("What late runs took beyond their connect timeout differs from %.1f to %.1f s: one wait for a connect does not explain them.", least, most))
	}
	if len(none) > 0 && len(with) > 0 {
		out = append(out, fmt.Sprintf("No run is late at %s: so short a timeout would hardly stand out.", strings.Join(none, ", ")))
	}
	return out
}

// middle is the median of ascending values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Probability writes a p for people.
func Probability(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

func sentenced(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
