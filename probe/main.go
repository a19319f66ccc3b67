// Command probe runs in every pod of the experiment's Job and finds out when
// the names of the other pods lead to them: which answers the pod's resolver
// gave, when each answer changed, and who answered at the address.
//
// It is a static program without a C library, so that its first question
// leaves within milliseconds of the process's start; much of what is measured
// is decided by the first question. It takes its zero, parses its flags, reads
// resolv.conf, listens, asks, and only then collects facts about its
// surroundings. What it sees goes to standard output as lines of package
// record; the log's first line is always Start, its last one Done.
//
// What it asks depends on the observer (see flags.go):
//
//	solo          what one worker of the original workload asked (solo.go)
//	peers         every peer's name through the pod's resolver (peers.go)
//	peers+server  the same, beside an uncached look at each DNS server (uncached.go)
//	prime         each DNS server for the pod's own name, to fill its cache (prime.go)
//	caching       how each DNS server caches (caching.go)
//	empty-service pod 0 of a Job whose pod goes (emptyservice.go)
//
// Every pod listens and tells whoever connects who it is (listen.go), because
// an address may have had another owner a moment ago. After Done a pod asks
// nothing, answers connects and waits for SIGTERM: a pod that ended would take
// its log along, one that went on asking would disturb the next trial.
//
// `probe record-writer` is another program in the same file, a DNS server (package
// recordwriter): a file of its own would be built, put into the image and into
// ConfigMaps a second time. It costs a probe 0.2 ms of its start and 1.2 MB.
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
