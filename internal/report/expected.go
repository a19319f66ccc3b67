package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// expected is the form's second answer: the service level indicator that the
// project has for this, what it was here, and what clients got.
func (r *Report) expected() string {
	text := "That a pod of the Job resolves and reaches its peers as soon as the DNS servers have their records, whoever asked for the name before and whichever pod had it before. " +
		"Kubernetes' DNS programming latency SLI (kubernetes/community, `sig-scalability/slos/dns_programming_latency.md`; work in progress, without a number) counts \"from when service spec or list of its `Ready` pods change to when it is reflected in that dns instance\", " +
		"and names resolving a headless Service's hostnames to newly started backends, and no longer to removed ones, among its user stories."
	// Both views of the same trials, of the slow ones where there are any.
	var server, client series
	which := "late trial"
	for _, slow := range []bool{true, false} {
		for _, t := range r.of(everything) {
			o, c := t.v.OnServer.Lag, t.v.Resolved.Lag
			if o.Known() && c.Known() && (!slow || isLate(c, late) == yes) {
				server, client = append(server, o), append(client, c)
			}
		}
		if len(server) > 0 {
			break
		}
		which = "trial"
	}
	if len(server) == 0 {
		return text + " The DNS servers themselves were not asked in these trials."
	}
	_, most := server.width()
	_, longest := client.width()
	return text + fmt.Sprintf(" In %s both were looked at: every DNS server had the last name %s after asker and asked both existed (median; at most %s), the pods had the last right answer after %s (at most %s). "+
		"What a cache in front of the record adds is not in that SLI.", some(len(server), which), server.medianText(), most, client.medianText(), longest)
}

// reproduce is the form's third answer.
func (r *Report) reproduce(d *document) {
	job, err := manifests.Text("minimal/lag.yaml")
	if err != nil { // they are part of the program
		panic(err)
	}
	cache, err := manifests.Text("minimal/caching-dns/caching-dns.yaml")
	if err != nil {
		panic(err)
	}
	c := r.cases()
	dns, reused := plan.ClusterDNS, false
	for _, f := range c.slow {
		dns = f.DNS
		reused = reused || f.Names == plan.Reused
	}
	d.text("With kubectl alone, on public images, in any namespace: four pods ask for each other's names from their first moment on and dial what they are answered, in a shell loop. " +
		"A line of their logs says what has changed, in seconds since that pod's start: `NXDOMAIN` and, up to 30 s later, `connected` is a kept denial; an address, `timed out` and, later, another address are a kept one.\n\n")
	commands := []string{"kubectl apply -f lag.yaml", "kubectl logs -f -l job-name=lag --prefix --tail=-1"}
	if dns.Private() {
		commands = append([]string{"kubectl apply -f caching-dns.yaml && kubectl rollout status deployment/caching-dns"}, commands...)
	}
	if reused {
		commands = append(commands, "kubectl delete -f lag.yaml && kubectl apply -f lag.yaml # the same names, other addresses", commands[len(commands)-1])
	}
	d.block(rankManifest, "console", strings.Join(append(commands, "kubectl delete -f lag.yaml"), "\n"))
	if dns.Private() {
		d.text("What decides is the DNS that the pods use, here %s. %s Where that is not to be changed, `caching-dns.yaml` is a CoreDNS that asks the cluster's and keeps the answers; the Job's pods ask it if it is there when they start.\n\n",
			worded(dnsWords, dns), r.getDNS(dns))
		d.fold("caching-dns.yaml", blockPart(rankManifest, "yaml", cache))
	}
	d.fold("lag.yaml", blockPart(rankManifest, "yaml", job))
	d.text("The whole experiment, in a checkout of headless-job-dns, on the cluster that kubectl talks to, from its seed (%s of %s, about %s; the same trials in the same order):\n\n",
		some(r.plan.Blocks, "block"), some(len(r.plan.Arms), "combination"), minutes(r.plan.Expected()))
	r.rerun(d)
	d.list(rankFindings, "observations", "What would falsify this:", r.falsify(c))
}

// getDNS says how a cluster comes by a DNS.
func (r *Report) getDNS(dns plan.DNS) string {
	shown := r.env != nil && r.env.Corefiles[dns] != ""
	switch {
	case dns == plan.Cache30:
		return "On a throw-away cluster of kubeadm or kind: `kubectl -n kube-system edit configmap coredns`, take the block after `cache 30` away, wait a minute for the reload."
	case shown:
		return "Its Corefile is below."
	}
	return "The command below starts one."
}

// rerun adds the command that repeats the run.
func (r *Report) rerun(d *document) {
	line, file := command(r.plan)
	d.block(rankManifest, "", line)
	if file != "" {
		d.fold(planFileName, blockPart(rankManifest, "yaml", file))
	}
}

// minutes is an estimate.
func minutes(d time.Duration) string {
	if n := math.Ceil(d.Minutes()); n != 1 {
		return fmt.Sprintf("%.0f minutes", n)
	}
	return "1 minute"
}

// falsify says which observations would contradict what the opening says.
func (r *Report) falsify(c *cases) []string {
	if len(c.slow) == 0 {
		return []string{"A repetition of the plan in which a trial is later than 1 s."}
	}
	var out []string
	add := func(s string) {
		for _, have := range out {
			if have == s {
				return
			}
		}
		out = append(out, s)
	}
	for _, f := range c.slow {
		switch part := f.holder(); part {
		case judge.StageDenial, judge.StageDenied:
			add("A delay of more than 1 s of a worker whose first question came after its leader's record was on the DNS server that it asked.")
			add("The same delay with fresh names where the DNS caches no denials of the cluster domain.")
		case judge.StageStale:
			add("A stale address answered longer after its record was last fetched than the record's TTL.")
			add("The same wait with fresh names, or with a pause longer than the TTL between deletion and creation.")
		case "":
		default:
			add(fmt.Sprintf("A repetition of the plan in which the late trials' time does not go to %s.", inWords(part)))
		}
	}
	for i, n := range neighbours(c.all, c.slow, seen.prompt) {
		if i == mostNamed {
			break
		}
		add(fmt.Sprintf("A delay of more than 1 s, all else equal, with %s.", n.change))
	}
	add("A repetition of the plan in which none of the cases above is later than 1 s.")
	return out
}

// corefiles adds the DNS' configuration files.
func (r *Report) corefiles(d *document) {
	if r.env == nil {
		return
	}
	for _, dns := range append(slices.Clone(plan.AllDNS), others(r.env.Corefiles)...) {
		if text, ok := r.env.Corefiles[dns]; ok {
			d.fold("Corefile of a private DNS: "+heading(dns), blockPart(rankEnvironment, "", text))
		}
	}
	if r.env.DNS.Corefile != "" {
		d.fold("Corefile of the cluster's DNS", blockPart(rankEnvironment, "", r.env.DNS.Corefile))
	}
	for _, t := range bounded(resolvConfs(r.env.Pods)) {
		d.fold("resolv.conf of a pod", blockPart(rankEnvironment, "", t))
	}
}
