package build

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"
)

// progressInterval keeps a log readable and a person patient.
const progressInterval = 15 * time.Second

// progress says now and then how far a build is, from the packages that `go
// build -v` names. It keeps the other lines: they are the errors.
type progress struct {
	w    *io.PipeWriter
	done chan string
}

// newProgress begins the progress of a build of the stale packages, whose sizes
// are given in bytes.
func newProgress(out io.Writer, stale map[string]int64) *progress {
	r, w := io.Pipe()
	p := &progress{w: w, done: make(chan string, 1)}
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines <- s.Text()
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	go p.report(out, lines, stale)
	return p
}

func (p *progress) Write(b []byte) (int, error) { return p.w.Write(b) }

// stop ends the progress and returns the lines that were kept.
func (p *progress) stop() string {
	p.w.Close()
	return <-p.done
}

func (p *progress) report(out io.Writer, lines <-chan string, stale map[string]int64) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	begin := time.Now()
	c := count{sizes: stale}
	var other bytes.Buffer
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				fmt.Fprintf(out, "  built in %s\n", time.Since(begin).Round(time.Second))
				p.done <- other.String()
				return
			}
			if !c.add(line) {
				fmt.Fprintln(&other, line)
			}
		case <-tick.C:
			fmt.Fprintf(out, "  %s\n", c.at(time.Since(begin)))
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
