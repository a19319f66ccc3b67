package e2e

// What the components of a cluster wrote down about a trial while it ran: the
// apiserver's audit log, containerd's log, CoreDNS' query log, and the packets
// that passed. It knows nothing of what the probes recorded, and is what the
// attribution is checked against. Only the lab keeps all of these logs.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// window is when something happened: not before From, and at To at the latest.
type window struct{ From, To time.Time }

// Known tells whether it happened at all.
func (s window) Known() bool { return !s.To.IsZero() }

// Off is how far t is from the span: zero inside it.
func (s window) Off(t time.Time) time.Duration {
	switch {
	case t.Before(s.From):
		return t.Sub(s.From)
	case t.After(s.To):
		return t.Sub(s.To)
	}
	return 0
}

// podAccount is what became of one pod of a Job.
type podAccount struct {
	Name, UID, Node, IP, Container string // Container is containerd's id of the probe's

	Created, Scheduled, Addressed, Started, Ready, InSlice window
}

// jobAccount is what became of one Job.
type jobAccount struct {
	Created window             // the request for the Job
	Pods    map[int]podAccount // by index; of several pods with one index the first
}

// auditEvent is what is read of one line of the audit log.
type auditEvent struct {
	Verb      string
	ObjectRef struct{ Resource, Subresource, Namespace, Name string }
	Received  time.Time          `json:"requestReceivedTimestamp"`
	Stage     time.Time          `json:"stageTimestamp"`
	Status    struct{ Code int } `json:"responseStatus"`
	Response  json.RawMessage    `json:"responseObject"`
}

// longestLine is far above an audit line, which holds one object twice.
const longestLine = 1 << 20

// readAudit reads the audit log's lines about one Job, and of what was done
// since a time: an earlier Job may have had the same name. The apiserver stamps a
// request when it comes and when it was answered; the change was made between.
// It logs a request when it was answered, which on a busy machine may be after
// one that follows from it; they came in order.
func readAudit(log io.Reader, namespace, job string, since time.Time) (*jobAccount, error) {
	var events []auditEvent
	sc := bufio.NewScanner(log)
	sc.Buffer(nil, longestLine)
	for sc.Scan() {
		var e auditEvent
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if e.ObjectRef.Namespace == namespace && e.Status.Code < 300 && !e.Stage.Before(since) {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b auditEvent) int { return a.Received.Compare(b.Received) })
	a := &jobAccount{Pods: map[int]podAccount{}}
	index := map[string]int{} // by pod name
	for _, e := range events {
		span := window{e.Received, e.Stage}
		switch what := e.ObjectRef.Resource + "/" + e.ObjectRef.Subresource; {
		case what == "jobs/" && e.Verb == "create" && e.ObjectRef.Name == job:
			a.Created = span
		case what == "pods/" && e.Verb == "create":
			var p corev1.Pod
			if err := json.Unmarshal(e.Response, &p); err != nil {
				return nil, fmt.Errorf("audit log: pod: %w", err)
			}
			i, err := strconv.Atoi(p.Annotations["batch.kubernetes.io/job-completion-index"])
			if _, have := a.Pods[i]; err != nil || have || p.Labels["job-name"] != job {
				continue
			}
			index[p.Name] = i
			a.Pods[i] = podAccount{Name: p.Name, UID: string(p.UID), Created: span}
		case what == "pods/binding":
			if i, ours := index[e.ObjectRef.Name]; ours {
				p := a.Pods[i]
				keepFirst(&p.Scheduled, span)
				a.Pods[i] = p
			}
		case what == "pods/status":
			i, ours := index[e.ObjectRef.Name]
			if !ours {
				continue
			}
			var p corev1.Pod
			if err := json.Unmarshal(e.Response, &p); err != nil {
				return nil, fmt.Errorf("audit log: pod status: %w", err)
			}
			a.Pods[i] = a.Pods[i].status(p, span)
		case strings.HasPrefix(what, "endpointslices/") && (e.Verb == "create" || e.Verb == "update"):
			var s discoveryv1.EndpointSlice
			if err := json.Unmarshal(e.Response, &s); err != nil {
				return nil, fmt.Errorf("audit log: endpointslice: %w", err)
			}
			a.slice(s, job, span)
		}
	}
	return a, sc.Err()
}

func keepFirst(s *window, at window) {
	if !s.Known() {
		*s = at
	}
}

func (p podAccount) status(api corev1.Pod, span window) podAccount {
	p.Node = api.Spec.NodeName
	if api.Status.PodIP != "" {
		p.IP = api.Status.PodIP
		keepFirst(&p.Addressed, span)
	}
	for _, c := range api.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			keepFirst(&p.Ready, span)
		}
	}
	for _, c := range api.Status.ContainerStatuses {
		if _, id, ok := strings.Cut(c.ContainerID, "://"); ok && p.Container == "" {
			p.Container = id
		}
	}
	return p
}

