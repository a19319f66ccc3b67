// Command repro times how long the pods of an Indexed Job with a headless
// Service need until they can resolve and reach each other, with and without
// an unrelated Service beside them, under several DNS configurations, and
// reports which stage the time is lost in. See --help.
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
	"headless-job-dns/internal/results"
)

// Exit codes, as --help documents them.
const (
	exitOK          = 0
	exitFailed      = 1   // the plan could not be carried out; finished trials are kept
	exitInput       = 2   // something asked for is not possible; nothing was created
	exitInvalid     = 3   // the plan ended, but not every trial could be used
	exitInterrupted = 130 // 128 + SIGINT, as shells report it
)

// errInvalidTrials ends a plan in which a trial was spoiled.
var errInvalidTrials = errors.New("not every trial could be used")

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
	complain(os.Stderr, err)
	os.Exit(exitCode(err))
}

// complain says why the program ends as it does, where nobody knows yet.
func complain(w io.Writer, err error) {
	switch {
	case err == nil, errors.Is(err, errInvalidTrials):
	case err == context.Canceled: // nothing else went wrong
		fmt.Fprintln(w, "repro: interrupted")
	default:
		fmt.Fprintln(printable{w}, "repro:", err)
	}
}

func exitCode(err error) int {
	var in *plan.InputError
	var file *results.InputError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &in), errors.As(err, &file):
		return exitInput
	case errors.Is(err, errInvalidTrials):
		return exitInvalid
	}
	return exitFailed
}

// run is the program: arguments in, report on stdout, progress on stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "report" {
		return reportCommand(args[1:], stdout)
	}
	if len(args) > 0 && args[0] == "clean" {
		return cleanCommand(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "kind" {
		return kindCommand(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stdout)
	if err != nil || o == nil {
		return err
	}
	return o.experiment(ctx, stdout, stderr)
}
