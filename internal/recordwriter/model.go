// Package recordwriter is a DNS server whose address records a controller writes
// from the EndpointSlices of headless Services, as some clouds' DNS does. In come
// events of Services and EndpointSlices, and questions; out go answers, and a log
// of every change and question. It caches nothing and knows nothing of trials.
package recordwriter

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// knobs are what distinguishes one record writer from another.
type knobs struct {
	// publishEmpty has a set of endpoints that has become empty written as any
	// other; else it is skipped: what was written last stays.
	publishEmpty bool
	// pause is from an event to when the set is read, spread by how much it may
	// be longer or shorter. Further events during the pause change nothing.
	pause, spread time.Duration
	// write is from when the set was read to when what changed is answered.
	write time.Duration
	// orphans is for how long the records of a deleted Service are kept.
	orphans time.Duration
}

// Entry is one line of the log. What is a change of the records: written, withdrawn,
// collected (an orphan); why there was none: skipped (the set was empty), forgotten
// (the Service was deleted: its records are orphans); or question, or problem.
type Entry struct {
	At      int64        `json:"at"` // Unix ns
	What    string       `json:"what"`
	Name    string       `json:"name,omitempty"` // of a question: in full; else below the namespace
	Addrs   []netip.Addr `json:"addrs,omitempty"`
	Service string       `json:"service,omitempty"` // UID
	Client  string       `json:"client,omitempty"`  // who asked: address and port
	Type    string       `json:"type,omitempty"`    // of record, as asked for
	Answer  string       `json:"answer,omitempty"`  // NODATA, NXDOMAIN, REFUSED, or NOERROR and the addresses
	Err     string       `json:"err,omitempty"`
}

// model decides which records there are. It has no clock: each call is told the
// time. A Service is an object, known by its UID; one that is created later under
// the same name is another.
type model struct {
	knobs    knobs
	draw     func() float64 // from 0 to 1
	services map[string]*service
	records  map[string]record    // by hostname.service
	writes   []Entry              // under way, in order; At is from when they are answered
	deleted  map[string]time.Time // Services whose records may still be there
}

// service is what is known of one Service object.
type service struct {
	name   string                             // empty: only EndpointSlices are known so far
	slices map[string]map[string][]netip.Addr // addresses by hostname, by EndpointSlice
	wrote  map[string][]netip.Addr            // by hostname.service
	read   time.Time                          // when the set is due; zero: not
}

// record is what is answered for a name.
type record struct {
	addrs []netip.Addr
	by    string // UID of the Service that wrote it last
}

func newModel(k knobs, draw func() float64) *model {
	return &model{knobs: k, draw: draw,
		services: map[string]*service{}, records: map[string]record{}, deleted: map[string]time.Time{}}
}

// service says that a Service exists, or that it is gone. Then what it wrote is
// forgotten, not withdrawn, and a set that is due is not read.
func (m *model) service(now time.Time, o object, gone bool) []Entry {
	uid := o.Metadata.UID
	s := m.of(uid)
	if gone {
		delete(m.services, uid)
		m.deleted[uid] = now
		return []Entry{{What: "forgotten", Name: s.name, Service: uid}}
	}
	if s.name == "" {
		s.name = o.Metadata.Name
		m.event(now, s)
	}
	return nil
}

// slice says which endpoints an EndpointSlice has, or that it is gone.
func (m *model) slice(now time.Time, o object, gone bool) []Entry {
	if _, forgotten := m.deleted[o.owner()]; forgotten {
		return nil
	}
	s := m.of(o.owner())
	s.slices[o.Metadata.UID] = o.ready()
	if gone {
		delete(s.slices, o.Metadata.UID)
	}
	m.event(now, s)
	return nil
}

func (m *model) of(uid string) *service {
	if m.services[uid] == nil {
		m.services[uid] = &service{slices: map[string]map[string][]netip.Addr{}}
	}
	return m.services[uid]
}

// event has the set of a Service read after the pause.
func (m *model) event(now time.Time, s *service) {
	if s.name != "" && s.read.IsZero() {
		s.read = now.Add(m.knobs.pause + time.Duration((2*m.draw()-1)*float64(m.knobs.spread)))
	}
}

// advance does what is due and returns what has changed.
func (m *model) advance(now time.Time) (log []Entry) {
	for uid, s := range m.services {
		if !s.read.IsZero() && !s.read.After(now) {
			log = append(log, m.read(uid, s)...)
		}
	}
	for len(m.writes) > 0 && m.writes[0].At <= now.UnixNano() {
		e := m.writes[0]
		m.writes = m.writes[1:]
		delete(m.records, e.Name)
		if e.What == "written" {
			m.records[e.Name] = record{e.Addrs, e.Service}
		}
		log = append(log, e)
	}
	for uid, since := range m.deleted {
		if now.Sub(since) < m.knobs.orphans {
			continue
		}
		delete(m.deleted, uid)
		for _, name := range slices.Sorted(maps.Keys(m.records)) {
			if m.records[name].by == uid {
				delete(m.records, name)
				log = append(log, Entry{What: "collected", Name: name, Service: uid})
			}
		}
	}
	return log
}

// read compares a Service's set of endpoints with what that Service object has
// written and sends off the difference, name by name. A name that another object
// wrote is overwritten.
func (m *model) read(uid string, s *service) []Entry {
	at := s.read.Add(m.knobs.write).UnixNano()
	s.read = time.Time{}
	set := map[string][]netip.Addr{}
	for _, endpoints := range s.slices {
		for host, addrs := range endpoints {
			set[host+"."+s.name] = append(set[host+"."+s.name], addrs...)
		}
	}
	if len(set) == 0 && len(s.wrote) > 0 && !m.knobs.publishEmpty {
		return []Entry{{What: "skipped", Name: s.name, Service: uid}}
	}
	for _, name := range slices.Sorted(maps.Keys(s.wrote)) {
		if set[name] == nil {
			m.writes = append(m.writes, Entry{At: at, What: "withdrawn", Name: name, Service: uid})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		slices.SortFunc(set[name], netip.Addr.Compare)
		if !slices.Equal(set[name], s.wrote[name]) {
			m.writes = append(m.writes, Entry{At: at, What: "written", Name: name, Addrs: set[name], Service: uid})
		}
	}
	s.wrote = set
	return nil
}
