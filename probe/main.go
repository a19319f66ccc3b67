// Command probe runs in every pod of the experiment's Job and finds out when the
// names of the other pods lead to them. Flags and the pod's resolv.conf come in;
// lines of package record go to standard output, the first of them Start, the
// last Done. It is static, without a C library, and asks before it collects facts
// about its surroundings: much is decided by the first question. After Done it
// asks nothing and waits for SIGTERM, for its log would go with it. It knows
// nothing of Kubernetes but how names are made.
//
// `probe record-writer` is another program in the same file (package
// recordwriter): a second file would be built, delivered and pulled once more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"headless-job-dns/internal/recordwriter"
)

// memoryLimit makes the garbage collector work harder as the heap nears it. A
// probe should cost its node less than what it watches: 20 MB resident, of
// which the program text takes about five.
const memoryLimit = 12 << 20

func main() {
	zero := time.Now() // T=0 of every record; nothing comes before it
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	debug.SetMemoryLimit(memoryLimit)
	err := run(ctx, zero, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 for what the caller got wrong and 1 for everything else.
func exitCode(err error) int {
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// run is the whole program but for the process around it. It returns nil when
// it was released (ctx done), and at once when help was asked for.
func run(ctx context.Context, zero time.Time, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "record-writer" {
		return recordwriter.Run(ctx, args[1:], getenv, stdout)
	}
	cfg, err := parseFlags(args, getenv)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(stdout, usage())
		return err
	}
	if err != nil {
		return err
	}
	switch {
	case cfg.idle:
		<-ctx.Done()
		return nil
	case cfg.exitAfter > 0:
		pause(ctx, cfg.exitAfter)
		return nil
	}
	p, err := newProbe(zero, cfg, stdout)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// pause waits for d and reports whether ctx was still alive after it.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
