// Package cgroup keeps the lab's processes together. Every daemon and every
// container is in a cgroup below /headless-job-lab, which a process cannot
// leave by forking, and which the kernel forgets at a reboot. So "is it ours"
// is asked of the kernel and not of a file with process ids in it, which may
// by now be somebody else's.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/lab/internal/layout"
)

// Hierarchy is one mounted tree of cgroups: the only one on a v2 machine, one
// per controller on v1.
type Hierarchy struct {
	Path        string
	Controllers []string // none for v2
}

func (h Hierarchy) has(controller string) bool { return slices.Contains(h.Controllers, controller) }

// Tree is the lab's cgroups in all hierarchies of the machine.
type Tree struct {
	Hierarchies []Hierarchy
	V2          bool // no v1 controller is mounted
}

// Detect reads the machine's hierarchies.
func Detect() (*Tree, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	return parse(f)
}

// parse reads mountinfo. A v1 hierarchy that is mounted twice counts once.
func parse(mountinfo io.Reader) (*Tree, error) {
	t := &Tree{V2: true}
	seen := map[string]bool{}
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		// 30 23 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
		left, right, ok := strings.Cut(lines.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		h := Hierarchy{Path: l[4]}
		key := r[0]
		switch r[0] {
		case "cgroup2":
		case "cgroup":
			for _, o := range strings.Split(r[2], ",") {
				if o == "rw" || o == "ro" || o == "xattr" || strings.HasPrefix(o, "release_agent=") || o == "clone_children" {
					continue
				}
				h.Controllers = append(h.Controllers, o)
				if !strings.HasPrefix(o, "name=") {
					t.V2 = false
				}
			}
			key += strings.Join(h.Controllers, ",")
		default:
			continue
		}
		if !seen[key] {
			seen[key] = true
			t.Hierarchies = append(t.Hierarchies, h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	if len(t.Hierarchies) == 0 {
		return nil, errors.New("no cgroup file system is mounted")
	}
	return t, nil
}

// Make creates the lab's cgroups in every hierarchy: one for the pods of each
// node (a kubelet wants its cgroupRoot to exist; with one root for all, one
// kubelet removes the other's pods) and one for the daemons. The processor is
// weighed as on machines of their own: for each node its pods and its daemons,
// and the control plane.
func (t *Tree) Make(nodes []layout.Node, cpus int) error {
	for _, h := range t.Hierarchies {
		top := filepath.Join(h.Path, layout.Name)
		if err := t.makeGroup(h, top, cpus*(2*len(nodes)+1)); err != nil {
			return err
		}
		for _, n := range nodes {
			if err := t.makeGroup(h, filepath.Join(h.Path, n.Group()), cpus); err != nil {
				return err
			}
		}
		if err := t.makeGroup(h, filepath.Join(top, daemons), cpus*(len(nodes)+1)); err != nil {
			return err
		}
	}
	return nil
}

// makeGroup makes a cgroup that weighs as much as a machine of so many CPUs.
func (t *Tree) makeGroup(h Hierarchy, dir string, cpus int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	switch {
	case t.V2:
		if err := enableControllers(filepath.Dir(dir)); err != nil {
			return err
		}
		// 100 is what 1024 is on v1. Without the controller there is no file.
		_ = os.WriteFile(filepath.Join(dir, "cpu.weight"), []byte(strconv.Itoa(min(100*cpus, 10000))), 0o644)
	case h.has("cpuset"):
		// A new cpuset is empty and takes no process.
		for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
			if err != nil {
				return fmt.Errorf("read parent cpuset: %w", err)
			}
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o644); err != nil {
				return fmt.Errorf("fill cpuset: %w", err)
			}
		}
	case h.has("cpu"):
		if err := os.WriteFile(filepath.Join(dir, "cpu.shares"), []byte(strconv.Itoa(1024*cpus)), 0o644); err != nil {
			return fmt.Errorf("weigh cgroup: %w", err)
		}
	}
	return nil
}

// enableControllers passes on to the children what a cgroup has (v2 only); the
// pods' limits need it.
func enableControllers(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read cgroup controllers: %w", err)
	}
	for _, c := range strings.Fields(string(b)) {
		// One by one: a controller that cannot be delegated must not keep the
		// others back; the kubelet says which one it misses.
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
	return nil
}

const daemons = "daemons"

// own is the hierarchy in which each daemon has a cgroup of its own, to be
// found by. In the others they share one.
func (t *Tree) own() Hierarchy {
	for _, c := range []string{"freezer", "pids", "devices"} {
		for _, h := range t.Hierarchies {
			if h.has(c) {
				return h
			}
		}
	}
	return t.Hierarchies[0]
}

// DaemonGroups lists the cgroups that a daemon is to enter, its own first. It
// enters one in every hierarchy: else it would stay with the session that ran
// the lab command, and end with it or be short of what that is granted.
func (t *Tree) DaemonGroups(name string) []string {
	own := t.own()
	groups := []string{t.ownGroup(name)}
	for _, h := range t.Hierarchies {
		if h.Path != own.Path {
			groups = append(groups, filepath.Join(h.Path, layout.Name, daemons))
		}
	}
	return groups
}

func (t *Tree) ownGroup(name string) string {
	return filepath.Join(t.own().Path, layout.Name, daemons, name)
}

// Running lists the daemons that have a process, with their process ids.
func (t *Tree) Running() map[string][]int {
	running := map[string][]int{}
	entries, _ := os.ReadDir(t.ownGroup(""))
	for _, e := range entries {
		if e.IsDir() {
			if pids := procs(t.ownGroup(e.Name())); len(pids) > 0 {
				running[e.Name()] = pids
			}
		}
	}
	return running
}

// Members lists every process of the lab, those of the containers included.
func (t *Tree) Members() []int {
	var all []int
	for _, dir := range t.folders() {
		all = append(all, procs(dir)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// folders lists the lab's cgroups in all hierarchies, children before parents.
func (t *Tree) folders() []string {
	var dirs []string
	for _, h := range t.Hierarchies {
		_ = filepath.WalkDir(filepath.Join(h.Path, layout.Name), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, p)
			}
			return nil // a cgroup may go away while we look
		})
	}
	slices.Reverse(dirs)
	return dirs
}

// Exist lists the lab's topmost cgroups that are there.
func (t *Tree) Exist() []string {
	var found []string
	for _, h := range t.Hierarchies {
		top := filepath.Join(h.Path, layout.Name)
		if _, err := os.Stat(top); err == nil {
			found = append(found, top)
		}
	}
	return found
}

// removeWait is how long the kernel may take to let go of a cgroup whose last
// process has ended; it was seen to take milliseconds.
const removeWait = 3 * time.Second

// Remove takes the lab's cgroups away, which must be without processes.
func (t *Tree) Remove() error {
	deadline := time.Now().Add(removeWait)
	for {
		var last error
		for _, dir := range t.folders() {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				last = err
			}
		}
		if last == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup: %w", last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func procs(dir string) []int {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}
