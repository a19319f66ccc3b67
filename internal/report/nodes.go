package report

import (
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
)

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
