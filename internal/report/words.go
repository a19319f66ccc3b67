package report

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// The opening is read by people who never saw the program: levels of factors
// are put in words there. Tables use their names.

var dnsWords = map[plan.DNS]string{
	plan.ClusterDNS:        "the cluster's own DNS",
	plan.Cache30:           "kubeadm's Corefile up to 1.31 (`cache 30`)",
	plan.Uncached:          "kubeadm's Corefile since 1.32 (cluster domain not cached)",
	plan.NoDenialCache:     "kubeadm's Corefile up to 1.31 and `disable denial` for the cluster domain",
	plan.NoSuccessCache:    "kubeadm's Corefile up to 1.31 and `disable success` for the cluster domain",
	plan.NodeLocalCache30:  "NodeLocal DNSCache before kubeadm's Corefile up to 1.31",
	plan.NodeLocalUncached: "NodeLocal DNSCache before kubeadm's Corefile since 1.32",
	plan.KubeDNS:           "kube-dns' dnsmasq (addresses cached, denials not)",
	plan.Forwarding:        "a forwarder with `cache 30` before the cluster's DNS",
}

// dnsHeads are the same for columns, and after they were introduced.
var dnsHeads = map[plan.DNS]string{
	plan.ClusterDNS:        "cluster's own DNS",
	plan.Cache30:           "kubeadm ≤ 1.31",
	plan.Uncached:          "kubeadm ≥ 1.32",
	plan.NoDenialCache:     "≤ 1.31 and `disable denial`",
	plan.NoSuccessCache:    "≤ 1.31 and `disable success`",
	plan.NodeLocalCache30:  "NodeLocal before ≤ 1.31",
	plan.NodeLocalUncached: "NodeLocal before ≥ 1.32",
	plan.KubeDNS:           "kube-dns' dnsmasq",
	plan.Forwarding:        "forwarder, `cache 30`",
}

var namesWords = map[plan.Names]string{
	plan.Fresh:  "fresh names",
	plan.Reused: "reused names",
}

var extraWords = map[plan.Extra]string{
	plan.ExtraNone:       "no extra object",
	plan.ExtraService:    "an unrelated Service",
	plan.ExtraServicePod: "an unrelated Service with a pod",
	plan.ExtraPod:        "an unrelated pod",
	plan.ExtraMemberPod:  "a pod that the headless Service selects",
	plan.ExtraOneshotPod: "a pod that completes within 3 s",
}

var observerWords = map[record.Observer]string{
	record.Solo:        "each worker looks up index 0",
	record.Peers:       "every pod looks up " + everyPeer,
	record.PeersServer: "every pod looks up " + everyPeer + ", and the test asks the DNS servers directly",
}

const everyPeer = "every peer"

// asks puts into words what an observer asks for, with so many peers a pod; 0:
// all.
func asks(o record.Observer, peers int) string {
	text := worded(observerWords, o)
	if peers > 0 {
		text = strings.Replace(text, everyPeer, fmt.Sprintf("%d of its peers", peers), 1)
	}
	return text
}

// worded is a level in words, or quoted where there are none: plans may hold
// levels that this version does not know.
func worded[L ~string](words map[L]string, l L) string {
	if w, ok := words[l]; ok {
		return w
	}
	return brief(string(l))
}

// further puts what is not the default into words, each with a comma before.
func further(a plan.Arm) string {
	var b strings.Builder
	for _, f := range furtherFactors {
		if w := f(a); w != "" {
			b.WriteString(", " + w)
		}
	}
	return b.String()
}

// furtherFactors put each factor beyond the first four into words, "" where it
// is at its default.
var furtherFactors = []func(plan.Arm) string{
	func(a plan.Arm) string {
		if a.Publish {
			return "publishNotReadyAddresses set"
		}
		return ""
	},
	func(a plan.Arm) string {
		switch a.Order {
		case plan.ServiceFirst:
			return ""
		case plan.JobFirst:
			return "the Job created before its Service"
		}
		return "order " + brief(string(a.Order))
	},
	func(a plan.Arm) string {
		if a.First != 0 {
			return fmt.Sprintf("first question %s after the process' start", short(time.Duration(a.First)))
		}
		return ""
	},
	func(a plan.Arm) string {
		switch a.Gap {
		case "":
			return ""
		case plan.NoWait:
			return "created anew without waiting for the deletion"
		}
		gap := brief(string(a.Gap))
		if d, err := time.ParseDuration(string(a.Gap)); err == nil {
			gap = short(d)
		}
		return gap + " after the last pod was gone"
	},
	func(a plan.Arm) string {
		switch a.Connect {
		case plan.ByName:
			return ""
		case plan.ByAddress:
			return "index 0's IP handed over without DNS"
		}
		return "connect by " + brief(string(a.Connect))
	},
}

// short shows a setting as people write it: 5 s, 0.25 s.
func short(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", d.Seconds()), "0"), ".") + " s"
}

// change says in words what is different in b, where exactly one factor is, in
// a plan with so many peers a pod.
func change(a, b plan.Arm, peers int) (text string, one bool) {
	var out []string
	if a.DNS != b.DNS {
		out = append(out, worded(dnsHeads, b.DNS))
	}
	if a.Names != b.Names {
		out = append(out, worded(namesWords, b.Names))
	}
	if a.Extra != b.Extra {
		out = append(out, worded(extraWords, b.Extra))
	}
	if a.Observer != b.Observer {
		out = append(out, asks(b.Observer, peers))
	}
	for _, f := range furtherFactors {
		switch was, is := f(a), f(b); {
		case was == is:
		case is == "":
			out = append(out, "not: "+was)
		default:
			out = append(out, is)
		}
	}
	return strings.Join(out, ", "), len(out) == 1
}
