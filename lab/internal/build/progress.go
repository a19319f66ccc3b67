package build

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// progressInterval keeps a log readable and a person patient.
const progressInterval = 20 * time.Second

// progress counts the packages that `go build -v` names, and says so now and
// then. Other lines are kept: they are the errors.
type progress struct {
	w     *io.PipeWriter
	done  chan string
	out   io.Writer
	since time.Time
}

func newProgress(out io.Writer) *progress {
	r, w := io.Pipe()
	p := &progress{w: w, done: make(chan string, 1), out: out, since: time.Now()}
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines <- s.Text()
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	go p.report(lines)
	return p
}

func (p *progress) Write(b []byte) (int, error) { return p.w.Write(b) }

func (p *progress) stop() string {
	p.w.Close()
	return <-p.done
}

func (p *progress) report(lines <-chan string) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	compiled, downloaded := 0, 0
	var other bytes.Buffer
	for {
		select {
		case line, ok := <-lines:
			switch {
			case !ok:
				fmt.Fprintf(p.out, "  built in %s\n", time.Since(p.since).Round(time.Second))
				p.done <- other.String()
				return
			case strings.HasPrefix(line, "go: downloading "):
				downloaded++
			case line != "" && !strings.ContainsAny(line, " \t:"):
				compiled++
			default:
				fmt.Fprintln(&other, line)
			}
		case <-tick.C:
			fmt.Fprintf(p.out, "  %s: %d modules downloaded, %d packages compiled (about 2,500 the first time)\n",
				time.Since(p.since).Round(time.Second), downloaded, compiled)
		}
	}
}
