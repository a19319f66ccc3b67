// Package cluster puts the lab up, takes it down and says how it is.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/layout"
)

// Record is kept in the state folder.
type Record struct {
	// Boot is the machine's boot id: from another boot, nothing but files can
	// be left.
	Boot       string `json:"boot"`
	Phase      string `json:"phase"`
	Nodes      int    `json:"nodes"`
	ClusterDNS string `json:"cluster_dns"`
	Audit      bool   `json:"audit,omitempty"`
	Tools      string `json:"tools"` // folder of the programs
	// What was there before, to be put back.
	Sysctls  map[string]string `json:"sysctls,omitempty"`
	NetnsDir bool              `json:"netns_dir"` // /run/netns
}

// The phases of a lab.
const (
	starting = "starting"
	up       = "up"
	failed   = "failed" // only logs are kept
)

func readRecord(s layout.State) (Record, error) {
	var r Record
	b, err := os.ReadFile(s.File())
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", s.File(), err)
	}
	return r, nil
}

func writeRecord(s layout.State, r Record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	// Renamed into place: half a record would be nobody's.
	tmp := s.File() + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return os.Rename(tmp, s.File())
}

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// kubeletSysctls are settings of the whole machine that a kubelet changes when
// it starts. They are put back.
var kubeletSysctls = []string{
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxbytes",
	"kernel/keys/root_maxkeys",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
}

func readSysctls() map[string]string {
	values := map[string]string{}
	for _, name := range kubeletSysctls {
		if b, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = strings.TrimSpace(string(b))
		}
	}
	return values
}

func restoreSysctls(values map[string]string) error {
	var errs []error
	for name, value := range values {
		file := filepath.Join("/proc/sys", name)
		if b, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(b)) == value {
			continue
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("restore sysctl: %w", err))
		}
	}
	return errors.Join(errs...)
}

// lock keeps two commands from changing the machine at once. It is a socket
// without a file: the lab's names are one set per machine, whatever the state
// folder, and the kernel frees it however the command ends.
func lock(name string) (release func(), err error) {
	address := &net.UnixAddr{Name: "@" + name, Net: "unix"}
	l, err := net.ListenUnix("unix", address)
	if err == nil {
		return func() { l.Close() }, nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("take the lab's lock: %w", err)
	}
	return nil, errors.New("another lab command is changing the lab: wait for it or end it first")
}

// stateEntries lists what is in the state folder.
func stateEntries(s layout.State) ([]string, error) {
	entries, err := os.ReadDir(string(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
