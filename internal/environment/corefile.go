package environment

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Corefile is what a Corefile says of the names of pods and Services.
type Corefile struct {
	Domain string `json:"domain"` // cluster domain
	// TTL is the kubernetes plugin's, in seconds, of addresses and denials.
	TTL int `json:"ttl"`
	// Success and Denial are for how many seconds the cache plugin keeps a
	// fresh address and a fresh denial in the cluster domain; 0: it keeps none.
	Success int      `json:"cache_success"`
	Denial  int      `json:"cache_denial"`
	Plugins []string `json:"plugins"`           // of the server block, in the file's order
	Imports []string `json:"imports,omitempty"` // files that it includes and that are not here
}

// CoreDNS' defaults, in seconds: plugin/kubernetes, plugin/cache and, for the
// least, plugin/pkg/dnsutil.
const (
	defaultTTL     = 5
	defaultSuccess = 3600
	defaultDenial  = 1800
	leastCached    = 5
)

// ParseCorefile reads a Corefile's server block that has the kubernetes plugin
// with a zone that is not a reverse one.
//
// CoreDNS' own parser is not used: it includes local files and replaces
// {$NAME} by this program's environment variables, and the text comes from a
// cluster that is not trusted with either.
func ParseCorefile(text string) (*Corefile, error) {
	blocks, err := parseBlocks(text)
	if err != nil {
		return nil, err
	}
	snippets := make(map[string][]directive)
	for _, b := range blocks {
		if name, ok := b.snippet(); ok {
			snippets[name] = b.body
		}
	}
	var imports []string
	for _, b := range blocks {
		if b.imported() {
			imports = append(imports, strings.Join(b.keys[1:], " "))
		}
	}
	for _, b := range blocks {
		if _, ok := b.snippet(); ok || b.imported() {
			continue
		}
		c, err := b.facts(snippets)
		if err != nil {
			return nil, err
		}
		if c != nil {
			c.Imports = append(c.Imports, imports...)
			return c, nil
		}
	}
	return nil, fmt.Errorf("no server block with the kubernetes plugin")
}

// mostSnippets bounds how often snippets are used, because one may use itself.
const mostSnippets = 100

// facts returns what the block says of the cluster domain, nil when it does
// not serve one.
func (b block) facts(snippets map[string][]directive) (*Corefile, error) {
	c := &Corefile{}
	var cache *directive
	budget := mostSnippets
	var expand func([]directive) error
	expand = func(body []directive) error {
		for _, d := range body {
			switch {
			case d.name != "import":
				c.Plugins = append(c.Plugins, d.name)
			case len(d.args) == 1 && snippets[d.args[0]] != nil:
				if budget--; budget < 0 {
					return fmt.Errorf("snippets are used more than %d times", mostSnippets)
				}
				if err := expand(snippets[d.args[0]]); err != nil {
					return err
				}
			default:
				c.Imports = append(c.Imports, strings.Join(d.args, " "))
			}
			switch d.name {
			case "kubernetes":
				if c.Domain != "" {
					continue
				}
				zones := d.args
				if len(zones) == 0 {
					zones = b.zones()
				}
				i := slices.IndexFunc(zones, func(z string) bool { return !reverse(z) })
				if i < 0 {
					continue
				}
				c.Domain, c.TTL = fqdn(zones[i]), defaultTTL
				for _, o := range d.body {
					if o.name == "ttl" && len(o.args) == 1 {
						var err error
						if c.TTL, err = strconv.Atoi(o.args[0]); err != nil {
							return fmt.Errorf("kubernetes ttl %q is not a number", o.args[0])
						}
					}
				}
			case "cache":
				cache = &d
			}
		}
		return nil
	}
	if err := expand(b.body); err != nil {
		return nil, err
	}
	if c.Domain == "" {
		return nil, nil
	}
	if cache == nil {
		return c, nil
	}
	return c, cache.caches(c)
}

// caches reads a cache directive: cache [TTL] [ZONES...] { ... }.
func (d *directive) caches(c *Corefile) error {
	type class struct {
		most, least int
		off         bool
	}
	of := map[string]*class{"success": {most: defaultSuccess, least: leastCached}, "denial": {most: defaultDenial, least: leastCached}}
	zones := d.args
	if len(zones) > 0 {
		if n, err := strconv.Atoi(zones[0]); err == nil {
			of["success"].most, of["denial"].most = n, n
			zones = zones[1:]
		}
	}
	if len(zones) > 0 && !within(c.Domain, zones) {
		return nil
	}
	for _, o := range d.body {
		switch {
		case of[o.name] != nil: // success CAPACITY [TTL] [MINTTL]
			for i, to := range []*int{&of[o.name].most, &of[o.name].least} {
				if len(o.args) < i+2 {
					break
				}
				n, err := strconv.Atoi(o.args[i+1])
				if err != nil {
					return fmt.Errorf("cache %s %q is not a number", o.name, o.args[i+1])
				}
				*to = n
			}
		case o.name == "disable" && len(o.args) > 0 && of[o.args[0]] != nil: // disable success|denial [ZONES...]
			of[o.args[0]].off = len(o.args) == 1 || within(c.Domain, o.args[1:])
		}
	}
	seconds := func(k *class) int {
		if k.off {
			return 0
		}
		return min(max(c.TTL, k.least), k.most)
	}
	c.Success, c.Denial = seconds(of["success"]), seconds(of["denial"])
	return nil
}

// within tells whether the domain is one of the zones or below one.
func within(domain string, zones []string) bool {
	return slices.ContainsFunc(zones, func(z string) bool {
		z = fqdn(z)
		return z == "" || domain == z || strings.HasSuffix(domain, "."+z)
	})
}

// fqdn brings a zone into the form in which zones are compared: lower case, no
// dots at the ends; the root is empty.
func fqdn(zone string) string { return strings.ToLower(strings.Trim(zone, ".")) }

// reverse tells whether a zone is for addresses: in-addr.arpa, ip6.arpa or a
// network in CIDR notation, which CoreDNS turns into one of them.
func reverse(zone string) bool {
	_, _, err := net.ParseCIDR(zone)
	z := fqdn(zone)
	return err == nil || within(z, []string{"in-addr.arpa", "ip6.arpa"})
}

// zones returns what the block serves: its keys without scheme and port.
func (b block) zones() []string {
	var zones []string
	for _, k := range b.keys {
		if _, rest, ok := strings.Cut(k, "://"); ok {
			k = rest
		}
		if i := strings.LastIndex(k, ":"); i >= 0 {
			k = k[:i]
		}
		zones = append(zones, k)
	}
	return zones
}

var (
	// A line whose first word says that what follows is secret. The words are
	// those of CoreDNS' plugins (route53, etcd, tsig, clouddns, azure) and what
	// an unknown plugin is likely to say.
	secretLine = regexp.MustCompile(`(?im)^([ \t]*[\w-]*(?:credential|secret|password|passwd|token|access_key|api_key|apikey|private_key)[\w-]*)[ \t]+\S[^\n]*$`)
	// A key given in one line with others, as route53's was.
	secretKey = regexp.MustCompile(`(?i)\b(aws_access_key)[ \t]+\S[^\n]*`)
	// user:password@ in an address.
	userInfo = regexp.MustCompile(`(\w+://)[^\s/@]+@`)
)

// redact removes what may be a credential from a Corefile.
func redact(text string) string {
	text = secretLine.ReplaceAllString(text, "$1 [left out]")
	text = secretKey.ReplaceAllString(text, "$1 [left out]")
	return userInfo.ReplaceAllString(text, "${1}[left out]@")
}
