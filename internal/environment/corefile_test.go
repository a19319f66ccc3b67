package environment

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

func TestParseCorefile(t *testing.T) {
	kubernetes := "kubernetes cluster.local in-addr.arpa ip6.arpa {\n pods insecure\n fallthrough in-addr.arpa ip6.arpa\n ttl 30\n}\n"
	for name, tc := range map[string]struct {
		text string
		want Corefile
	}{
		"cached": {
			".:53 {\nerrors\n" + kubernetes + "cache 30\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"errors", "kubernetes", "cache"}},
		},
		"not cached": {
			".:53 {\n" + kubernetes + "cache 30 {\ndisable success cluster.local\ndisable denial cluster.local\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"only denials are not cached": {
			".:53 {\n" + kubernetes + "cache 30 {\n disable denial\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"not cached in a zone above": {
			".:53 {\n" + kubernetes + "cache 30 {\n disable denial local\n disable success .\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"not cached in a zone below": {
			".:53 {\n" + kubernetes + "cache 30 {\n disable denial svc.cluster.local\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"cache for another zone": {
			".:53 {\n" + kubernetes + "cache 30 example.org\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"cache without a number": {
			".:53 {\n" + kubernetes + "cache\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"NodeLocal's limits": {
			"cluster.local:53 {\n" + kubernetes + "cache {\n success 9984 30\n denial 9984 5\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 5, Plugins: []string{"kubernetes", "cache"}},
		},
		"least time": {
			".:53 {\nkubernetes cluster.local {\n ttl 0\n}\ncache 30 {\n success 100 30 1\n}\n}",
			Corefile{Domain: "cluster.local", TTL: 0, Success: 1, Denial: 5, Plugins: []string{"kubernetes", "cache"}},
		},
		"no cache, CoreDNS' own TTL": {
			". {\nkubernetes k8s.example\n}",
			Corefile{Domain: "k8s.example", TTL: 5, Plugins: []string{"kubernetes"}},
		},
		"zone from the block's key": {
			"dns://Cluster.Local.:1053, 10.0.0.0/8 {\n kubernetes {\n ttl 9\n }\n}",
			Corefile{Domain: "cluster.local", TTL: 9, Plugins: []string{"kubernetes"}},
		},
		"reverse zones first": {
			".:53 {\nkubernetes 10.96.0.0/12 in-addr.arpa k8s.example\n}",
			Corefile{Domain: "k8s.example", TTL: 5, Plugins: []string{"kubernetes"}},
		},
		"comments and quotes": {
			"# a comment {\n.:53 { # another\n" + kubernetes + "template ANY ANY \"a b\" {\n answer \"} # \\\" {\"\n}\ncache 30 # 60\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "template", "cache"}},
		},
		"without braces": {
			".:53\nkubernetes cluster.local {\n ttl 30\n}\ncache 30",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"keys over two lines, brace on its own": {
			"a.example,\n.:53\n{\nkubernetes cluster.local\n}",
			Corefile{Domain: "cluster.local", TTL: 5, Plugins: []string{"kubernetes"}},
		},
		"stub domains before": {
			"example.org:53 {\n cache 60\n forward . 10.0.0.1\n}\n.:53 {\n" + kubernetes + "cache 30\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "cache"}},
		},
		"snippet": {
			"(common) {\n cache 10\n}\n.:53 {\n" + kubernetes + "import common\n}",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 10, Denial: 10, Plugins: []string{"kubernetes", "cache"}},
		},
		"AKS' imports": {
			".:53 {\n" + kubernetes + "cache 30\nimport custom/*.override\n}\nimport custom/*.server",
			Corefile{Domain: "cluster.local", TTL: 30, Success: 30, Denial: 30, Plugins: []string{"kubernetes", "cache"}, Imports: []string{"custom/*.override", "custom/*.server"}},
		},
		"imports first": {
			"import custom/*.server\n.:53 {\n" + kubernetes + "}",
			Corefile{Domain: "cluster.local", TTL: 30, Plugins: []string{"kubernetes"}, Imports: []string{"custom/*.server"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCorefile(tc.text)
			require.NoError(t, err)
			require.Equal(t, tc.want, *got)
		})
	}
}

func TestParseCorefileRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":          {"", "no server block"},
		"no kubernetes":  {".:53 {\n forward . 10.0.0.1\n}", "no server block"},
		"reverse only":   {".:53 {\n kubernetes in-addr.arpa\n}", "no server block"},
		"not closed":     {".:53 {\n errors", "not closed"},
		"not opened":     {".:53 {\n}\n}", "line 3"},
		"no brace":       {".:53 {\n}\nexample.org\nerrors", "line 4"},
		"ttl":            {".:53 {\n kubernetes cluster.local {\n  ttl soon\n }\n}", `"soon"`},
		"cache":          {".:53 {\n kubernetes cluster.local\n cache {\n  denial 100 soon\n }\n}", `"soon"`},
		"nested":         {strings.Repeat("a {\n", 100), "nested"},
		"endless import": {"(a) {\n import a\n import a\n}\n.:53 {\n import a\n kubernetes cluster.local\n}", "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseCorefile(tc.text)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// TestParseOurCorefiles ties the names of the private configurations to what
// the Corefiles of their servers say.
func TestParseOurCorefiles(t *testing.T) {
	for dns, seconds := range map[plan.DNS][2]int{
		plan.Cache30: {30, 30}, plan.Uncached: {0, 0}, plan.NoDenialCache: {30, 0}, plan.NoSuccessCache: {0, 30},
		plan.NodeLocalCache30: {30, 30}, plan.NodeLocalUncached: {0, 0}, plan.KubeDNS: {0, 0},
	} {
		objs, err := manifests.PrivateDNS(dns, manifests.PrivateDNSParams{Owner: manifests.Owner{Run: "r", Namespace: "ns"}, Name: "dns", Domain: "k8s.example"})
		require.NoError(t, err)
		found := 0
		for _, obj := range objs {
			cm, ok := obj.(*corev1.ConfigMap)
			if !ok || !strings.Contains(cm.Data["Corefile"], "kubernetes k8s.example") {
				continue
			}
			found++
			c, err := ParseCorefile(cm.Data["Corefile"])
			require.NoError(t, err)
			require.Equal(t, "k8s.example", c.Domain)
			require.Equal(t, recordTTL, c.TTL)
			require.Equal(t, seconds, [2]int{c.Success, c.Denial}, dns)
		}
		require.Equal(t, 1, found, dns)
	}
}

func TestRedact(t *testing.T) {
	const canary = "CANARY"
	text := `.:53 {
    route53 example.org.:Z1 {
        aws_access_key AKID` + canary + ` ` + canary + `
    }
    route53 example.org.:Z1 { aws_access_key ` + canary + ` ` + canary + `
    }
    etcd {
        credentials root ` + canary + `
        endpoint https://root:` + canary + `@10.0.0.1:2379
    }
    tsig {
        secret example. ` + canary + `
    }
    clouddns { 
        api_token	` + canary + `
        ROOT_PASSWORD ` + canary + `
    }
    kubernetes cluster.local {
        ttl 30
    }
    cache 30
}
`
	got := redact(text)
	require.NotContains(t, got, canary)
	require.Equal(t, strings.Count(text, "\n"), strings.Count(got, "\n"))
	require.Contains(t, got, "    cache 30\n")
	require.Contains(t, got, "https://[left out]@10.0.0.1:2379")
	c, err := ParseCorefile(got)
	require.NoError(t, err)
	require.Equal(t, 30, c.Success)

	const plain = "cache 30 {\n   disable success cluster.local\n}\nkubernetes cluster.local { # secrets\n}\n"
	require.Equal(t, plain, redact(plain))
}

// FuzzParseCorefile: a Corefile comes from a cluster that may hold anything.
func FuzzParseCorefile(f *testing.F) {
	f.Add(".:53 {\n kubernetes cluster.local {\n  ttl 30\n }\n cache 30 {\n disable denial cluster.local\n }\n}\nimport x")
	f.Add("(a) {\n import a\n}\n. \"q\\\"\" {\n import a\n}")
	f.Add(",\n,{}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCorefile(text)
		if err == nil && c.Domain == "" {
			t.Error("no domain and no error")
		}
		redact(text)
	})
}
