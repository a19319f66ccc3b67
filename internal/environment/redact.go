package environment

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"headless-job-dns/internal/cluster"
)

// leftOut stands where a text may hold a secret.
const leftOut = "[left out]"

// maxQuoted bounds what is kept of one entry of a ConfigMap, in bytes.
const maxQuoted = 20_000

// quoted are the plugins of CoreDNS, and their properties, that say how a
// cluster's names are answered and hold no credential. What follows another
// word is left out: a plugin's password may have any name.
var quoted = func() map[string]bool {
	words := map[string]bool{}
	for _, w := range strings.Fields(`
		acl any autopath bind bufsize cache cancel chaos errors fallthrough forward health hosts import kubernetes
		lameduck log loadbalance local loop metadata minimal multisocket nsid prometheus ready reload rewrite root
		template timeouts ttl
		capacity denial disable keepttl prefetch serve_stale servfail success
		endpoint_pod_names ignore labels namespace_labels namespaces noendpoints pods
		class force_tcp health_check max_concurrent max_fails policy prefer_udp expire tls_servername
		consolidate rcode match stop continue`) {
		words[w] = true
	}
	return words
}()

// plainWord is one that may be shown although nothing is known of it.
var plainWord = regexp.MustCompile(`^[\w.:*(){}/-]+$`)

// Redact returns a Corefile, or a part of one, without what may be a secret: it
// is quoted in reports, which are published. It goes by lines and does not
// follow the file's meaning.
func Redact(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text[:min(len(text), maxQuoted)]) {
		words := strings.Fields(line)
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		switch {
		case len(words) == 0 || words[0] == "}":
			out.WriteString(line)
		case strings.HasPrefix(words[0], "#"):
			out.WriteString(indent + "# " + leftOut + "\n")
		case quoted[words[0]], indent == "" && words[len(words)-1] == "{": // the latter are zones
			out.WriteString(cluster.Redact(line))
		case len(words) == 2 && words[1] == "{" && plainWord.MatchString(words[0]):
			out.WriteString(line)
		case len(words) > 1 && plainWord.MatchString(words[0]):
			out.WriteString(indent + words[0] + " " + leftOut + "\n")
		default:
			out.WriteString(indent + leftOut + "\n")
		}
	}
	return out.String()
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
