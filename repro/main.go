// Command repro times when the pods of an Indexed Job with a headless Service
// can resolve and reach each other, and reports where the time goes. Arguments
// come in; a results folder, a report on stdout and progress on stderr go out.
// What makes a trial late it does not know: package judge and those behind it do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"headless-job-dns/internal/plan"
)

// Exit codes, as --help documents them.
const (
	exitOK          = 0
	exitFailed      = 1   // the plan could not be carried out; finished trials are kept
	exitInput       = 2   // something asked for is not possible; nothing was created
	exitInvalid     = 3   // the plan ended, but not every trial could be used
	exitLate        = 4   // a trial on the cluster's own DNS took longer than --max-lag
	exitInterrupted = 130 // 128 + SIGINT, as shells report it
)

var (
	// errInvalidTrials ends a plan in which a trial was spoiled.
	errInvalidTrials = errors.New("not every trial could be used")
	// errLate ends a plan in which a trial took longer than --max-lag.
	errLate = errors.New("later than --max-lag")
)

// signalGrace is how soon after the first signal another is the same one:
// Ctrl-C reaches every process of a terminal's group, and a parent may pass it
// on once more.
const signalGrace = time.Second

func main() {
	// A reader that goes away (`repro | tee log` and Ctrl-C) must not end the
	// program before it has deleted what it created: writes fail instead.
	signal.Ignore(syscall.SIGPIPE)
	// API machinery logs to stderr on its own; what matters reaches the user as
	// an error with a next step.
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// After the first signal the default handling comes back: a second one ends
	// the program at once.
	context.AfterFunc(ctx, func() { time.AfterFunc(signalGrace, stop) })
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	printError(os.Stderr, err)
	os.Exit(exitCode(err))
}

// run is the program: arguments in, report on stdout, progress on stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newRootCommand(stdout, stderr)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// printError says why the program ends as it does, where nobody knows yet.
func printError(w io.Writer, err error) {
	switch {
	case err == nil, errors.Is(err, errInvalidTrials), errors.Is(err, errLate):
	case err == context.Canceled: // nothing else went wrong
		fmt.Fprintln(w, "repro: interrupted")
	default:
		fmt.Fprintln(printable{w}, "repro:", err)
	}
}

func exitCode(err error) int {
	var input *plan.InputError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &input):
		return exitInput
	case errors.Is(err, errLate):
		return exitLate
	case errors.Is(err, errInvalidTrials):
		return exitInvalid
	}
	return exitFailed
}
