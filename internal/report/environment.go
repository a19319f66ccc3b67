package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
)

const (
	// mostShown bounds lists of what a cluster has many of.
	mostShown = 20
	// longestWarning is for a sentence of the preflight's, with what is to be
	// done at its end.
	longestWarning = 400
)

// environment fills in the form's fields about the cluster.
func (r *Report) environment(d *document) {
	e := r.env
	if e == nil {
		e = &environment.Environment{Warnings: []string{"environment.json was not written: the run ended before"}}
	}
	field := func(heading, language, text string) {
		d.text("### %s\n\n<details>\n\n", heading)
		d.block(rankEnvironment, language, text)
		d.text("</details>\n\n")
	}
	version := e.KubectlVersion
	if version == "" && e.Server.GitVersion != "" {
		version = "Server Version: " + e.Server.GitVersion
	}
	field("Kubernetes version", "console", "$ kubectl version\n"+orUnknown(version))
	field("Cloud provider", "", orUnknown(e.Cloud))
	field("OS version", "", orUnknown(strings.Join(nodes(e, func(n environment.Node) string {
		return fmt.Sprintf("%s, kernel %s, %s", n.OS, n.Kernel, n.Arch)
	}), "\n")))
	field("Install tools", "", orUnknown(e.Distribution))
	field("Container runtime (CRI) and version (if applicable)", "", orUnknown(strings.Join(nodes(e, func(n environment.Node) string { return n.Runtime }), "\n")))
	field("Related plugins (CNI, CSI, ...) and versions (if applicable)", "", fmt.Sprintf("CNI: %s\nkube-proxy mode: %s\nDNS: %s\nDNS images: %s",
		orUnknown(strings.Join(bounded(e.CNI), ", ")), orUnknown(e.KubeProxy), orUnknown(e.DNS.Provider), orUnknown(strings.Join(bounded(e.DNS.Images), ", "))))
}

func orUnknown(s string) string {
	if s == "" {
		return environment.Unknown
	}
	return s
}

// bounded is the list up to a length, with how many more there are.
func bounded(list []string) []string {
	if len(list) <= mostShown {
		return list
	}
	return append(slices.Clone(list[:mostShown]), fmt.Sprintf("%d more", len(list)-mostShown))
}

// nodes says of how many nodes a text holds, in the order of the first.
func nodes(e *environment.Environment, text func(environment.Node) string) []string {
	var kinds []string
	n := map[string]int{}
	for _, node := range e.Nodes {
		t := text(node)
		if n[t] == 0 {
			kinds = append(kinds, t)
		}
		n[t]++
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%s: %s", some(n[k], "node"), k)
	}
	if e.NodeCount > len(e.Nodes) {
		kinds = append(kinds, fmt.Sprintf("%s in all", some(e.NodeCount, "node")))
	}
	return kinds
}

// facts are the environment in short.
func (r *Report) facts() []string {
	e := r.env
	if e == nil {
		return []string{"not known: the run ended before it was written"}
	}
	var out []string
	fact := func(name, value string) {
		if value == "" || value == environment.Unknown {
			value = "not known"
		} else {
			value = code(value)
		}
		out = append(out, name+": "+value)
	}
	fact("Kubernetes", e.Server.GitVersion)
	for _, n := range bounded(nodes(e, func(n environment.Node) string {
		text := fmt.Sprintf("kubelet %s, %s, kernel %s, %s, %s", n.Kubelet, n.OS, n.Kernel, n.Arch, n.Runtime)
		if !n.Ready {
			text += ", not Ready"
		}
		return text
	})) {
		fact("Nodes", n)
	}
	fact("kube-proxy mode", e.KubeProxy)
	fact("CNI", strings.Join(bounded(e.CNI), ", "))
	out = append(out, r.dnsFacts()...)
	fact("Distribution", e.Distribution)
	fact("Cloud", e.Cloud)
	if e.Program != nil {
		text := "Measured by: " + code(e.Program.String())
		if e.Delivery != nil {
			text += "; its probe: " + code(e.Delivery.String())
			if longest := r.prompt(); longest > 0 {
				text += ", first questions at most " + seconds(longest) + " after the creation of their container's process"
			}
		}
		out = append(out, text)
	}
	if !e.Collected.IsZero() {
		out = append(out, "Read at: "+e.Collected.UTC().Format(time.RFC3339))
	}
	return append(out, r.untold()...)
}

