package build

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressInterval keeps a log readable and a person patient.
const progressInterval = 15 * time.Second

// progress takes what `go build -v` writes: the packages, which it counts, and
// errors, which it keeps.
type progress struct {
	begin time.Time

	mu       sync.Mutex
	packages int
	line     []byte // the last one, until it is complete
	other    bytes.Buffer
}

// newProgress begins the progress of a build. Until it is stopped it says now and
// then how far that is.
func newProgress(out io.Writer) (p *progress, stop func()) {
	p = &progress{begin: time.Now()}
	tick := time.NewTicker(progressInterval)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				p.mu.Lock()
				fmt.Fprintf(out, "  %s: %d packages compiled\n", time.Since(p.begin).Round(time.Second), p.packages)
				p.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	return p, func() {
		tick.Stop()
		close(done)
	}
}

func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(p.line, b...)
	for {
		line, rest, complete := bytes.Cut(p.line, []byte("\n"))
		if !complete {
			return len(b), nil
		}
		p.line = rest
		if strings.ContainsAny(string(line), " :#") { // no import path
			fmt.Fprintf(&p.other, "%s\n", line)
		} else {
			p.packages++
		}
	}
}
