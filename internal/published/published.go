// Package published reads and analyses the run times that were published with
// the original report: 20 runs for each of eleven connect timeouts, in two
// files, one without and one with the extra that the report calls an unrelated
// service (and that was a Pod of the headless Service). It is pure but for
// ReadFile.
package published

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// maxSize bounds what is read. A published file has 8 KB.
const maxSize = 1 << 20

// maxTimes is how many times a setting may have for the exact analysis of two.
const maxTimes = 100

// NoTimeout is the setting that was published as "no-timeout-set". Flux's own
// default of 30 s was in force then.
const NoTimeout = "no-timeout-set"

// Settings are the names of the connect timeouts, in the order of the report.
func Settings() []string {
	var out []string
	for s := 1; s <= 10; s++ {
		out = append(out, fmt.Sprintf("%ds", s))
	}
	return append(out, NoTimeout)
}

// Setting is what was measured with one connect timeout.
type Setting struct {
	Name string
	// Timeout is 0 for NoTimeout.
	Timeout time.Duration
	// Times are the run times in seconds, in the order of the runs: from just
	// before the request that created the workload until its output ended
	// (converged-computing/operator-experiments, google/service-timing).
	Times []float64
}

// Run is one published file, its settings in the order of Settings.
type Run struct {
	Settings []Setting
}

// ReadFile reads the run in a file. Errors name the file.
func ReadFile(name string) (Run, error) {
	f, err := os.Open(name)
	if err != nil {
		return Run{}, err
	}
	defer f.Close()
	run, err := Read(f)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", name, err)
	}
	return run, nil
}

// Read decodes {"times": {"1s": [...], ...}, "means": {...}, "stds": {...}}, all
// in seconds. It wants exactly the settings of Settings, for each 2 to 100
// positive times, and their mean and sample standard deviation as published,
// so that a file that was cut, mixed up or edited is refused. It never returns
// a part of a run.
func Read(r io.Reader) (Run, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return Run{}, err
	}
	if len(text) > maxSize {
		return Run{}, fmt.Errorf("file is longer than %d bytes", maxSize)
	}
	var any json.RawMessage
	if err := json.Unmarshal(text, &any); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			// Python writes NaN and Infinity, which are no JSON.
			return Run{}, fmt.Errorf("line %d is not JSON: %w", 1+bytes.Count(text[:syntax.Offset], []byte("\n")), err)
		}
		return Run{}, fmt.Errorf("failed to read JSON: %w", err)
	}
	parts, err := object(text, "file", []string{"times", "means", "stds"})
	if err != nil {
		return Run{}, err
	}
	var columns [3]map[string]json.RawMessage
	for i, part := range []string{"times", "means", "stds"} {
		if columns[i], err = object(parts[part], part, Settings()); err != nil {
			return Run{}, err
		}
	}
	var run Run
	for i, name := range Settings() {
		s := Setting{Name: name, Timeout: time.Duration(i+1) * time.Second}
		if name == NoTimeout {
			s.Timeout = 0
		}
		if s.Times, err = times(columns[0][name]); err != nil {
			return Run{}, fmt.Errorf("setting %s: %w", name, err)
		}
		mean, std := meanAndStd(s.Times)
		if err := agrees(columns[1][name], "mean", mean, mean); err != nil {
			return Run{}, fmt.Errorf("setting %s: %w", name, err)
		}
		if err := agrees(columns[2][name], "standard deviation", std, mean); err != nil {
			return Run{}, fmt.Errorf("setting %s: %w", name, err)
		}
		run.Settings = append(run.Settings, s)
	}
	return run, nil
}

// object decodes an object that has each of the names once and no others. JSON
// allows the same name twice, and the decoder would take the last.
func object(text []byte, what string, names []string) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("%s is not an object", what)
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s has %q twice", what, short([]byte(name)))
		}
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s has %q, which is none of %s", what, short([]byte(name)), strings.Join(names, ", "))
		}
		out[name] = value
	}
	var missing []string
	for _, name := range names {
		if _, ok := out[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s misses %s", what, strings.Join(missing, ", "))
	}
	return out, nil
}

func times(text json.RawMessage) ([]float64, error) {
	var values []*float64 // null would leave a zero
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("times are not a list of numbers: %w", err)
	}
	if len(values) < 2 || len(values) > maxTimes {
		return nil, fmt.Errorf("%d times; accepted: 2 to %d", len(values), maxTimes)
	}
	out := make([]float64, len(values))
	for i, v := range values {
		switch {
		case v == nil:
			return nil, fmt.Errorf("time %d is null", i+1)
		case *v < 0:
			return nil, fmt.Errorf("time %d is negative: %v", i+1, *v)
		case *v == 0:
			return nil, fmt.Errorf("time %d is zero", i+1)
		}
		out[i] = *v
	}
	return out, nil
}

// agrees checks a published number against the one that the times have. It was
// computed from the same times; only the last digits of their size may differ.
func agrees(text json.RawMessage, what string, computed, size float64) error {
	var given *float64
	if err := json.Unmarshal(text, &given); err != nil || given == nil {
		return fmt.Errorf("%s is %s, not a number", what, short(text))
	}
	if !(math.Abs(*given-computed) <= 1e-9*size) {
		return fmt.Errorf("%s is %v, but its times have %v", what, *given, computed)
	}
	return nil
}

// meanAndStd are Python's statistics.mean and statistics.stdev, with which the
// published ones were computed.
func meanAndStd(x []float64) (mean, std float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		std += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(std)
}

// short keeps what somebody else wrote from filling an error.
func short(text []byte) string {
	const most = 40
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
