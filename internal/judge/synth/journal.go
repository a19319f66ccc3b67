package synth

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// patience is after how many other answers of its stream a run is over, as in
// the probe's own journal.
const patience = 16

// journal run-length encodes what one probe saw, as the probe does.
type journal struct {
	t     *Trial
	pod   int
	each  bool // every answer is a run of its own
	open  map[series]map[same]*run
	other map[*run]int // answers of its series since the run's last
}

// series is a stream of answers of one server, or of connects to one address.
type series struct {
	peer                       int
	view                       record.View
	typ, suffix, server, dials string
}

// same is what the answers of one run have in common.
type same struct {
	outcome, addr string
	run           int // where every answer is its own
}

type run struct {
	record.Closed
}

func newJournal(t *Trial, pod int, each bool) *journal {
	return &journal{t: t, pod: pod, each: each, open: map[series]map[same]*run{}, other: map[*run]int{}}
}

func (j *journal) answer(at time.Duration, a record.Answer) {
	ttl := a.SOATTL
	if ttl == nil {
		ttl = a.TTL
	}
	first := ""
	if len(a.Addrs) > 0 {
		first = a.Addrs[0]
	}
	of := series{peer: a.Peer, view: a.View, typ: a.Type, suffix: a.Suffix, server: a.Server}
	j.add(at, of, same{outcome: string(a.Class), addr: first}, a.Asked, ttl, a.Class == record.Address,
		func(id int) record.Line {
			a.ID = id
			return record.Line{Answer: &a}
		})
}

func (j *journal) dial(at time.Duration, d record.Dial) {
	j.add(at, series{peer: d.Peer, dials: d.Addr}, same{outcome: string(d.Outcome)}, d.Asked, nil, false,
		func(id int) record.Line {
			d.ID = id
			return record.Line{Dial: &d}
		})
}

func (j *journal) add(at time.Duration, key series, like same, asked int64, ttl *uint32, address bool,
	line func(id int) record.Line) {
	of := j.open[key]
	if of == nil {
		of = map[same]*run{}
		j.open[key] = of
	}
	if j.each {
		like.run = j.t.id[j.pod] + 1
	}
	r := of[like]
	took := int64(at) - asked
	if r == nil {
		j.t.id[j.pod]++
		r = &run{record.Closed{ID: j.t.id[j.pod], MinRTT: took}}
		of[like] = r
		j.t.line(j.pod, at, line(r.ID))
	}
	r.Count++
	r.Last, r.Until = int64(at), asked
	r.MinRTT, r.MaxRTT = min(r.MinRTT, took), max(r.MaxRTT, took)
	r.TTL, r.SOATTL = nil, ttl
	if address {
		r.TTL, r.SOATTL = ttl, nil
	}
	switch {
	case ttl == nil:
	case r.TopTTL == nil || *ttl > *r.TopTTL:
		r.TopTTL, r.AtTop = ttl, 1
	case *ttl == *r.TopTTL:
		r.AtTop++
	}
	j.other[r] = 0
	for k, o := range of {
		if o == r {
			continue
		}
		if j.other[o]++; j.other[o] >= patience {
			j.t.line(j.pod, at, record.Line{Closed: &o.Closed})
			delete(of, k)
		}
	}
}

// close ends all runs.
func (j *journal) close(at time.Duration) {
	var rest []*run
	for _, of := range j.open {
		rest = slices.AppendSeq(rest, maps.Values(of))
	}
	slices.SortFunc(rest, func(a, b *run) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range rest {
		j.t.line(j.pod, at, record.Line{Closed: &r.Closed})
	}
	clear(j.open)
}
