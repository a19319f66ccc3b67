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

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// maxLine bounds the memory that one line may take, in bytes. A pod's log stays
// under 1 MB, so 100 pods and their primer fit twice over.
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
// read one by one with Trials. What is wrong with them is a plan.InputError.
func Load(dir string) (*Records, error) {
	if _, err := Open(dir); err != nil {
		return nil, err
	}
	r := &Records{Dir: dir}
	path := filepath.Join(dir, PlanFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, plan.Inputf("%w; accepted: a results folder with its plan", err)
	}
	if err = json.Unmarshal(b, &r.Plan); err == nil && r.Plan.V != plan.PlanVersion {
		err = fmt.Errorf("has version %d", r.Plan.V)
	}
	if err != nil {
		return nil, plan.Inputf("%s: %w; accepted: the plan of an experiment, version %d", path, err, plan.PlanVersion)
	}
	path = filepath.Join(dir, EnvironmentFile)
	b, err = os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the run ended before it was written
	case err != nil:
		return nil, plan.Inputf("%w; accepted: a readable file", err)
	case !json.Valid(b):
		return nil, plan.Inputf("%s: is not JSON; accepted: the environment as it was written", path)
	default:
		r.Environment = b
	}
	return r, nil
}

// Trials walks over trials.jsonl, one trial in memory at a time. The walk ends
// at the first error. A line that a crash left incomplete is no error: it is left
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
			yield(Trial{}, plan.Inputf("%w; accepted: a readable file", err))
			return
		}
		defer file.Close()
		in, seen := bufio.NewReaderSize(file, 1<<20), map[string]bool{}
		for n := 1; ; n++ {
			line, err := readLine(in)
			if err == io.EOF {
				if len(line) > 0 { // a crash cut it off
					r.Warnings = append(r.Warnings, fmt.Sprintf("line %d of %s is incomplete: 1 trial is left out", n, TrialsFile))
				}
				return
			}
			if err == nil && len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var t Trial
			if err == nil {
				t, err = parseTrial(line)
			}
			if err == nil {
				err = r.belongs(t, seen)
			}
			if err != nil {
				yield(Trial{}, plan.Inputf("%s:%d: %w; accepted: a trial of %s once, or again after an invalid one, version %d, "+
					"its probe records version %d",
					path, n, err, PlanFile, Version, record.Version))
				return
			}
			if !yield(t, nil) {
				return
			}
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

// belongs keeps trials of another plan, or the same trial twice, from entering
// the statistics.
func (r *Records) belongs(t Trial, seen map[string]bool) error {
	id := t.Plan.ID
	if seen[id] {
		return fmt.Errorf("trial %q is here twice", id)
	}
	for _, p := range r.Plan.Trials {
		switch {
		case p.ID != id:
			continue
		case p.Arm != t.Plan.Arm:
			return fmt.Errorf("trial %q is of arm %q, the plan says %q", id, t.Plan.Arm, p.Arm)
		case p.Sample != t.Plan.Sample:
			return fmt.Errorf("trial %q asked for a sample of %d peers from seed %d, the plan says %d from %d",
				id, t.Plan.Sample.Peers, t.Plan.Sample.Seed, p.Sample.Peers, p.Sample.Seed)
		}
		seen[id] = t.Status != Invalid
		return nil
	}
	return fmt.Errorf("trial %q is not in the plan", id)
}

// readLine returns the next line with its end; io.EOF comes with what follows the
// last end.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("is longer than %d MB", maxLine>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// parseTrial reads one line and refuses what a reader of this version would
// misread.
func parseTrial(line []byte) (t Trial, err error) {
	if err := json.Unmarshal(line, &t); err != nil {
		// Another version may differ in its fields' types as well; then its number
		// says more than the first field that does not fit.
		var head struct{ V int }
		if json.Unmarshal(line, &head) == nil && head.V != Version {
			return t, fmt.Errorf("has version %d", head.V)
		}
		return t, fmt.Errorf("is not a trial: %w", err)
	}
	switch {
	case t.V != Version:
		return t, fmt.Errorf("has version %d", t.V)
	case t.Status != Complete && t.Status != Censored && t.Status != Invalid:
		return t, fmt.Errorf("has status %q", t.Status)
	case t.Plan.ID == "":
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
