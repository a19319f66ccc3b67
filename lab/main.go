//go:build linux

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"headless-job-dns/lab/internal/build"
)

// source is what the cluster's programs are built from, so that the lab's own
// program is enough wherever it is run.
//
//go:embed go.mod go.sum components/main.go coredns/main.go pause/main.go
var source embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if message := describe(ctx, err); message != "" {
		fmt.Fprintln(os.Stderr, "lab: "+message)
	}
	os.Exit(exitCode(ctx, err))
}

// The exit codes, besides 0 and those of the command that `run` runs.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitDown        = 3   // status: no lab is up
	exitInterrupted = 130 // as a shell has it after Ctrl-C
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// exitError is an exit code without a message: what it means was printed.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func exitCode(ctx context.Context, err error) int {
	var wrong usageError
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &exit):
		return exit.code
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailure
}

// describe is what there is to say about an error.
func describe(ctx context.Context, err error) string {
	var exit exitError
	switch {
	case err == nil, errors.As(err, &exit):
		return ""
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		return "interrupted"
	}
	return err.Error()
}

const usage = `A throw-away Kubernetes cluster on this machine.

  lab up [--nodes 2] [--cluster-dns kubeadm-1.32]   put it up; harmless when it is
  lab down                                          remove everything, whatever there is
  lab status                                        nodes, processes, versions; exit code 3 when down
  lab load IMAGE.tar...                             import images on every node
  lab run [--keep] [--nodes 2] [--cluster-dns ...] [--load IMAGE.tar] -- COMMAND...
                                                    up, COMMAND with KUBECONFIG, down; COMMAND's exit code
  lab build                                         build the cluster's programs, print their folder
  lab leftovers                                     what of it is on the machine; exit code 1 when anything

To disturb it:
  lab signal DAEMON SIGNAL                          e.g. etcd STOP; status lists the daemons
  lab restart DAEMON [ARGUMENT...]                  kill it and start it again, with these arguments as well
  lab exec NODE|control -- COMMAND...               COMMAND in that network namespace

Every command takes --state FOLDER (default /var/lib/headless-job-lab) and
--cache FOLDER (where the cluster's programs are kept once they are built).
COMMAND --help shows a command's flags.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 status finds no lab.
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitError{exitUsage}
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(stdout, usage)
		return nil
	}
	command, ok := commands[args[0]]
	if !ok {
		return usageError{fmt.Errorf("unknown command %q: there are up, down, status, load, run, build, leftovers, signal, restart and exec", args[0])}
	}
	return command(ctx, args[1:], stdout, stderr)
}

// newBuilder is how the cluster's programs are made.
func newBuilder(cache string, out io.Writer) *build.Builder {
	return &build.Builder{Source: source, Cache: cache, Out: out}
}
