package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"headless-job-dns/internal/record"
)

const (
	// maxRuns is how many runs one stream may open at one server. A trial
	// needs a handful; the rest is for servers that make answers up.
	maxRuns = 64
	// maxBytes is what all runs together may write: 1 MB a pod less Start,
	// Check and Done. closedBytes is set aside for the end of each run.
	maxBytes    = 900_000
	closedBytes = 256
	// patience is after how many other answers of its stream a run is taken
	// to be over, so that the same answer opens a new run. Two replicas that
	// disagree alternate at random: with 16 they are cut by chance once in
	// 65,536 questions, and a lasting change back and forth is still seen.
	patience = 16
)

// journal writes the log. Answers and dials are run-length encoded on the way.
type journal struct {
	now    func() int64
	failed func(error) // called when the log cannot be written

	mu      sync.Mutex
	out     io.Writer
	buf     bytes.Buffer // not yet written; all there is before begin
	begun   bool
	ids     int
	bytes   int // written by runs, or set aside for them
	dropped int // answers and dials that maxBytes left no room for
	series  map[seriesKey]*series
}

// seriesKey names what belongs together: the answers of one server to one
// stream, or the outcomes of connects to one peer's address.
type seriesKey struct {
	peer                  int
	view                  record.View // empty: connects
	typ, suffix, endpoint string
}

// series holds a stream's runs that are not over, by answer.
type series struct {
	open   map[string]*openRun
	opened int
}

type openRun struct {
	record.Closed
	others int // answers in between, since the last one of this run
}

// sample is one answer or outcome, as far as its run is concerned.
type sample struct {
	t, asked    int64
	ttl, soaTTL *uint32
}

func newJournal(out io.Writer, now func() int64, failed func(error)) *journal {
	return &journal{out: out, now: now, failed: failed, series: map[seriesKey]*series{}}
}

// begin writes the Start line and, after it, all that had come before it.
func (j *journal) begin(start *record.Start) {
	j.mu.Lock()
	defer j.mu.Unlock()
	early := bytes.Clone(j.buf.Bytes())
	j.buf.Reset()
	j.put(record.Line{Start: start})
	j.buf.Write(early)
	j.begun = true
	j.flush()
}

// line writes one line that belongs to no run.
func (j *journal) line(l record.Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l.T = j.now()
	j.put(l)
	j.flush()
}

// done ends all runs and writes the last line.
func (j *journal) done(d *record.Done) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var rest []*openRun
	for _, s := range j.series {
		for _, r := range s.open {
			rest = append(rest, r)
		}
	}
	clear(j.series)
	slices.SortFunc(rest, func(a, b *openRun) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range rest {
		j.close(r)
	}
	if j.dropped > 0 && d.Err == "" {
		d.Err = fmt.Sprintf("log full: %d answers and connects left out", j.dropped)
	}
	j.put(record.Line{T: j.now(), Done: d})
	j.flush()
}

// answer adds one answer to its run.
func (j *journal) answer(t int64, a record.Answer) {
	key := seriesKey{a.Peer, a.View, a.Type, a.Suffix, a.Server}
	same := fmt.Sprint(a.Class, a.Rcode, a.Addrs, a.Err)
	s := sample{t, a.Asked, a.TTL, a.SOATTL}
	j.add(key, same, s, func(id int, full bool) record.Line {
		a.ID = id
		if full {
			a.Class, a.Rcode, a.Addrs, a.TTL, a.SOATTL = record.Error, "", nil, nil, nil
			a.Err = fmt.Sprintf("more than %d different answers", maxRuns)
		}
		return record.Line{T: t, Answer: &a}
	})
}

// dial adds one connect to its run.
func (j *journal) dial(t int64, d record.Dial) {
	key := seriesKey{peer: d.Peer, endpoint: d.Addr}
	same := fmt.Sprint(d.Outcome, d.Err)
	if w := d.Who; w != nil {
		same = fmt.Sprint(same, w.Run, w.Trial, w.Job, w.Pod, w.UID, w.Index)
	}
	s := sample{t: t, asked: d.Asked}
	j.add(key, same, s, func(id int, full bool) record.Line {
		d.ID = id
		if full {
			d.Outcome, d.Who, d.WhoAt = record.DialError, nil, 0
			d.Err = fmt.Sprintf("more than %d different outcomes", maxRuns)
		}
		return record.Line{T: t, Dial: &d}
	})
}

// add counts a sample into the run of the same answer, opening it where there
// is none. Runs of one series overlap while their answers alternate.
func (j *journal) add(key seriesKey, same string, s sample, open func(id int, full bool) record.Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.flush()
	of := j.series[key]
	if of == nil {
		of = &series{open: map[string]*openRun{}}
		j.series[key] = of
	}
	r := of.open[same]
	full := r == nil && of.opened >= maxRuns
	if full {
		same = "" // all further answers share one run
		r = of.open[same]
	}
	if r == nil {
		if j.bytes >= maxBytes {
			j.dropped++
			return
		}
		j.ids++
		r = &openRun{Closed: record.Closed{ID: j.ids, MinRTT: s.t - s.asked}}
		of.open[same] = r
		of.opened++
		j.bytes += j.put(open(j.ids, full)) + closedBytes
	}
	r.count(s)
	for k, other := range of.open {
		if other == r || k == "" {
			continue
		}
		if other.others++; other.others >= patience {
			j.close(other)
			delete(of.open, k)
		}
	}
}

// count extends the run by one sample.
func (r *openRun) count(s sample) {
	r.others = 0
	r.Count++
	r.Last, r.Until, r.TTL, r.SOATTL = s.t, s.asked, s.ttl, s.soaTTL
	r.MaxRTT, r.MinRTT = max(r.MaxRTT, s.t-s.asked), min(r.MinRTT, s.t-s.asked)
	ttl := s.soaTTL
	if ttl == nil {
		ttl = s.ttl
	}
	switch {
	case ttl == nil:
	case r.TopTTL == nil || *ttl > *r.TopTTL:
		r.TopTTL, r.AtTop = ttl, 1
	case *ttl == *r.TopTTL:
		r.AtTop++
	}
}

func (j *journal) close(r *openRun) {
	j.put(record.Line{T: j.now(), Closed: &r.Closed})
}

// put encodes a line into the buffer and returns its length.
func (j *journal) put(l record.Line) int {
	l.V = record.Version
	line, err := json.Marshal(l)
	if err != nil {
		j.failed(fmt.Errorf("encode a record: %w", err))
		return 0
	}
	j.buf.Write(line)
	j.buf.WriteByte('\n')
	return len(line) + 1
}

// flush writes what is buffered, once the log has begun. Nothing is held back
// after that: a pod that is killed leaves all it saw.
func (j *journal) flush() {
	if !j.begun || j.buf.Len() == 0 {
		return
	}
	if _, err := j.out.Write(j.buf.Bytes()); err != nil {
		j.failed(fmt.Errorf("write the log: %w", err))
	}
	j.buf.Reset()
}
