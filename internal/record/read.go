package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits on what is accepted from a pod. A probe's longest line, Start, stays
// below 10 KiB and its whole log below 1 MiB; more is not from a probe.
const (
	MaxLine = 64 << 10
	MaxLog  = 8 << 20
)

// Rest is what a log held beside records.
type Rest struct {
	// Junk counts lines that are not records: what a runtime wrote into the
	// log, or lines longer than MaxLine.
	Junk int
	// Truncated says that the log ends in the middle of a line.
	Truncated bool
}

// VersionError says that a log was written by a probe of another schema.
type VersionError struct{ Line, Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("line %d has schema version %d; this program reads version %d", e.Line, e.Version, Version)
}

// ErrTooLong is returned for logs longer than MaxLog.
var ErrTooLong = fmt.Errorf("log is longer than %d bytes", MaxLog)

// Read decodes a probe's log as it comes and hands over each record. It trusts
// nothing: lines that are not records are counted and skipped, a last line that
// was cut is reported. An error comes after all records that could be read.
func Read(r io.Reader, each func(Line)) (Rest, error) {
	var rest Rest
	limited := &io.LimitedReader{R: r, N: MaxLog + 1}
	b := bufio.NewReaderSize(limited, MaxLine)
	for number := 1; ; number++ {
		text, long, err := readLine(b)
		if err != nil && err != io.EOF {
			return rest, err
		}
		if limited.N <= 0 {
			return rest, ErrTooLong
		}
		last := err == io.EOF
		if text = bytes.TrimSpace(text); len(text) > 0 || long {
			line, ok := decode(text)
			switch {
			case ok && !long && line.V != Version:
				return rest, &VersionError{number, line.V}
			case ok && !long:
				each(line)
			case last:
				rest.Truncated = true
			default:
				rest.Junk++
			}
		}
		if last {
			return rest, nil
		}
	}
}

// readLine returns the next line, or the beginning of one longer than MaxLine,
// of which the rest is skipped. It returns io.EOF with a last line that has no
// end.
func readLine(b *bufio.Reader) (text []byte, long bool, err error) {
	text, err = b.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		text = nil
		_, err = b.ReadSlice('\n')
	}
	return text, long, err
}

// decode reports whether the text is a record: JSON with a version and, where
// the version is ours, exactly one kind of content. What another version may
// hold is not known here; it has to have the two fields of every line.
func decode(text []byte) (Line, bool) {
	var line Line
	var probe struct {
		V *int   `json:"v"`
		T *int64 `json:"t"`
	}
	if json.Unmarshal(text, &probe) != nil || probe.V == nil || probe.T == nil {
		return line, false
	}
	if *probe.V != Version {
		line.V = *probe.V
		return line, true
	}
	if json.Unmarshal(text, &line) != nil {
		return line, false
	}
	return line, line.kinds() == 1
}

// kinds counts what the line holds.
func (l *Line) kinds() int {
	n := 0
	for _, set := range []bool{l.Start != nil, l.Check != nil, l.Answer != nil, l.Dial != nil, l.Closed != nil,
		l.Caching != nil, l.Done != nil} {
		if set {
			n++
		}
	}
	return n
}
