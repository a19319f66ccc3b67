package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
)

// environment describes the cluster as far as it was read.
func (r *Report) environment(b *strings.Builder) {
	b.WriteString("## Environment\n\n")
	e := r.env
	if e == nil {
		b.WriteString("environment.json was not written: the run ended before.\n\n")
		return
	}
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "- %s: %s\n", name, value)
		}
	}
	text := func(name, value string) {
		if known(value) {
			fact(name, code(value))
		} else {
			fact(name, "not known")
		}
	}
	if !e.Collected.IsZero() {
		fact("Read at", e.Collected.UTC().Format(time.RFC3339))
	}
	text("Kubernetes", e.Server.GitVersion)
	text("Distribution", e.Distribution)
	text("Cloud", e.Cloud)
	for _, n := range groupNodes(e.Nodes) {
		fact("Nodes", n)
	}
	if e.NodeCount > len(e.Nodes) {
		fact("Nodes", fmt.Sprintf("%d in all", e.NodeCount))
	}
	text("kube-proxy mode", e.KubeProxy)
	if len(e.CNI) > 0 {
		fact("CNI", codes(e.CNI))
	}
	clusterDNS(e, fact, text)
	for _, s := range kernels(e.Pods) {
		fact("Seen in a pod", s)
	}
	for _, dns := range append(append([]experiment.DNS{}, experiment.AllDNS...), otherDNS(e.Caching)...) {
		if f, ok := e.Caching[dns]; ok {
			fact("Caching as seen, dns "+code(string(dns)), code(f.String()))
		}
	}
	for _, w := range e.Warnings {
		fact("Not read", code(w))
	}
	b.WriteString("\n")
	if e.KubectlVersion != "" {
		b.WriteString(folded("kubectl version", e.KubectlVersion))
	}
	if e.DNS.Corefile != "" {
		b.WriteString(folded("Corefile of the cluster's DNS", e.DNS.Corefile))
	}
	for _, t := range resolvConfs(e.Pods) {
		b.WriteString(folded("resolv.conf of a pod", t))
	}
}

func clusterDNS(e *environment.Environment, fact, text func(name, value string)) {
	text("Cluster DNS", e.DNS.Provider)
	if len(e.DNS.Images) > 0 {
		fact("DNS images", codes(e.DNS.Images))
	}
	fact("DNS replicas", fmt.Sprintf("%d ready, %d not ready", len(e.DNS.Replicas), len(e.DNS.NotReady)))
	local := "no sign of it"
	if e.DNS.NodeLocal {
		local = "yes"
	}
	fact("NodeLocal DNSCache", local)
	for _, s := range e.DNS.Evidence {
		fact("DNS evidence", code(s))
	}
	if c := e.DNS.Parsed; c != nil {
		fact("Corefile, for "+code(c.Domain), fmt.Sprintf("ttl %d s, keeps addresses %d s and denials %d s (0: not cached)", c.TTL, c.Success, c.Denial))
	}
}

// known tells a fact of the environment from a gap.
func known(s string) bool { return s != "" && s != environment.Unknown }

// groupNodes describes equal nodes together, in the order of the first.
func groupNodes(nodes []environment.Node) []string {
	var kinds []environment.Node
	count := map[int]int{}
	for _, n := range nodes {
		n.Name, n.Roles = "", nil
		i := slices.IndexFunc(kinds, func(k environment.Node) bool {
			return k.Ready == n.Ready && k.Kernel == n.Kernel && k.OS == n.OS && k.Arch == n.Arch && k.Runtime == n.Runtime && k.Kubelet == n.Kubelet
		})
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, n)
		}
		count[i]++
	}
	var out []string
	for i, k := range kinds {
		text := fmt.Sprintf("%d with kubelet %s, kernel %s, %s, %s, %s", count[i], code(k.Kubelet), code(k.Kernel), code(k.OS), code(k.Arch), code(k.Runtime))
		if !k.Ready {
			text += ", not Ready"
		}
		out = append(out, text)
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

// otherDNS returns configurations that this version does not know, sorted.
func otherDNS(caching map[experiment.DNS]environment.CachingFacts) []experiment.DNS {
	var out []experiment.DNS
	for dns := range caching {
		if !slices.Contains(experiment.AllDNS, dns) {
			out = append(out, dns)
		}
	}
	slices.Sort(out)
	return out
}
