package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"headless-job-dns/internal/plan"
)

// The names of the files in a results folder.
const (
	PlanFile        = "plan.json"
	TrialsFile      = "trials.jsonl"
	EnvironmentFile = "environment.json"
	ReportFile      = "report.md"
	BenchFile       = "bench.txt"
	// PartialFile keeps what a crash left of a line of trials.jsonl, once
	// more trials are appended after it.
	PartialFile = "trials.partial"
	// Latest is the symbolic link beside the folders that names the newest.
	Latest = "latest"
)

// folderTime is RFC 3339 without the colons, which some file systems and
// every shell completion treat specially. It sorts as the time does.
const folderTime = "2006-01-02T15-04-05Z"

// sameSecond is how many folders of one second are told apart by a suffix.
// More than a handful means that something starts runs in a loop.
const sameSecond = 100

// InputError is an error about what the user gave: a folder or a file. Its
// text names the value and what is accepted, in one line.
type InputError struct {
	Path     string
	Line     int    // 1-based; 0: the whole file or folder
	Problem  string // what is wrong with it
	Accepted string // what would be right
	Err      error  // the cause, if there is one
}

func (e *InputError) Error() string {
	where := e.Path
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line)
	}
	return where + ": " + e.Problem + "; accepted: " + e.Accepted
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Folder is a results folder that is being written.
type Folder struct {
	dir    string
	lock   *os.File // held while trials are added; nil: only the report is written
	trials *os.File
	size   int64 // of trials, up to the end of its last whole line
}

// Create makes a new folder below root, named after now in UTC, and points
// root/latest to it.
func Create(root string, now time.Time) (*Folder, error) {
	unwritable := func(path string, err error) error {
		return &InputError{
			Path:     path,
			Problem:  "results cannot be written here: " + reason(err),
			Accepted: "a folder that can be made and written to, on a disk with room",
			Err:      err,
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, unwritable(root, err)
	}
	latest := filepath.Join(root, Latest)
	if info, err := os.Lstat(latest); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return nil, &InputError{
			Path:     latest,
			Problem:  "is in the way of the link to the newest results",
			Accepted: "nothing or a symbolic link of that name",
		}
	}
	name := now.UTC().Format(folderTime)
	dir := filepath.Join(root, name)
	err := os.Mkdir(dir, 0o755)
	for n := 2; errors.Is(err, fs.ErrExist) && n <= sameSecond; n++ {
		dir = filepath.Join(root, name+"-"+strconv.Itoa(n))
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if err := relink(latest, filepath.Base(dir)); err != nil {
		os.Remove(dir) // still empty
		return nil, unwritable(latest, err)
	}
	return locked(dir)
}

// Open takes an existing results folder, to write its report.
func Open(dir string) (*Folder, error) {
	if err := isFolder(dir); err != nil {
		return nil, err
	}
	return &Folder{dir: dir}, nil
}

// Resume takes an existing results folder, to add trials to it. It refuses one
// to which another process is adding.
func Resume(dir string) (*Folder, error) {
	if err := isFolder(dir); err != nil {
		return nil, err
	}
	return locked(dir)
}

// locked keeps other processes from adding to the folder until it is closed or
// the process ends.
func locked(dir string) (*Folder, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, &InputError{
			Path:     dir,
			Problem:  "cannot be added to: " + reason(err),
			Accepted: "the results folder of a run that has ended",
			Err:      err,
		}
	}
	return &Folder{dir: dir, lock: lock}, nil
}

// Dir is the path of the folder.
func (f *Folder) Dir() string { return f.dir }

// Close releases the folder, if there is one. What was written is already on
// disk.
func (f *Folder) Close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, file := range []**os.File{&f.trials, &f.lock} {
		if *file != nil {
			errs = append(errs, (*file).Close())
			*file = nil
		}
	}
	return errors.Join(errs...)
}

// WritePlan writes plan.json.
func (f *Folder) WritePlan(p plan.Plan) error { return f.writeJSON(PlanFile, p) }

// WriteEnvironment writes environment.json.
func (f *Folder) WriteEnvironment(v any) error { return f.writeJSON(EnvironmentFile, v) }

