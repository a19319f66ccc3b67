package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func TestParseResolv(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       record.Resolv
	}{
		{"a pod's", "search lab.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
			record.Resolv{Servers: []string{"10.96.0.10:53"}, Search: []string{"lab.svc.cluster.local", "svc.cluster.local", "cluster.local"}, Ndots: 5, Timeout: 5, Attempts: 2}},
		{"empty", "", record.Resolv{Servers: []string{"127.0.0.1:53"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"comments and nonsense", "# nameserver 1.1.1.1\n;search x\nnameserver\nnameserver nonsense\nfoo bar\n\x00\n",
			record.Resolv{Servers: []string{"127.0.0.1:53"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"at most three servers, both families", "nameserver 10.0.0.1\nnameserver fd00::1\nnameserver fe80::1%eth0\nnameserver 10.0.0.4\n",
			record.Resolv{Servers: []string{"10.0.0.1:53", "[fd00::1]:53", "[fe80::1%eth0]:53"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"keywords start the line", "nameserver 10.43.0.10\nsearch k8s.example\n search corp.example\n\tnameserver 192.0.2.1\n",
			record.Resolv{Servers: []string{"10.43.0.10:53"}, Search: []string{"k8s.example"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"a port", "nameserver [127.0.0.1]:5353\nnameserver 127.0.0.1:5353\n",
			record.Resolv{Servers: []string{"127.0.0.1:5353"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"the last search counts", "search a\ndomain b.c.\nsearch d. . e\n",
			record.Resolv{Servers: []string{"127.0.0.1:53"}, Search: []string{"d", ".", "e"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"limits", "options ndots:99 timeout:99 attempts:99 rotate\n", record.Resolv{Servers: []string{"127.0.0.1:53"}, Ndots: 15, Timeout: 30, Attempts: 5}},
		{"no less than one", "options timeout:0 attempts:0 ndots:0\n", record.Resolv{Servers: []string{"127.0.0.1:53"}, Ndots: 0, Timeout: 1, Attempts: 1}},
		{"bad options", "options ndots: timeout:x attempts:-1 attempts\n", record.Resolv{Servers: []string{"127.0.0.1:53"}, Ndots: 1, Timeout: 5, Attempts: 2}},
		{"windows line ends", "nameserver 10.0.0.1\r\noptions ndots:2\r\n", record.Resolv{Servers: []string{"10.0.0.1:53"}, Ndots: 2, Timeout: 5, Attempts: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Text = c.text
			require.Equal(t, c.want, parseResolv(c.text))
		})
	}
}

func TestClusterDomain(t *testing.T) {
	for search, want := range map[string]string{
		"lab.svc.cluster.local svc.cluster.local cluster.local": "cluster.local",
		"example.org lab.svc.k8s.example svc.k8s.example":       "k8s.example",
		"other.svc.k8s.example":                                 "cluster.local",
		"svc.k8s.example k8s.example":                           "k8s.example",
		"lab.svc.":                                              "cluster.local",
		"":                                                      "cluster.local",
	} {
		require.Equal(t, want, clusterDomain(parseResolv("search "+search+"\n"), "lab"), search)
	}
}

// The order is glibc's (resolv/res_query.c, __res_context_search).
func TestCandidates(t *testing.T) {
	for _, c := range []struct{ name, options, want string }{
		{"a.b.c", "search x.y z\noptions ndots:2", "a.b.c. a.b.c.x.y. a.b.c.z."},
		{"a.b.c", "search x.y z\noptions ndots:5", "a.b.c.x.y. a.b.c.z. a.b.c."},
		{"a", "search x.y\noptions ndots:1", "a.x.y. a."},
		{"a", "options ndots:1", "a."},
		{"a.b", "search .\noptions ndots:1", "a.b. a.b."},
		{"flux-0.flux.lab.svc.cluster.local", "search lab.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5",
			"flux-0.flux.lab.svc.cluster.local. flux-0.flux.lab.svc.cluster.local.lab.svc.cluster.local." +
				" flux-0.flux.lab.svc.cluster.local.svc.cluster.local. flux-0.flux.lab.svc.cluster.local.cluster.local."},
	} {
		var names []string
		for _, cand := range candidates(c.name, parseResolv(c.options)) {
			names = append(names, cand.name)
		}
		require.Equal(t, c.want, strings.Join(names, " "))
	}
}

func FuzzParseResolv(f *testing.F) {
	f.Add("search lab.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5 timeout:1 attempts:3\n")
	f.Add("nameserver [::1%x]:53\nsearch . .. a.\noptions ndots:-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := parseResolv(text)
		if n := len(r.Servers); n < 1 || n > maxServers {
			t.Fatalf("%d servers", n)
		}
		for _, s := range r.Servers {
			if _, err := netip.ParseAddrPort(s); err != nil {
				t.Fatal(err)
			}
		}
		if r.Ndots < 0 || r.Ndots > maxNdots || r.Timeout < 1 || r.Timeout > maxTimeout || r.Attempts < 1 || r.Attempts > maxAttempts {
			t.Fatalf("out of range: %+v", r)
		}
		if n := len(candidates("a.b", r)); n > maxSearch+1 {
			t.Fatalf("%d names", n)
		}
		if b, err := json.Marshal(r); err != nil || len(b) > record.MaxLine {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		clusterDomain(r, "lab")
	})
}
