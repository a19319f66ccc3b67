package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/process"
)

// daemon is a running daemon of the lab, to be disturbed.
type daemon struct {
	name   string
	pid    int
	groups []string
}

// daemon finds one by its name, as `status` lists it.
func (l *Lab) daemon(name string) (daemon, error) {
	record, known := l.record()
	if !known {
		return daemon{}, errors.New("no lab is up: run `up` first")
	}
	names := layout.Daemons(l.State.Nodes(record.Nodes))
	if !slices.Contains(names, name) {
		return daemon{}, fmt.Errorf("daemon %q is not known; there are %s", name, strings.Join(names, ", "))
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return daemon{}, err
	}
	d := daemon{name: name, groups: tree.DaemonGroups(name)}
	// A containerd's cgroup holds its shims too. It is older than they are, but
	// ids start again at the bottom some day: the name tells.
	program := strings.TrimSuffix(strings.SplitAfter(name, "-node")[0], "-node")
	for _, pid := range tree.Running()[name] {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if d.pid == 0 || err == nil && strings.TrimSpace(string(comm)) == program {
			d.pid = pid
		}
	}
	return d, nil
}

// Signal sends a daemon a signal.
func (l *Lab) Signal(name string, sig syscall.Signal) error {
	d, err := l.daemon(name)
	if err != nil {
		return err
	}
	if d.pid == 0 {
		return fmt.Errorf("%s is not running", name)
	}
	if err := syscall.Kill(d.pid, sig); err != nil {
		return fmt.Errorf("signal %s (process %d): %w", name, d.pid, err)
	}
	return nil
}

// endWait is how long a killed daemon may take to be gone; a stopped one takes
// no notice of anything but SIGKILL.
const endWait = 5 * time.Second

// Restart kills a daemon, if it runs, and starts it again with the arguments
// that the lab gave it and the extra ones after them: of a flag that is there
// twice the last one counts. The extra ones are forgotten at the next restart.
//
// It works for what is one process without children: containerd is not.
func (l *Lab) Restart(ctx context.Context, name string, extra []string) error {
	release, err := lock(layout.Name)
	if err != nil {
		return err
	}
	defer release()
	d, err := l.daemon(name)
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, layout.Containerd) {
		return fmt.Errorf("%s holds its node's containers: it cannot be restarted", name)
	}
	argv, err := l.arguments(d)
	if err != nil {
		return err
	}
	if d.pid != 0 {
		if err := end(ctx, d); err != nil {
			return err
		}
	}
	enter, err := l.enter(name)
	if err != nil {
		return err
	}
	_, err = process.Start(process.Daemon{
		Name: name, Groups: d.groups, Log: filepath.Join(l.State.Logs(), name+".log"),
		Argv: slices.Concat(enter, argv, extra),
	})
	return err
}

func end(ctx context.Context, d daemon) error {
	if err := syscall.Kill(d.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end %s (process %d): %w", d.name, d.pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	for syscall.Kill(d.pid, 0) == nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("end %s (process %d): still there after SIGKILL", d.name, d.pid)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// arguments are those that the lab first gave a daemon. They are kept at the
// first restart: later the process has extra ones, or is gone.
func (l *Lab) arguments(d daemon) ([]string, error) {
	file := filepath.Join(l.State.Control(), d.name+".argv")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if d.pid == 0 {
			return nil, fmt.Errorf("%s is not running, and how it was started is not known", d.name)
		}
		if b, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", d.pid)); err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", d.name, err)
	}
	var argv []string
	for _, a := range bytes.Split(bytes.TrimSuffix(b, []byte{0}), []byte{0}) {
		argv = append(argv, string(a))
	}
	return argv, nil
}

// enter is the command line that leads to where a daemon runs.
func (l *Lab) enter(name string) ([]string, error) {
	record, _ := l.record()
	for _, n := range l.State.Nodes(record.Nodes) {
		if name != layout.Kubelet+n.Name && name != layout.Proxy+n.Name {
			continue
		}
		c, err := l.daemon(layout.Containerd + n.Name)
		if err != nil {
			return nil, err
		}
		return append(network.Enter(n.Netns()), fmt.Sprintf("--mount=/proc/%d/ns/mnt", c.pid)), nil
	}
	return network.Enter(layout.ControlNetns), nil
}

// Netns returns the network namespace of a node, or of the control plane.
func (l *Lab) Netns(where string) (string, error) {
	record, known := l.record()
	if !known {
		return "", errors.New("no lab is up: run `up` first")
	}
	names := []string{"control"}
	for _, n := range l.State.Nodes(record.Nodes) {
		if n.Name == where {
			return n.Netns(), nil
		}
		names = append(names, n.Name)
	}
	if where == "control" {
		return layout.ControlNetns, nil
	}
	return "", fmt.Errorf("%q is not a part of the lab; there are %s", where, strings.Join(names, ", "))
}
