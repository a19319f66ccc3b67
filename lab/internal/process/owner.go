// Package process starts the lab's daemons and ends the lab's processes, and
// no others.
package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"headless-job-dns/lab/internal/layout"
)

// Owner says by whom a process was started.
type Owner struct {
	Ours   bool
	Daemon string // which daemon of the lab it is or was started by
}

// OwnerOf judges by what the kernel says about a living process: its cgroups,
// as /proc/PID/cgroup has them, or the mark in the environment it was started
// with. The mark is for the moment in which a daemon has been started but has
// not entered its cgroup yet, and for helpers, which enter none.
func OwnerOf(cgroups, environ []byte) Owner {
	var o Owner
	for _, line := range strings.Split(string(cgroups), "\n") {
		// 4:memory:/headless-job-lab/node1/kubepods/...
		_, rest, _ := strings.Cut(line, ":")
		_, path, _ := strings.Cut(rest, ":")
		elem := strings.Split(path, "/")
		if len(elem) < 2 || elem[0] != "" || elem[1] != layout.Name {
			continue
		}
		o.Ours = true
		if len(elem) > 3 && elem[2] == "daemons" {
			o.Daemon = elem[3] // only one hierarchy tells them apart
		}
	}
	if o.Ours {
		return o
	}
	for _, v := range bytes.Split(environ, []byte{0}) {
		if name, ok := bytes.CutPrefix(v, []byte(layout.DaemonMark+"=")); ok {
			return Owner{Ours: true, Daemon: string(name)}
		}
	}
	return o
}

func ownerOfPID(pid int) Owner {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	cgroups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return Owner{} // it has ended
	}
	environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
	return OwnerOf(cgroups, environ)
}

// Process is a living process of the lab.
type Process struct {
	PID     int
	Daemon  string
	Command string
}

// List finds all processes of the lab on the machine, whatever became of the
// state folder. A zombie is not one: it is its parent's, and holds nothing.
func List() []Process {
	var found []Process
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if o := ownerOfPID(pid); o.Ours && !zombie(pid) {
			found = append(found, Process{PID: pid, Daemon: o.Daemon, Command: command(pid)})
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return a.PID - b.PID })
	return found
}

func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// 123 (a name that may hold anything) Z ...
	i := bytes.LastIndexByte(b, ')')
	return i >= 0 && i+2 < len(b) && (b[i+2] == 'Z' || b[i+2] == 'X')
}

func command(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}
