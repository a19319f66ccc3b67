package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// seconds shows a time: ">" where it is a lower bound.
func seconds(t stats.Time) string {
	format := "%.1f s"
	if t.At < 0.095 {
		format = "%.2f s"
	}
	text := fmt.Sprintf(format, t.At)
	if t.Censored {
		return ">" + text
	}
	return text
}

// label is how tables call a DNS.
func label(d plan.DNS) string { return plain(analysis.Label(d)) }

// cell shows a cell of the table: "29.9 s 3/3 late". Where its trials fall into
// groups each has its own time.
func cell(c *analysis.Cell) string {
	if c == nil {
		return "-"
	}
	if c.Trials == 0 {
		return "invalid"
	}
	var late, others []string
	for _, g := range c.Groups {
		text := spread(g)
		switch {
		case !g.Late:
			others = append(others, text)
		case len(c.Groups) > 1 && c.Late != g.Trials:
			late = append(late, fmt.Sprintf("%s %d/%d", text, g.Trials, c.Trials))
		default:
			late = append(late, text)
		}
	}
	count := fmt.Sprintf("%d/%d late", c.Late, c.Trials)
	var text string
	switch {
	case len(late) == 0:
		text = strings.Join(append(others, count), " ")
	case len(late) > 1:
		text = strings.Join(late, ", ") + " late"
	default:
		text = late[0] + " " + count
	}
	if len(late) > 0 && len(others) > 0 {
		text += ", else " + others[0]
	}
	if c.Unknown > 0 {
		text += fmt.Sprintf(", %d unknown", c.Unknown)
	}
	return text
}

// spread is a group's median, or its range where one number would describe two
// kinds of times.
func spread(g analysis.Group) string {
	if g.Late && g.Most.At > 1.5*g.Least.At {
		return fmt.Sprintf("%.1f-%s", g.Least.At, seconds(g.Most))
	}
	return seconds(g.Median)
}

// rows are the table: scenarios by DNS, at most so many of each, and how many
// of each are left out.
func rows(t analysis.Table, maxRows, maxColumns int) (out [][]string, leftRows, leftColumns int) {
	columns := min(len(t.DNS), maxColumns)
	head := []string{""}
	for _, d := range t.DNS[:columns] {
		head = append(head, label(d))
	}
	out = append(out, head)
	for i, s := range t.Rows {
		if !slices.ContainsFunc(t.Cell[i][:columns], func(c *analysis.Cell) bool { return c != nil }) {
			leftRows++
			continue
		}
		if len(out) > maxRows {
			leftRows++
			continue
		}
		row := []string{plain(s.String())}
		for _, c := range t.Cell[i][:columns] {
			row = append(row, cell(c))
		}
		out = append(out, row)
	}
	return out, leftRows, len(t.DNS) - columns
}

// first is the table that comes first, and what is said below it of trials whose
// previous Job ran, a line a DNS. Where there are no others they are the table.
func (r *Report) first() (analysis.Table, []string) {
	t := r.analysis.Table()
	usual, ran := t.AfterRan()
	if len(usual.Rows) == 0 {
		return t, nil
	}
	var lines []string
	for k, d := range ran.DNS {
		var parts []string
		for i, s := range ran.Rows {
			if c := ran.Cell[i][k]; c != nil {
				parts = append(parts, s.With+" "+cell(c))
			}
		}
		lines = append(lines, fmt.Sprintf("%s (%s), after a Job that ran: %s",
			label(d), plain(d.Facts().Title), strings.Join(parts, "; ")))
	}
	return usual, lines
}

// causes lists what held late trials.
func causes(list []analysis.CauseCount) string {
	var out []string
	for _, c := range list {
		name := string(c.Cause)
		if name == "" {
			name = "not known"
		}
		out = append(out, fmt.Sprintf("%s (%d)", name, c.Trials))
	}
	return strings.Join(out, ", ")
}

// sentence is the verdict in one sentence.
func sentence(v analysis.Verdict) string {
	subject := "This cluster's DNS"
	if v.Subject != plan.ClusterDNS {
		subject = "This cluster's own DNS was not asked. DNS " + label(v.Subject)
	}
	var seen, unseen []string
	for _, c := range v.Controls {
		text := fmt.Sprintf("%s (%d/%d late)", label(c.DNS), c.Late, c.Trials)
		switch {
		case c.Late > 0:
			seen = append(seen, text)
		case c.Trials > 0:
			unseen = append(unseen, text)
		}
	}
	switch v.Result {
	case analysis.Affected:
		text := fmt.Sprintf("%s is affected: in %d of %d trials a pod waited longer than 1 s for a peer that was there, "+
			"at most %s: %s.", subject, v.Late, v.Trials, seconds(v.Slowest), causes(v.Causes))
		if len(unseen) > 0 {
			text += " Not affected: " + unseen[0] + "."
		}
		return text
	case analysis.NotAffected:
		text := fmt.Sprintf("%s is not affected: in %d trials no pod waited longer than 1 s for a peer that was there, "+
			"at most %s.", subject, v.Trials-v.Unknown, seconds(v.Slowest))
		if v.Unknown > 0 {
			text += fmt.Sprintf(" In %d more it is not known.", v.Unknown)
		}
		if len(seen) == 0 {
			return text + " No positive control was seen: that this test can see a delay here is not shown."
		}
		return text + " The positive control was seen: " + strings.Join(seen, ", ") + "."
	}
	return "Nothing is known: no trial counts."
}

