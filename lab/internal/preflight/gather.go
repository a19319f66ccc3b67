package preflight

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Gather asks the machine. The folders are those that will be written to.
func Gather(folders ...string) (Facts, error) {
	f := Facts{DiskFree: map[string]uint64{}}
	var err error
	if f.Capabilities, err = capabilities(); err != nil {
		return f, err
	}
	if f.MemoryAvailable, err = memoryAvailable(); err != nil {
		return f, err
	}
	for _, dir := range folders {
		if f.DiskFree[dir], err = diskFree(dir); err != nil {
			return f, err
		}
	}
	f.Missing = missing()
	_, err = exec.LookPath("apt-get")
	f.Apt = err == nil
	return f, nil
}

func missing() []string {
	var list []string
	for _, c := range Commands() {
		if _, err := exec.LookPath(c); err != nil {
			list = append(list, c)
		}
	}
	return list
}

func capabilities() (uint64, error) {
	v, err := procField("/proc/self/status", "CapEff:")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(v, 16, 64)
}

func memoryAvailable() (uint64, error) {
	v, err := procField("/proc/meminfo", "MemAvailable:")
	if err != nil {
		return 0, err
	}
	kb, err := strconv.ParseUint(strings.TrimSuffix(v, " kB"), 10, 64)
	return kb << 10, err
}

func procField(file, key string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if v, ok := strings.CutPrefix(s.Text(), key); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("read %s: no %s", file, key)
}

// diskFree is asked of the nearest folder that exists.
func diskFree(dir string) (uint64, error) {
	for d := dir; ; d = filepath.Dir(d) {
		var st unix.Statfs_t
		err := unix.Statfs(d, &st)
		if err == nil {
			return st.Bavail * uint64(st.Bsize), nil
		}
		if d == filepath.Dir(d) {
			return 0, fmt.Errorf("ask for space in %s: %w", dir, err)
		}
	}
}

// Overlay says whether containerd's overlayfs snapshotter can work in dir: on
// some file systems, another overlay among them, it cannot.
func Overlay(dir string) bool {
	tmp, err := os.MkdirTemp(dir, "overlay-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if os.Mkdir(filepath.Join(tmp, d), 0o700) != nil {
			return false
		}
	}
	merged := filepath.Join(tmp, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
	if unix.Mount("overlay", merged, "overlay", 0, options) != nil {
		return false
	}
	return unix.Unmount(merged, unix.MNT_DETACH) == nil
}

// Install installs the Debian packages that are missing, and says which.
func Install(ctx context.Context, commands []string, out io.Writer) error {
	if len(commands) == 0 {
		return nil
	}
	names := PackagesFor(commands)
	fmt.Fprintf(out, "installing Debian packages: %s (for %s)\n", strings.Join(names, ", "), strings.Join(commands, ", "))
	install := append([]string{"install", "--yes", "--no-install-recommends"}, names...)
	output, err := aptGet(ctx, install...)
	if err != nil {
		// The lists of a new machine are empty or old.
		fmt.Fprintln(out, "  not found in the package lists that are here; apt-get update")
		if output, err = aptGet(ctx, "update"); err == nil {
			output, err = aptGet(ctx, install...)
		}
	}
	if err != nil {
		return fmt.Errorf("install %s: %w\n%s", strings.Join(names, ", "), err, output)
	}
	if left := missing(); len(left) > 0 {
		return fmt.Errorf("install %s: %s still not found in PATH=%s",
			strings.Join(names, ", "), strings.Join(left, ", "), os.Getenv("PATH"))
	}
	return nil
}

func aptGet(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
