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

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
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

// describe returns what there is to say about an error.
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

// newBuilder returns what makes the cluster's programs.
func newBuilder(cache string, out io.Writer) *build.Builder {
	return &build.Builder{Source: source, Cache: cache, Out: out}
}
