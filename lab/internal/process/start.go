package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"headless-job-dns/lab/internal/layout"
)

// Daemon is a program that is to go on running when the lab command has ended.
type Daemon struct {
	Name   string
	Groups []string // folders of its cgroups, its own first
	Log    string   // file that takes its output
	Argv   []string // how it is entered and what it is
}

// Running is a daemon that has been started.
type Running struct {
	Daemon
	PID  int
	done chan struct{}
	err  error
}

// enter puts the shell into the cgroups and then becomes the daemon. The shell
// does it, not us: should we be killed meanwhile, the daemon still ends up
// where `down` looks for it. Only its own cgroup it cannot do without.
const enter = `echo $$ >"$1/cgroup.procs" || exit
while shift; [ "$1" != -- ]; do
	echo $$ >"$1/cgroup.procs"
done
shift
exec "$@"`

// Helper marks what the lab runs and waits for: `down` ends it should the lab
// command have been killed meanwhile.
const Helper = "helper"

// Mark is the environment variable that says who started a process.
func Mark(name string) string { return layout.DaemonMark + "=" + name }

// environment has nothing of the user's: a proxy that is set there would be
// asked for addresses that only exist in here. Kubelet and kube-proxy call
// mount, nft and such by PATH.
func environment(name string) []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", Mark(name)}
}

// Command is exec.CommandContext for such a helper.
func Command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(Helper)
	return cmd
}

// Start runs the daemon, detached from the terminal and its signals.
func Start(d Daemon) (*Running, error) {
	if err := os.MkdirAll(d.Groups[0], 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup of %s: %w", d.Name, err)
	}
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", d.Name, err)
	}
	defer log.Close()
	argv := slices.Concat([]string{"-c", enter, "sh"}, d.Groups, []string{"--"}, d.Argv)
	cmd := exec.Command("/bin/sh", argv...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.Env = environment(d.Name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.Name, err)
	}
	r := &Running{Daemon: d, PID: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		r.err = cmd.Wait()
		close(r.done)
	}()
	return r, nil
}

// Watch returns a context that ends with ctx or with the daemon, and then
// with a cause that quotes the end of the daemon's log.
func (r *Running) Watch(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-r.done:
			cancel(fmt.Errorf("%s ended (%v); the end of %s:\n%s", r.Name, r.err, r.Log, tail(r.Log)))
		case <-ctx.Done():
			cancel(nil)
		}
	}()
	return ctx
}

// tailLines is what fits a screen below the message.
const tailLines = 12

func tail(file string) string {
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
