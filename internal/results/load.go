package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// maxLine bounds the memory that one line may take. A pod's log stays under
// 1 MB, so 100 pods and their primer fit twice over.
const maxLine = 512 << 20

// Records are the records of a results folder. Reading never changes them.
type Records struct {
	Dir         string
	Plan        plan.Plan
	Environment json.RawMessage // nil: it was never written

	// Warnings tells what the last walk over Trials left out and why.
	Warnings []string
}

// Load reads the plan and the environment of a results folder. Trials are
// read one by one with Trials. What is wrong with them is an *InputError.
func Load(dir string) (*Records, error) {
	if err := isFolder(dir); err != nil {
		return nil, err
	}
	r := &Records{Dir: dir}
	path := filepath.Join(dir, PlanFile)
	accepted := fmt.Sprintf("the plan of an experiment, version %d", plan.PlanVersion)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &InputError{Path: path, Problem: "cannot be read: " + reason(err), Accepted: accepted, Err: err}
	}
	if err := json.Unmarshal(b, &r.Plan); err != nil {
		return nil, &InputError{Path: path, Problem: "is not a plan: " + err.Error(), Accepted: accepted, Err: err}
	}
	if r.Plan.V != plan.PlanVersion {
		return nil, &InputError{Path: path, Problem: fmt.Sprintf("has version %d", r.Plan.V), Accepted: accepted}
	}
	path = filepath.Join(dir, EnvironmentFile)
	b, err = os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the run ended before it was written
	case err != nil:
		return nil, &InputError{Path: path, Problem: "cannot be read: " + reason(err), Accepted: "a readable file", Err: err}
	case !json.Valid(b):
		return nil, &InputError{Path: path, Problem: "is not JSON", Accepted: "the environment as it was written"}
	default:
		r.Environment = b
	}
	return r, nil
}

// Trials walks over trials.jsonl, one trial in memory at a time. The walk ends
// at the first error. A last line that a crash cut off is no error: it is left
// out and Warnings says so.
func (r *Records) Trials() iter.Seq2[Trial, error] {
	return func(yield func(Trial, error) bool) {
		r.Warnings = nil
		path := filepath.Join(r.Dir, TrialsFile)
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return // the run ended before its first trial did
		}
		if err != nil {
			yield(Trial{}, &InputError{Path: path, Problem: "cannot be read: " + reason(err), Accepted: "a readable file", Err: err})
			return
		}
		defer file.Close()
		seen := map[string]bool{}
		warning, err := readTrials(file, path, func(line int, t Trial) error {
			if err := r.belongs(t, seen); err != nil {
				return &InputError{Path: path, Line: line, Problem: err.Error(),
					Accepted: "each trial of " + PlanFile + " once, or again after an invalid one"}
			}
			if !yield(t, nil) {
				return errStop
			}
			return nil
		})
		if warning != "" {
			r.Warnings = append(r.Warnings, warning)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Trial{}, err)
		}
	}
}

// Tally walks over the trials and returns how far the plan has come.
func (r *Records) Tally() (Tally, error) {
	var t Tally
	for tr, err := range r.Trials() {
		if err != nil {
			return t, err
		}
		t.Add(tr)
	}
	return t, nil
}

// errStop ends a walk whose consumer has had enough.
var errStop = errors.New("stop")

// belongs keeps trials of another plan, or the same trial twice, from entering
// the statistics.
func (r *Records) belongs(t Trial, seen map[string]bool) error {
	id := t.Plan.ID
	if seen[id] {
		return fmt.Errorf("trial %q is here twice", id)
	}
	for _, p := range r.Plan.Trials {
		if p.ID == id {
			if p.Arm != t.Plan.Arm {
				return fmt.Errorf("trial %q is of arm %q, the plan says %q", id, t.Plan.Arm, p.Arm)
			}
			if p.Sample != t.Plan.Sample {
				return fmt.Errorf("trial %q asked for a sample of %d peers from seed %d, the plan says %d from %d", id, t.Plan.Sample.Peers, t.Plan.Sample.Seed, p.Sample.Peers, p.Sample.Seed)
			}
			seen[id] = t.Status != Invalid
			return nil
		}
	}
	return fmt.Errorf("trial %q is not in the plan", id)
}