// prompt is the longest time from the creation of a container's process to its
// first question, in the trials that count; 0: not known.
func (r *Report) prompt() (longest time.Duration) {
	for _, t := range r.of(func(plan.Arm) bool { return true }) {
		longest = max(longest, t.v.FirstQueryDelay)
	}
	return longest
}

// dnsFacts are what is known of the DNS that pods used.
func (r *Report) dnsFacts() []string {
	e := r.env
	if e == nil {
		return []string{"not known: the run ended before environment.json was written"}
	}
	var out []string
	fact := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	fact("Cluster's DNS: %s; replicas: %d ready, %d not ready", code(orUnknown(e.DNS.Provider)), len(e.DNS.Replicas), len(e.DNS.NotReady))
	local := "no sign of it"
	if e.DNS.NodeLocal {
		local = "yes"
	}
	fact("NodeLocal DNSCache on the cluster: %s", local)
	for _, dns := range append(slices.Clone(plan.AllDNS), others(e.Caching)...) {
		if f, ok := e.Caching[dns]; ok {
			fact("Caching as a pod saw it, dns %s: %s", code(string(dns)), code(f.String()))
		}
	}
	fact("Wildcard answers: unknown, not looked for")
	for _, s := range bounded(e.DNS.Evidence) {
		fact("Evidence: %s", code(s))
	}
	for _, s := range kernels(e.Pods) {
		fact("Seen in a pod: %s", s)
	}
	for _, s := range e.Notes {
		fact("Done otherwise than planned: %s", code(s))
	}
	for _, s := range bounded(beforehand(e, environment.Warning)) {
		fact("Warned of before it began: %s", prose(cut(s, longestWarning)))
	}
	for _, w := range e.Warnings {
		fact("Not read: %s", code(w))
	}
	return out
}

// untold are what the preflight could not tell.
func (r *Report) untold() []string {
	var out []string
	if r.env == nil {
		return out
	}
	for _, s := range bounded(beforehand(r.env, environment.Untold)) {
		out = append(out, "Not known before it began: "+prose(cut(s, longestWarning)))
	}
	return out
}

// beforehand are the preflight's sentences of one kind. What changed the plan
// is among the notes.
func beforehand(e *environment.Environment, state environment.State) []string {
	var out []string
	for _, c := range e.Preflight {
		if c.State == state {
			out = append(out, c.Of+": "+c.Text)
		}
	}
	return out
}

// kernels describes what pods saw of the machines under them, equal ones once.
func kernels(pods []environment.Pod) []string {
	var out []string
	for _, p := range pods {
		setting := func(v *int) string {
			if v == nil {
				return "not there"
			}
			return fmt.Sprint(*v)
		}
		text := fmt.Sprintf("kernel %s, tcp_syn_retries %s, tcp_syn_linear_timeouts %s", code(p.Kernel), setting(p.SynRetries), setting(p.SynLinearRetries))
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// resolvConfs returns the different texts.
func resolvConfs(pods []environment.Pod) []string {
	var out []string
	for _, p := range pods {
		if t := strings.TrimSpace(p.Resolv.Text); t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// others returns configurations that this version does not know, sorted.
func others[T any](of map[plan.DNS]T) []plan.DNS {
	var out []plan.DNS
	for dns := range of {
		if !slices.Contains(plan.AllDNS, dns) {
			out = append(out, dns)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), mostShown)]
}

// heading names a configuration in a fold's summary, which is HTML.
func heading(dns plan.DNS) string { return prose(cut(string(dns), longestName)) }
