//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/network"
)

// The commands that disturb a lab, for tests of what a bad day does.

func runSignal(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("signal", stderr)
	if err := f.parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return usageError{errors.New("signal: name a daemon and a signal, e.g. `signal etcd STOP`")}
	}
	sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(f.Arg(1)), "SIG"))
	if sig == 0 {
		return usageError{fmt.Errorf("signal %q is not known; e.g. STOP, CONT, KILL, TERM", f.Arg(1))}
	}
	lab, err := f.lab(stderr)
	if err != nil {
		return err
	}
	return lab.Signal(f.Arg(0), syscall.Signal(sig))
}

func runRestart(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("restart", stderr)
	if err := f.parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("restart: name a daemon, e.g. `restart kube-controller-manager --v=4`")}
	}
	lab, err := f.lab(stderr)
	if err != nil {
		return err
	}
	return lab.Restart(ctx, f.Arg(0), f.Args()[1:])
}

// runExec runs a command in the network namespace of a node or of the control
// plane, and nothing else of it.
func runExec(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("exec", stderr)
	if err := f.parse(args); err != nil {
		return err
	}
	if f.NArg() < 2 {
		return usageError{errors.New("exec: name a node, or control, and a command, e.g. `exec node1 -- nft list ruleset`")}
	}
	lab, err := f.lab(stderr)
	if err != nil {
		return err
	}
	netns, err := lab.Netns(f.Arg(0))
	if err != nil {
		return usageError{err}
	}
	argv := f.Args()[1:]
	if argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return usageError{errors.New("exec: name a command")}
	}
	return runCommand(ctx, append(network.Enter(netns), argv...), os.Environ(), stdout, stderr)
}