// WriteReport writes report.md.
func (f *Folder) WriteReport(b []byte) error {
	if err := writeFile(filepath.Join(f.dir, ReportFile), b); err != nil {
		return fmt.Errorf("failed to write the report: %w", err)
	}
	return nil
}

// WriteBench writes bench.txt.
func (f *Folder) WriteBench(b []byte) error {
	if err := writeFile(filepath.Join(f.dir, BenchFile), b); err != nil {
		return fmt.Errorf("failed to write the outcomes for benchstat: %w", err)
	}
	return nil
}

// Append adds one trial to trials.jsonl. When it returns nil, the trial is on
// disk; when it fails, the file ends as it did before.
func (f *Folder) Append(t Trial) error {
	t.V = Version
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("failed to encode trial %s: %w", t.Plan.ID, err)
	}
	if f.trials == nil {
		if err := f.openTrials(); err != nil {
			return fmt.Errorf("failed to open %s: %w", TrialsFile, err)
		}
	}
	line = append(line, '\n')
	if err := fits(len(line)); err != nil {
		return fmt.Errorf("failed to save trial %s: %w", t.Plan.ID, err)
	}
	_, err = f.trials.WriteAt(line, f.size)
	if err == nil {
		err = f.trials.Sync()
	}
	if err != nil {
		// A torn line in the middle of the file would cost the trials that
		// follow it, so take it away.
		return fmt.Errorf("failed to save trial %s: %w", t.Plan.ID, errors.Join(err, f.trials.Truncate(f.size)))
	}
	f.size += int64(len(line))
	return nil
}

// fits refuses a line that could not be read back: it would cost all trials of
// the file. The size is in bytes, the line's end included.
func fits(size int) error {
	if size > maxLine {
		return fmt.Errorf("its records take %d MB, and a reader takes %d MB: ask for fewer pods, or have each ask for fewer with --peers", size>>20, maxLine>>20)
	}
	return nil
}

// openTrials opens trials.jsonl for appending. A line that a crash cut off is
// moved to trials.partial first: the next line must not be glued to it.
func (f *Folder) openTrials() (err error) {
	path := filepath.Join(f.dir, TrialsFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	whole, err := wholeLines(file, size)
	if err != nil {
		return err
	}
	if whole < size {
		tail := make([]byte, size-whole)
		if _, err := file.ReadAt(tail, whole); err != nil {
			return err
		}
		written := bytes.TrimRight(tail, "\x00") // as a reader takes it
		if json.Valid(written) {                 // only the newline is missing
			whole += int64(len(written))
			if err := file.Truncate(whole); err != nil {
				return err
			}
			if _, err := file.WriteAt([]byte{'\n'}, whole); err != nil {
				return err
			}
			whole++
		} else {
			if err := appendFile(filepath.Join(f.dir, PartialFile), append(tail, '\n')); err != nil {
				return err
			}
			if err := file.Truncate(whole); err != nil {
				return err
			}
		}
	}
	if err := syncDir(f.dir); err != nil {
		return err
	}
	f.trials, f.size = file, whole
	return nil
}

// wholeLines returns the offset after the last newline.
func wholeLines(r io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		begin := max(0, end-int64(len(buf)))
		part := buf[:end-begin]
		if _, err := r.ReadAt(part, begin); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return begin + int64(i) + 1, nil
		}
		end = begin
	}
	return 0, nil
}

func (f *Folder) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(f.dir, name), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", name, err)
	}
	return nil
}

// writeFile replaces the file at path: whoever reads it sees the old content
// or the new one, also after a crash.
func writeFile(path string, b []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Chmod(0o644) // CreateTemp's 0600 would hide results of a root run
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func appendFile(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// relink makes link point to target. Replacing by rename leaves no moment
// without a link.
func relink(link, target string) error {
	tmp := link + "-" + target
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// reason is the part of a file error that does not repeat the path.
func reason(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err.Error()
	case errors.As(err, &link):
		return link.Err.Error()
	}
	return err.Error()
}

func isFolder(dir string) error {
	const accepted = "a results folder, which holds " + PlanFile + " and " + TrialsFile
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return &InputError{Path: dir, Problem: "cannot be read: " + reason(err), Accepted: accepted, Err: err}
	case !info.IsDir():
		return &InputError{Path: dir, Problem: "is not a folder", Accepted: accepted}
	}
	return nil
}
