package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/process"
)

// Down removes the lab, or what is there of it. It returns whether there was
// anything.
func (l *Lab) Down(ctx context.Context) (bool, error) {
	release, err := lock(layout.Name)
	if err != nil {
		return false, err
	}
	defer release()
	left, err := l.Leftovers(ctx)
	if err != nil || len(left) == 0 {
		return false, err
	}
	return true, l.clean(ctx, false)
}

// tiers is the order in which the processes end. The kubelets first, or they
// would start again what ends; the apiserver before its etcd; the containers
// and their shims (which count as their containerd's) last.
var tiers = [][]string{
	{process.Helper, layout.Kubelet, layout.Proxy},
	{layout.Scheduler, layout.ControllerManager},
	{layout.APIServerDaemon},
	{layout.Etcd},
	{""},
}

// clean ends and removes everything that Leftovers finds. With keepLogs the
// state folder stays, with nothing but the logs in it.
func (l *Lab) clean(ctx context.Context, keepLogs bool) error {
	record, known := l.record()
	found, err := network.Look(ctx, known)
	if err != nil {
		return err
	}
	if err := l.checkOwn(found); err != nil {
		return err
	}
	for _, tier := range tiers {
		if err := process.Kill(func(p process.Process) bool {
			return slices.ContainsFunc(tier, func(prefix string) bool { return strings.HasPrefix(p.Daemon, prefix) })
		}); err != nil {
			return err
		}
	}
	// Once more: a helper may have made something while it was still running.
	state := found.State
	if found, err = network.Look(ctx, known); err != nil {
		return err
	}
	// From here on one failure does not keep the rest from being removed.
	var errs []error
	errs = append(errs, network.Down(ctx, found))
	errs = append(errs, unmountBelow(string(l.State)))
	if tree, err := cgroup.Detect(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, tree.Remove())
	}
	if known {
		errs = append(errs, restoreSysctls(record.Sysctls))
	}
	if !known || !record.NetnsDir {
		errs = append(errs, network.RemoveNetnsDir())
	}
	if err := errors.Join(errs...); err != nil {
		return err // the record stays, for another try
	}
	if record.Phase == "" && state == "" {
		return nil // no folder, or nothing says that it is the lab's
	}
	if !keepLogs {
		return removeState(l.State)
	}
	entries, err := stateEntries(l.State)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if file := filepath.Join(string(l.State), e); file != l.State.Logs() && file != l.State.File() {
			errs = append(errs, os.RemoveAll(file))
		}
	}
	return errors.Join(append(errs, writeRecord(l.State, Record{Phase: failed}))...)
}

// checkOwn says when the lab on this machine is that of another state folder.
func (l *Lab) checkOwn(found network.Found) error {
	if found.State != "" && found.State != l.State {
		return fmt.Errorf("the lab on this machine has its state in %s: use --state %s", found.State, found.State)
	}
	return nil
}

// record reads the state folder's, which is empty when there is none. Known
// says that it is of this boot, so that what it tells of may still be there.
func (l *Lab) record() (r Record, known bool) {
	r, err := readRecord(l.State)
	if err != nil {
		return Record{}, false
	}
	return r, r.Boot == bootID()
}

// removeState removes the folder, the record in it last: should we be killed
// before, the next `down` still knows the folder for the lab's.
func removeState(state layout.State) error {
	entries, err := stateEntries(state)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if file := filepath.Join(string(state), e); file != state.File() {
			if err := os.RemoveAll(file); err != nil {
				return fmt.Errorf("remove state folder: %w", err)
			}
		}
	}
	if err := os.RemoveAll(string(state)); err != nil {
		return fmt.Errorf("remove state folder: %w", err)
	}
	return nil
}

// unmountBelow takes away what is mounted below a folder in the host's mount
// namespace. The nodes have their own; this is for what a killed command left
// in between.
func unmountBelow(dir string) error {
	var errs []error
	points := mountsWith(func(point string) bool { return strings.HasPrefix(point, dir+"/") })
	sort.Sort(sort.Reverse(sort.StringSlice(points))) // the inner ones first
	for _, p := range points {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

func mountsWith(wanted func(point string) bool) []string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var points []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 4 && wanted(fields[4]) {
			points = append(points, fields[4])
		}
	}
	return points
}

// Leftovers lists what of the lab is on the machine. It asks the kernel, not
// the state folder, so that it also finds what a folder that is gone knew of.
func (l *Lab) Leftovers(ctx context.Context) ([]string, error) {
	var left []string
	add := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	for _, p := range process.List() {
		add("process %d (%s)", p.PID, p.Command)
	}
	record, known := l.record()
	found, err := network.Look(ctx, known)
	if err != nil {
		return nil, err
	}
	for _, link := range found.Links {
		add("link %s", link.Name)
	}
	for _, r := range found.Routes {
		if r.Protocol != "kernel" { // those go with the link
			add("route %s", r)
		}
	}
	for _, n := range found.Netns {
		add("network namespace %s", n)
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	for _, dir := range tree.Exist() {
		add("cgroup %s", dir)
	}
	for _, p := range mountsWith(func(point string) bool {
		return strings.HasPrefix(point, string(l.State)+"/") || strings.Contains(point, "/"+layout.Name+"/")
	}) {
		add("mount %s", p)
	}
	if record.Phase != "" {
		add("state folder %s", l.State)
	}
	return left, nil
}
