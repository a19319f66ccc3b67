package results

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
)

// parsed is one line of trials.jsonl, parsed.
type parsed struct {
	text  []byte // without what a power failure may have left after the last
	last  bool
	err   error // it could not be read
	trial Trial
	parse error
}

// blank tells a line that holds nothing.
func (l parsed) blank() bool { return len(bytes.TrimSpace(l.text)) == 0 }

// parseAhead gives the lines in order, and parses some of them at once: what
// takes time in reading a large folder is JSON. Closing stop ends it early.
func parseAhead(in io.Reader, stop <-chan struct{}) <-chan chan parsed {
	// A line may be large, so no more are in memory than are worked on.
	queue := make(chan chan parsed, runtime.GOMAXPROCS(0))
	go func() {
		defer close(queue)
		r := bufio.NewReaderSize(in, 1<<20)
		for {
			text, err := readLine(r)
			l := parsed{text: bytes.Clone(text), last: errors.Is(err, io.EOF)} // the reader uses its buffer again
			if err != nil && !l.last {
				l.err = err
			}
			if l.last {
				// After a power failure a file may end in zero bytes that were
				// allocated and never written.
				l.text = bytes.TrimRight(l.text, "\x00")
			}
			out := make(chan parsed, 1)
			select {
			case queue <- out:
			case <-stop:
				return
			}
			go func() {
				if l.err == nil && !l.blank() {
					l.trial, l.parse = parseTrial(l.text)
				}
				out <- l
			}()
			if l.last || l.err != nil {
				return
			}
		}
	}()
	return queue
}
