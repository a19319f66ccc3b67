package judge

import (
	"time"

	"headless-job-dns/internal/result"
)

// Stages are the moments of one pod's life, each since the Job's creation was
// asked for. Those that a watch reported are times of receipt; the process'
// start and what follows from questions and connects are the pods' own times,
// put on the runner's axis with the uncertainty in Clock.
type Stages struct {
	Index int
	Name  string
	Node  string

	Created   Outcome
	Scheduled Outcome
	Addressed Outcome // the API reported its address
	Process   Outcome // the first instruction of its probe
	Running   Outcome // the API reported its container running
	Ready     Outcome
	InSlice   Outcome // an EndpointSlice held its address and hostname, ready
	// The first and the last of the DNS replicas, of the other pods' clients,
	// and of the other pods' connects. One asker that did not get there by its
	// deadline leaves the last one censored.
	OnServer  Span
	Client    Span
	Connected Span
}

// Span is the first and the last of the same event.
type Span struct{ First, Last Outcome }

func (j *judgement) stages() []Stages {
	type views struct {
		byServer          map[string][]Outcome
		servers           []string
		client, connected []Outcome
	}
	seen := make([]views, len(j.logs))
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		if p.Self {
			continue
		}
		s := &seen[p.Asked]
		s.client = append(s.client, p.Resolved.Since)
		s.connected = append(s.connected, p.Reached.Since)
		for _, r := range p.Servers {
			if s.byServer == nil {
				s.byServer = map[string][]Outcome{}
			}
			if s.byServer[r.Server] == nil {
				s.servers = append(s.servers, r.Server)
			}
			s.byServer[r.Server] = append(s.byServer[r.Server], r.Seen.Since)
		}
	}
	out := make([]Stages, len(j.logs))
	for i, l := range j.logs {
		e := j.events[i]
		receipt := func(what result.What) Outcome {
			t, ok := e.at[what]
			if !ok {
				return lost("not seen by the watch")
			}
			return Outcome{Value: time.Duration(t), Lo: time.Duration(t)}
		}
		st := Stages{
			Index: i, Name: l.pod.Name, Node: l.pod.Node,
			Created: receipt(result.Created), Scheduled: receipt(result.Scheduled), Addressed: receipt(result.Addressed),
			Running: receipt(result.Started), Ready: receipt(result.Ready),
			InSlice: lost("not seen by the watch"), Process: lost(l.problem),
		}
		if e.hasInSlice {
			st.InSlice = Outcome{Value: time.Duration(e.inSlice), Lo: time.Duration(e.inSlice)}
		}
		if m := j.own(l, 0); m.ok {
			st.Process = Outcome{Value: time.Duration(m.mid), Lo: time.Duration(m.mid), Clock: m.error()}
		} else if l.start != nil {
			st.Process = lost("its clock is not tied to the runner's")
		}
		v := seen[i]
		var server []Outcome
		for _, name := range v.servers {
			server = append(server, earliest(v.byServer[name]))
		}
		st.OnServer, st.Client, st.Connected = span(server), span(v.client), span(v.connected)
		out[i] = st
	}
	return out
}

func span(all []Outcome) Span {
	if len(all) == 0 {
		return Span{lost(NotAsked), lost(NotAsked)}
	}
	return Span{earliest(all), latest(all)}
}
