package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	startLine = `{"v":1,"t":0,"start":{"observer":"peers","namespace":"n","job":"j","service":"s","index":0,"pods":2,"domain":"cluster.local","addresses":[],"wall":1,"interval":1,"deadline":1,"resolv":{"servers":[],"ndots":5,"timeout_s":5,"attempts":2}}}` + "\n"
	doneLine  = `{"v":1,"t":7,"done":{"reason":"complete"}}` + "\n"
)

// read collects what Read hands over.
func read(r io.Reader) (lines []Line, rest Rest, err error) {
	rest, err = Read(r, func(l Line) { lines = append(lines, l) })
	return lines, rest, err
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name      string
		text      string
		lines     int
		junk      int
		truncated bool
		err       string
	}{
		{name: "empty"},
		{name: "whole", text: startLine + doneLine, lines: 2},
		{name: "windows line ends", text: strings.ReplaceAll(startLine+doneLine, "\n", "\r\n"), lines: 2},
		{name: "last line cut", text: startLine + doneLine[:20], lines: 1, truncated: true},
		{name: "last line whole but for its end", text: startLine + strings.TrimSpace(doneLine), lines: 2},
		{name: "junk in between", text: startLine + "panic: no\n\n{\n[1]\n" + doneLine, lines: 2, junk: 3},
		{name: "JSON of somebody else", text: `{"level":"info","v":4}` + "\n" + doneLine, lines: 1, junk: 1},
		{name: "no content", text: `{"v":1,"t":3}` + "\n" + doneLine, lines: 1, junk: 1},
		{name: "two contents", text: `{"v":1,"t":3,"done":{"reason":"x"},"closed":{"id":1}}` + "\n", junk: 1},
		{name: "wrong type inside", text: `{"v":1,"t":3,"done":{"reason":1}}` + "\n", junk: 1},
		{name: "line too long", text: startLine + strings.Repeat("x", 3*MaxLine) + "\n" + doneLine, lines: 2, junk: 1},
		{name: "record too long", text: `{"v":1,"t":3,"done":{"reason":"` + strings.Repeat("x", MaxLine) + `"}}` + "\n" + doneLine, lines: 1, junk: 1},
		{name: "last line too long and cut", text: startLine + strings.Repeat("x", 2*MaxLine), lines: 1, truncated: true},
		{name: "later version", text: startLine + `{"v":2,"t":3,"fact":{}}` + "\n" + doneLine, lines: 1, err: "line 2 has schema version 2; this program reads version 1"},
		{name: "version zero", text: `{"v":0,"t":3,"done":{"reason":"x"}}` + "\n", err: "line 1 has schema version 0; this program reads version 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, rest, err := read(strings.NewReader(c.text))
			if c.err != "" {
				require.EqualError(t, err, c.err)
				var version *VersionError
				require.ErrorAs(t, err, &version)
			} else {
				require.NoError(t, err)
			}
			require.Len(t, lines, c.lines)
			require.Equal(t, Rest{c.junk, c.truncated}, rest)
		})
	}
}

func TestReadGivesWhatThereWas(t *testing.T) {
	broken := errors.New("stream broke off")
	lines, _, err := read(io.MultiReader(strings.NewReader(startLine+doneLine+`{"v":1`), failing{broken}))
	require.ErrorIs(t, err, broken)
	require.Len(t, lines, 2)
	require.NotNil(t, lines[0].Start)
	require.Equal(t, "complete", lines[1].Done.Reason)
	require.EqualValues(t, 7, lines[1].T)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadIsBounded(t *testing.T) {
	lines, _, err := read(strings.NewReader(strings.Repeat(startLine, MaxLog/len(startLine)+10)))
	require.ErrorIs(t, err, ErrTooLong)
	require.LessOrEqual(t, len(lines), MaxLog/len(startLine)+1)
	_, _, err = read(endless{}) // one line without end
	require.ErrorIs(t, err, ErrTooLong)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// Whatever a pod writes, Read returns records that can be written again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(startLine + doneLine))
	f.Add([]byte(startLine + doneLine[:10]))
	f.Add([]byte(`{"v":1,"t":5,"answer":{"id":1,"addrs":["10.0.0.1"],"ttl":30,"asked":1,"prev":-1}}`))
	f.Add([]byte(`{"v":2,"t":5}`))
	f.Add([]byte("{\"v\":1,\"t\":1e999}\n\x00\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, rest, _ := read(bytes.NewReader(text))
		if len(lines)+rest.Junk > bytes.Count(text, []byte("\n"))+1 {
			t.Fatalf("%d lines and %d junk of %d", len(lines), rest.Junk, bytes.Count(text, []byte("\n"))+1)
		}
		var again bytes.Buffer
		for _, l := range lines {
			if l.V != Version || l.kinds() != 1 {
				t.Fatalf("not a record: %+v", l)
			}
			b, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(b, '\n'))
		}
		second, _, err := read(&again)
		if err != nil || len(second) != len(lines) {
			t.Fatalf("read %d lines, then %d, %v", len(lines), len(second), err)
		}
	})
}
