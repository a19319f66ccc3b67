package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	SummaryFile     = "summary.json"
	// Latest is the symbolic link beside the folders that names the newest.
	Latest = "latest"
)

const (
	// folderTime is RFC 3339 without the colons, which some file systems and
	// every shell completion treat specially. It sorts as the time does.
	folderTime = "2006-01-02T15-04-05Z"
	// sameSecond is how many folders of one second are told apart by a suffix.
	// More than a handful means that something starts runs in a loop.
	sameSecond = 100
)

// Folder is a results folder that is being written.
type Folder struct {
	dir    string
	lock   *os.File // held while trials are added; nil: only the report is written
	trials *os.File
	size   int64 // of trials in bytes, up to the end of its last whole line
}

// Create makes a new folder below root, named after now in UTC, and points
// root/latest to it.
func Create(root string, now time.Time) (*Folder, error) {
	dir, err := create(root, now.UTC().Format(folderTime))
	if err != nil {
		return nil, plan.Inputf("%s: results cannot be written here: %w; accepted: a folder that can be made and written "+
			"to, on a disk with room", root, err)
	}
	return locked(dir)
}

func create(root, name string) (string, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	latest := filepath.Join(root, Latest)
	if info, err := os.Lstat(latest); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return "", fmt.Errorf("%s is in the way of the link to the newest results", latest)
	}
	dir := filepath.Join(root, name)
	err := os.Mkdir(dir, 0o755)
	for n := 2; errors.Is(err, fs.ErrExist) && n <= sameSecond; n++ {
		dir = filepath.Join(root, name+"-"+strconv.Itoa(n))
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return "", err
	}
	// Replacing by rename leaves no moment without a link.
	link := latest + "-" + filepath.Base(dir)
	err = os.Symlink(filepath.Base(dir), link)
	if err == nil {
		err = os.Rename(link, latest)
	}
	if err != nil {
		os.Remove(link)
		os.Remove(dir) // still empty
	}
	return dir, err
}

// Open takes an existing results folder, to write its report.
func Open(dir string) (*Folder, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = errors.New("not a folder")
		}
		return nil, plan.Inputf("%s cannot be used: %w; accepted: a results folder, which holds %s and %s", dir, err,
			PlanFile, TrialsFile)
	}
	return &Folder{dir: dir}, nil
}

// Resume takes an existing results folder, to add trials to it. It refuses one
// to which another process is adding.
func Resume(dir string) (*Folder, error) {
	if _, err := Open(dir); err != nil {
		return nil, err
	}
	return locked(dir)
}

// locked keeps other processes from adding to the folder until it is closed or
// the process ends.
func locked(dir string) (*Folder, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, plan.Inputf("%s cannot be added to: %w; accepted: the results folder of a run that has ended", dir, err)
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

func (f *Folder) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", name, err)
	}
	return f.Write(name, append(b, '\n'))
}

// Write replaces a file of the folder: whoever reads it sees the old content or
// the new one, also after a crash.
func (f *Folder) Write(name string, b []byte) (err error) {
	tmp, err := os.CreateTemp(f.dir, "."+name+"-*")
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", name, err)
	}
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Chmod(0o644) // CreateTemp's 0600 would hide results of a root run
	}
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(f.dir, name))
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("failed to write %s: %w", name, err)
	}
	return syncFolder(f.dir)
}

// Append adds one trial to trials.jsonl. When it returns nil, the trial is on
// disk; when it fails, the file ends as it did before.
func (f *Folder) Append(t Trial) error {
	t.V = Version
	line, err := json.Marshal(t)
	if err == nil && len(line) >= maxLine {
		// It could not be read back, which would cost all trials of the file.
		err = fmt.Errorf("its records take %d MB, and a reader takes %d MB: ask for fewer pods, or have each ask for fewer "+
			"with --peers", len(line)>>20, maxLine>>20)
	}
	if err == nil && f.trials == nil {
		err = f.openTrials()
	}
	if err == nil {
		line = append(line, '\n')
		if _, err = f.trials.WriteAt(line, f.size); err == nil {
			err = f.trials.Sync()
		}
		if err != nil {
			// A torn line in the middle of the file would cost the trials that
			// follow it.
			err = errors.Join(err, f.trials.Truncate(f.size))
		}
	}
	if err != nil {
		return fmt.Errorf("failed to save trial %s: %w", t.Plan.ID, err)
	}
	f.size += int64(len(line))
	return nil
}

// openTrials opens trials.jsonl for appending. A line that a crash cut off is
// cut away: the next one must not be glued to it.
func (f *Folder) openTrials() error {
	file, err := os.OpenFile(filepath.Join(f.dir, TrialsFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	whole, err := cutTornLine(file)
	if err == nil {
		err = syncFolder(f.dir)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.trials, f.size = file, whole
	return nil
}

// cutTornLine cuts away what follows the last whole line and returns the size
// that is left.
func cutTornLine(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	for buf := make([]byte, 64<<10); size > 0; {
		part := buf[:min(size, int64(len(buf)))]
		if _, err := file.ReadAt(part, size-int64(len(part))); err != nil {
			return 0, err
		}
		end := bytes.LastIndexByte(part, '\n') + 1
		size -= int64(len(part) - end)
		if end > 0 {
			break
		}
	}
	return size, file.Truncate(size)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