// readTrials calls each for every trial with its line number. The warning
// tells of lines that a crash left incomplete.
func readTrials(in io.Reader, path string, each func(line int, t Trial) error) (warning string, err error) {
	stop := make(chan struct{})
	defer close(stop)
	n := 0
	var torn []string
	for next := range parseAhead(in, stop) {
		l := <-next
		n++
		switch {
		case l.err != nil:
			return "", &InputError{Path: path, Line: n, Problem: l.err.Error(), Accepted: "a trial of this program", Err: l.err}
		case l.blank():
		case l.parse == nil:
			if err := each(n, l.trial); err != nil {
				return "", err
			}
		case l.last && errors.Is(l.parse, io.ErrUnexpectedEOF) && startsAsTrial(l.text):
			torn = append(torn, fmt.Sprintf("the last line of %s (%d) is incomplete: 1 trial is left out", filepath.Base(path), n))
		case l.text[0] == 0, bytes.IndexByte(l.text, 0) > 0 && startsAsTrial(l.text):
			// JSON has none: a part of the line was never written, and a later one
			// was, when the power failed.
			torn = append(torn, fmt.Sprintf("line %d of %s has a hole: 1 trial is left out", n, filepath.Base(path)))
		default:
			return "", &InputError{Path: path, Line: n, Problem: l.parse.Error(),
				Accepted: fmt.Sprintf("one trial a line as JSON, version %d, its probe records version %d", Version, record.Version), Err: l.parse}
		}
	}
	return strings.Join(torn, "; "), nil
}

// startsAsTrial tells a line of ours that was cut off from a foreign file
// that happens to be cut off as well: our lines begin with their version.
func startsAsTrial(line []byte) bool {
	const head = `{"v":`
	return bytes.HasPrefix(line, []byte(head)) || strings.HasPrefix(head, string(line))
}

// readLine returns the next line without its newline; io.EOF comes together
// with the last one, which has none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("is longer than %d MB", maxLine>>20)
		}
		if err == nil && line == nil {
			return part[:len(part)-1], nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// parseTrial reads one line and refuses what a reader of this version would
// misread.
func parseTrial(line []byte) (Trial, error) {
	var t Trial
	dec := json.NewDecoder(bytes.NewReader(line))
	if err := dec.Decode(&t); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return t, fmt.Errorf("ends within a trial: %w", err)
		}
		// Another version may differ in its fields' types as well; then its
		// number says more than the first field that does not fit.
		var head struct {
			V *int `json:"v"`
		}
		if json.Unmarshal(line, &head) == nil && head.V != nil && *head.V != Version {
			return t, fmt.Errorf("has version %d", *head.V)
		}
		return t, fmt.Errorf("is not a trial: %w", err)
	}
	if dec.InputOffset() < int64(len(line)) && len(bytes.TrimSpace(line[dec.InputOffset():])) > 0 {
		return t, errors.New("goes on after its trial")
	}
	if t.V != Version {
		return t, fmt.Errorf("has version %d", t.V)
	}
	switch t.Status {
	case Complete, Censored, Invalid:
	default:
		return t, fmt.Errorf("has status %q", t.Status)
	}
	if t.Plan.ID == "" {
		return t, errors.New("has no trial id")
	}
	for _, run := range []*Run{t.Primer, &t.Run} {
		if run == nil {
			continue
		}
		for _, pod := range run.Pods {
			for _, l := range pod.Lines {
				if l.V != record.Version {
					return t, fmt.Errorf("holds a probe record of version %d (pod %q)", l.V, pod.Name)
				}
			}
		}
	}
	return t, nil
}