// whyOf says in one line what a cause is.
var whyOf = map[analysis.Cause]string{
	analysis.KeptDenial:  `a pod asks before its peer's record is there; a cache keeps the denial`,
	analysis.Denial:      `a pod is told "does not exist" although its peer is there; whether kept cannot be told here`,
	analysis.KeptAddress: "a cache answers a deleted pod's address until its TTL ends; connects meet silence",
	analysis.OldRecord:   "the DNS answers a deleted pod's address, its TTL begun anew: the record is not withdrawn",
	analysis.OldAddress:  "the DNS answers a deleted pod's address; whether from a cache cannot be told here",
	analysis.LatePublish: "a pod was Ready, and its record came to the DNS servers that much later",
	analysis.LateReady:   "a pod's process ran, and it was reported Ready that much later",
	analysis.Lost:        "questions to the DNS got no answer",
	analysis.LateAnswer:  "the right answer itself took that long to come",
	analysis.LateClient:  "the client itself asked late, or paused before it asked again",
	analysis.Connecting:  "the answer was right, and the connect took that long",
}

// advice is why the subject is late and what to change, by its most frequent
// cause: lines for people, the commands among them as they are typed.
func (r *Report) advice(v analysis.Verdict) (why string, change []string) {
	if len(v.Causes) == 0 {
		if v.PodStart > slowStart {
			const text = "pods took up to %.1f s from the request until they were there, which is no lag of the DNS"
			why = fmt.Sprintf(text, v.PodStart)
		}
		return why, []string{}
	}
	most := v.Causes[0].Cause
	dns := r.env.DNS
	domain := plain(cmp.Or(dns.Domain, "cluster.local"))
	namespace, _, found := strings.Cut(dns.Service, "/")
	if !found {
		namespace = "kube-system"
	}
	// What the cache of a CoreDNS lacks that keeps denials or addresses.
	twoLines := []string{
		"in the cache of the block that serves " + domain + ":", "  disable success " + domain, "  disable denial " + domain,
	}
	switch {
	case kept(most) && v.Subject != plan.ClusterDNS:
		change = twoLines
	case kept(most) && (dns.NodeLocal || dns.Provider == environment.CoreDNS):
		change = append([]string{edit(dns)}, twoLines...)
	case kept(most):
		change = []string{"not known to be a setting of this DNS; clients: connect timeouts of 1 s, names never used before"}
	case most == analysis.OldRecord:
		change = []string{
			"one pod that stays behind the headless Service, as manifests/kinds/extras/member-pod.yaml;",
			"names never used before (another Job name); a connect timeout of 1 s in the client",
		}
	case most == analysis.LatePublish || most == analysis.LateReady:
		change = []string{"kubectl get endpointslices -w -o yaml   # beside a Job that starts: is the slice late, or DNS?"}
	case most == analysis.Lost:
		change = []string{"kubectl -n " + plain(namespace) +
			" logs -l k8s-app=kube-dns --prefix   # and its load, replicas and network policies"}
	default:
		change = []string{"the client's own intervals"}
	}
	return whyOf[most], change
}

// kept tells a cache's causes, and those that may be.
func kept(c analysis.Cause) bool {
	return c == analysis.KeptDenial || c == analysis.Denial || c == analysis.KeptAddress || c == analysis.OldAddress
}

// edit is the command that edits the ConfigMaps which the DNS' pods mount. They
// are all in the namespace of the first: that of the DNS.
func edit(d environment.DNS) string {
	if len(d.ConfigMaps) == 0 {
		return "the ConfigMap that the pods behind " + plain(cmp.Or(d.Service, "the DNS' Service")) + " mount,"
	}
	namespace, _, _ := strings.Cut(d.ConfigMaps[0], "/")
	text := "kubectl -n " + plain(namespace) + " edit configmap"
	for _, m := range d.ConfigMaps {
		if name, ok := strings.CutPrefix(m, namespace+"/"); ok {
			text += " " + plain(name)
		}
	}
	return text
}

// slowStart is from when on a pod's start is named: pulling an image or waiting
// for a node takes longer, and users take it for this lag.
const slowStart = 10.0
