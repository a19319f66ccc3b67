package main

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"headless-job-dns/internal/record"
)

// glibc's limits (resolv.h: MAXNS, RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY)
// and defaults (RES_TIMEOUT, RES_DFLRETRY). Values beyond a limit are lowered
// to it, as glibc does.
const (
	maxServers      = 3
	maxNdots        = 15
	maxTimeout      = 30
	maxAttempts     = 5
	defaultTimeout  = 5
	defaultAttempts = 2
)

// maxResolvText is how much of a resolv.conf the Start line repeats.
const maxResolvText = 4 << 10

// maxSearch bounds the search list. glibc has had no limit since 2.26;
// Kubernetes allows 32.
const maxSearch = 32

// searchDomain is what can be one, with or without dots at its ends.
var searchDomain = regexp.MustCompile(`^[-_.0-9A-Za-z]{1,255}$`)

// parseResolv reads a resolv.conf as glibc does: what it does not understand
// it skips, of several search or domain lines the last one counts. Options
// other than ndots, timeout and attempts are not followed; Text shows them. A
// nameserver may have a port in OpenBSD's notation, [127.0.0.1]:5353.
func parseResolv(text string) record.Resolv {
	r := record.Resolv{Ndots: 1, Timeout: defaultTimeout, Attempts: defaultAttempts}
	r.Text = text[:min(len(text), maxResolvText)]
	for line := range strings.Lines(text) {
		if strings.ContainsAny(line[:1], "#; \t") {
			continue // resolv.conf(5): the keyword must start the line
		}
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if s, ok := serverAddress(f[1]); ok && len(r.Servers) < maxServers {
				r.Servers = append(r.Servers, s)
			}
		case "domain":
			r.Search = searchList(f[1:2])
		case "search":
			r.Search = searchList(f[1:])
		case "options":
			for _, o := range f[1:] {
				setOption(&r, o)
			}
		}
	}
	if len(r.Servers) == 0 {
		r.Servers = []string{"127.0.0.1:53"} // resolv.conf(5)
	}
	return r
}

func serverAddress(s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53).String(), true
	}
	if host, port, err := net.SplitHostPort(s); err == nil && strings.HasPrefix(s, "[") {
		a, err1 := netip.ParseAddr(host)
		n, err2 := strconv.ParseUint(port, 10, 16)
		if err1 == nil && err2 == nil && n > 0 {
			return netip.AddrPortFrom(a, uint16(n)).String(), true
		}
	}
	return "", false
}

// searchList takes the dots off the entries' ends; "." stands for the root.
func searchList(fields []string) []string {
	var list []string
	for _, s := range fields {
		if len(list) == maxSearch || !searchDomain.MatchString(s) {
			continue
		}
		if s = strings.Trim(s, "."); s == "" {
			s = "."
		}
		list = append(list, s)
	}
	return list
}

func setOption(r *record.Resolv, option string) {
	name, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return
	}
	switch name {
	case "ndots":
		r.Ndots = min(n, maxNdots)
	case "timeout":
		r.Timeout = max(1, min(n, maxTimeout))
	case "attempts":
		r.Attempts = max(1, min(n, maxAttempts))
	}
}

// clusterDomain finds the cluster's domain in the search list, where the
// kubelet puts "<namespace>.svc.<domain>" first and "svc.<domain>" next.
func clusterDomain(r record.Resolv, namespace string) string {
	for _, s := range r.Search {
		domain, ok := strings.CutPrefix(strings.TrimPrefix(s, namespace+"."), "svc.")
		if ok && domain != "" {
			return domain
		}
	}
	return "cluster.local"
}

// candidate is one name of those that a resolver tries in turn.
type candidate struct {
	name   string // with a trailing dot
	suffix string // the search domain in it; empty: the name as it is
}

// candidates lists what glibc's res_search asks for a name without a trailing
// dot, as long as it gets no address: the name as it is first where it has at
// least ndots dots, last where it has fewer, the search list in between.
func candidates(name string, r record.Resolv) []candidate {
	asIs := candidate{name: name + "."}
	first := strings.Count(name, ".") >= r.Ndots
	var list []candidate
	if first {
		list = append(list, asIs)
	}
	for _, s := range r.Search {
		full := name + "." + s + "."
		if s == "." {
			full = name + "."
		}
		list = append(list, candidate{full, s})
	}
	if !first {
		list = append(list, asIs)
	}
	return list
}
