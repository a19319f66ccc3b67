package build

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// progressInterval keeps a log readable and a person patient.
const progressInterval = 15 * time.Second

// progress takes what `go build -v` writes: the packages, which it counts, and
// errors, which it keeps.
type progress struct {
	mu    sync.Mutex
	begin time.Time
	count count
	line  []byte // the last one, until it is complete
	other bytes.Buffer
}

// newProgress begins the progress of a build of the stale packages, whose sizes
// are given in bytes. Until it is stopped it says now and then how far that is.
func newProgress(out io.Writer, stale map[string]int64) (p *progress, stop func()) {
	p = &progress{begin: time.Now(), count: count{sizes: stale}}
	tick := time.NewTicker(progressInterval)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				p.mu.Lock()
				fmt.Fprintf(out, "  %s\n", p.count.at(time.Since(p.begin)))
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
		if !p.count.add(string(line)) {
			fmt.Fprintf(&p.other, "%s\n", line)
		}
	}
}

// count is how much of a build is done.
type count struct {
	sizes    map[string]int64 // of the packages to be compiled, in bytes
	packages int
	bytes    int64
}

// add counts a package that the compiler has begun with, and says whether the
// line names one.
func (c *count) add(line string) bool {
	size, ok := c.sizes[line]
	if ok {
		c.packages++
		c.bytes += size
	}
	return ok
}

// at says how far the build is after some time. What remains is estimated from
// this build's own speed: compiling takes time by the size of the source, and
// the links at the end little beside it.
func (c *count) at(elapsed time.Duration) string {
	var all int64
	for _, size := range c.sizes {
		all += size
	}
	switch {
	case c.packages == len(c.sizes):
		return fmt.Sprintf("%s: linking", elapsed.Round(time.Second))
	case c.bytes == 0:
		return fmt.Sprintf("%s: 0 of %d packages compiled", elapsed.Round(time.Second), len(c.sizes))
	}
	left := time.Duration(float64(elapsed) * float64(all-c.bytes) / float64(c.bytes))
	return fmt.Sprintf("%s: %d of %d packages compiled, about %s to go",
		elapsed.Round(time.Second), c.packages, len(c.sizes), left.Round(5*time.Second))
}