func (a *jobAccount) slice(s discoveryv1.EndpointSlice, job string, span window) {
	for _, e := range s.Endpoints {
		if e.Hostname == nil || e.Conditions.Ready == nil || !*e.Conditions.Ready {
			continue
		}
		i, err := strconv.Atoi(strings.TrimPrefix(*e.Hostname, job+"-"))
		p, have := a.Pods[i]
		// The name may be that of a predecessor with another address.
		if err != nil || !have || !slices.Contains(e.Addresses, p.IP) {
			continue
		}
		keepFirst(&p.InSlice, span)
		a.Pods[i] = p
	}
}

var startLine = regexp.MustCompile(`^time="([^"]+)" .*msg="StartContainer for \\"([0-9a-f]+)\\"( returns successfully)?"`)

// AddContainers reads when the pods' containers were started from a node's
// containerd log: between the request and its answer, which is given when the
// program has been exec'ed.
func (a *jobAccount) AddContainers(log io.Reader) error {
	spans := map[string]window{}
	sc := bufio.NewScanner(log)
	sc.Buffer(nil, longestLine)
	for sc.Scan() {
		m := startLine.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			return fmt.Errorf("containerd log: %w", err)
		}
		s := spans[m[2]]
		if m[3] == "" {
			s.From = at
		} else {
			s.To = at
		}
		spans[m[2]] = s
	}
	for i, p := range a.Pods {
		if s, ok := spans[p.Container]; ok && s.Known() {
			p.Started = s
			a.Pods[i] = p
		}
	}
	return sc.Err()
}

// dnsQuestion is one question as a CoreDNS answered it, with `log` in its
// Corefile.
type dnsQuestion struct {
	At                       time.Time // when the answer had been sent
	Asked                    time.Time // when the question passed; At where that was not seen
	Asker, Type, Name, Rcode string    // Asker is an address
	Port, ID                 uint16    // the asker's, and of the message
}

var questionLine = regexp.MustCompile(`^(\S+) \[INFO\] \[?([0-9a-f.:]+?)\]?:(\d+) - (\d+) "(\S+) IN (\S+) .*" (\S+) `)

// readQuestions reads a CoreDNS pod's log with the timestamps of `kubectl logs
// --timestamps`, which are the container runtime's.
func readQuestions(log io.Reader) ([]dnsQuestion, error) {
	var out []dnsQuestion
	sc := bufio.NewScanner(log)
	sc.Buffer(nil, longestLine)
	for sc.Scan() {
		m := questionLine.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			return nil, fmt.Errorf("coredns log: %w", err)
		}
		port, err := strconv.ParseUint(m[3], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("coredns log: port: %w", err)
		}
		id, err := strconv.ParseUint(m[4], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("coredns log: id: %w", err)
		}
		out = append(out, dnsQuestion{At: at, Asked: at, Asker: m[2], Type: m[5], Name: m[6], Rcode: m[7], Port: uint16(port), ID: uint16(id)})
	}
	return out, sc.Err()
}

// packet is a packet that begins or ends a TCP connection, or a DNS message over
// UDP, as capturePackets prints it.
type packet struct {
	At       time.Time `json:"at"`
	From, To string    // addresses
	Answer   bool      // SYN and ACK: the other side's consent; or what a DNS server said
	Close    bool      // FIN: who began the connection is done with it
	DNS      bool
	Port, ID uint16 // of a DNS message: the asker's, and its own
}

// latestLine is how long after its answer a server's log line may be stamped:
// far above what a starved container runtime was seen to need, and far below
// the time in which an asker comes back to a port and an id.
const latestLine = 5 * time.Second

// stampQuestions gives each question the times at which it and its answer passed first,
// where that was seen. The container runtime stamps a line when it comes to read
// it, the kernel a packet when it passes.
func stampQuestions(questions []dnsQuestion, packets []packet) {
	type message struct {
		asker    string
		port, id uint16
	}
	asked, answered := map[message][]time.Time{}, map[message][]time.Time{}
	for _, p := range packets {
		switch {
		case p.DNS && p.Answer:
			m := message{p.To, p.Port, p.ID}
			answered[m] = append(answered[m], p.At)
		case p.DNS:
			m := message{p.From, p.Port, p.ID}
			asked[m] = append(asked[m], p.At)
		}
	}
	for i := range questions {
		q := &questions[i]
		m, line := message{q.Asker, q.Port, q.ID}, q.At
		if at := earliestBefore(answered[m], line); !at.IsZero() {
			q.At = at
		}
		q.Asked = q.At
		if at := earliestBefore(asked[m], line); !at.IsZero() {
			q.Asked = at
		}
	}
}

// earliestBefore is the first of some times that are before a line, by less than
// latestLine; zero: none is.
func earliestBefore(at []time.Time, line time.Time) time.Time {
	var out time.Time
	for _, t := range at {
		if t.Before(line) && line.Sub(t) < latestLine && (out.IsZero() || t.Before(out)) {
			out = t
		}
	}
	return out
}

// readPackets reads what capture printed on a node. A packet passes several
// links of a node, each of which is a line.
func readPackets(log io.Reader) ([]packet, error) {
	var out []packet
	sc := bufio.NewScanner(log)
	for sc.Scan() {
		var p packet
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("packets: %w", err)
		}
		out = append(out, p)
	}
	return out, sc.Err()
}
