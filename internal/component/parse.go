package component

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Limits on what a component may say. A kubelet's page has 200 to 300 KiB and
// lines of 200 bytes.
const (
	maxPage   = 8 << 20
	maxLine   = 16 << 10
	maxSeries = 64 // metrics kept of one page; what is wanted has a dozen
	maxValue  = 64 // bytes of a label's value
)

// metric is one wanted metric of a page. What its other labels tell apart (a
// server, a zone, a protocol) is added up.
type metric struct {
	name  string
	label string // the label that is kept; empty: none
	value string // only series with this value of it; empty: each value by itself
}

// histogram returns the two metrics that stand for a histogram.
func histogram(name, label, value string) []metric {
	return []metric{{name + "_sum", label, value}, {name + "_count", label, value}}
}

// parse reads a page in Prometheus' text format and returns the wanted metrics
// by name and kept label. It trusts nothing: lines that it does not understand,
// values that are no finite numbers and odd label values are skipped.
func parse(r io.Reader, wanted []metric) (map[string]float64, error) {
	limited := &io.LimitedReader{R: r, N: maxPage + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	found := map[string]float64{}
	for lines.Scan() {
		name, rest := split(lines.Text())
		for _, m := range wanted {
			if m.name != name {
				continue
			}
			key, value, ok := m.sample(rest)
			if _, known := found[key]; ok && (known || len(found) < maxSeries) {
				found[key] += value
			}
		}
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("metrics are longer than %d bytes", maxPage)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for key, sum := range found {
		if math.IsInf(sum, 0) {
			delete(found, key)
		}
	}
	return found, nil
}

// split returns a line's metric and what follows it; comments have none.
func split(line string) (name, rest string) {
	i := strings.IndexAny(line, "{ \t")
	if i < 0 || line[0] == '#' {
		return "", ""
	}
	return line[:i], strings.TrimLeft(line[i:], " \t")
}

// sample reads what follows the metric's name: labels, value and, perhaps, a
// time. ok is false when the series is not wanted or makes no sense.
func (m metric) sample(rest string) (key string, value float64, ok bool) {
	labels, rest, err := readLabels(rest)
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(rest)
	if len(fields) < 1 || len(fields) > 2 {
		return "", 0, false
	}
	value, err = strconv.ParseFloat(fields[0], 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return "", 0, false
	}
	if m.label == "" {
		return m.name, value, true
	}
	kept, there := labels[m.label]
	if !there || !plain(kept) || m.value != "" && kept != m.value {
		return "", 0, false
	}
	return m.name + "{" + m.label + `="` + kept + `"}`, value, true
}

// plain tells whether a label's value is a word as components use them.
func plain(s string) bool {
	return len(s) <= maxValue && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}

var errLabels = errors.New("labels cannot be read")

// readLabels reads {name="value",...}, where there is one, and returns the rest.
func readLabels(s string) (labels map[string]string, rest string, err error) {
	if !strings.HasPrefix(s, "{") {
		return nil, s, nil
	}
	labels = map[string]string{}
	for s = s[1:]; ; {
		s = strings.TrimLeft(s, ", \t")
		if after, ok := strings.CutPrefix(s, "}"); ok {
			return labels, after, nil
		}
		name, after, ok := strings.Cut(s, `="`)
		if !ok {
			return nil, "", errLabels
		}
		var value strings.Builder
		for i := 0; ; i++ {
			if i >= len(after) {
				return nil, "", errLabels
			}
			if after[i] == '"' {
				s = after[i+1:]
				break
			}
			if after[i] == '\\' { // \\, \" or \n; such values are not kept, so what it stands for is no matter
				i++
				value.WriteByte('\\')
				continue
			}
			value.WriteByte(after[i])
		}
		labels[name] = value.String()
	}
}
