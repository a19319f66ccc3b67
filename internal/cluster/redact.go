package cluster

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// rule is a place of a text that is not shown, and what stands there instead.
type rule struct {
	said    *regexp.Regexp
	instead string
}

// addresses are what they may hold besides a host.
var addresses = []rule{
	{regexp.MustCompile(`//[^/@\s"]*@`), "//***@"},
	// what net/url takes for a port where a password has a slash
	{regexp.MustCompile(`invalid port "[^"]*"`), "invalid port"},
}

// secrets are credentials as configurations hold them.
var secrets = []rule{
	// dns:password@tcp(192.0.2.5:3306)
	{regexp.MustCompile(`[^\s:/@"]*:[^\s/@"]+@`), "***@"},
	{regexp.MustCompile(`(?i)\bbearer [\w.~+/=-]+`), "bearer ***"},
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`), "***"}, // a JSON Web Token
	{regexp.MustCompile(`(?i)\b([\w-]*` +
		`(?:credential|secret|password|passwd|token|access_key|api_?key|private_key)` +
		`[\w-]*)(\s*[=:]\s*|[ \t]+)\S+[^\n]*`), "$1$2***"},
}

// private are the places of an error's text that say who asked or where the API
// server is, as the libraries word them. They are texts because some errors
// reach us as no more: a pod's log that broke off, what a Deployment waited for.
var private = []rule{
	// net/url: Get "https://host:6443/api": EOF
	{regexp.MustCompile(` "?[a-z]+://[^\s"]*"?`), ""},
	// net: dial tcp 192.0.2.1:6443: connect: connection refused
	{regexp.MustCompile(`\b(dial|read|write|proxyconnect) (tcp|udp)[46]? \S+: `), "$1 $2: "},
	// net: lookup api.example.com on 192.0.2.53:53: no such host
	{regexp.MustCompile(`\blookup \S+( on \S+)?: `), "lookup: "},
	// crypto/x509: certificate is valid for one.example.com, not other.example.com
	{regexp.MustCompile(`\bx509: [a-z ]*certificate [a-z ]*for .*`), "x509: not for this server"},
	// k8s.io/apiserver: pods is forbidden: User "alice" cannot list resource
	// "pods": what the authorizer has to say, which may name the user again.
	{regexp.MustCompile(`\bUser "(?:\\.|[^"\\])*" (cannot [^:;\n]*)(?:: [^;\n]*)?`), "this user $1"},
	// client-go: getting credentials: what the plugin printed, a token perhaps
	{regexp.MustCompile(`\bgetting credentials: .*`), "getting credentials failed"},
	// A credential's file is in the user's home.
	{regexp.MustCompile(`(?:/home/|/Users/|[A-Z]:\\Users\\)[^/\\\s"]+`), "~"},
}

func without(text string, rules []rule) string {
	for _, r := range rules {
		text = r.said.ReplaceAllString(text, r.instead)
	}
	return text
}

// Redact returns a configuration's text without credentials.
func Redact(text string) string { return without(without(text, addresses), secrets) }

// Anonymous returns an error's text also without who asked and without where
// the API server is: for what is kept, because records and reports are
// published. What failed and why stays.
func Anonymous(text string) string { return without(text, private) }

// asUser takes user and password out of the server's address, which every later
// error quotes, and has them sent as before: net/http takes what stands in an
// address before any token.
func asUser(cfg *rest.Config) error {
	u, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return errors.New("the address of its server is neither a URL nor a host and port")
	}
	if u.User != nil {
		cfg.Username = u.User.Username()
		cfg.Password, _ = u.User.Password()
		cfg.BearerToken, cfg.BearerTokenFile = "", ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", "" // client-go sends no query of it
	cfg.Host = strings.TrimSuffix(u.String(), "/")
	return nil
}

// redacted is an error whose text may quote addresses as they were configured,
// which may be broken so that no rule knows them.
type redacted struct {
	error
	quoted []string
}

// redact hides what a kubeconfig and the environment say of addresses.
func redact(loader clientcmd.ClientConfig, err error) error {
	r := redacted{error: err}
	raw, problem := loader.RawConfig()
	if problem != nil {
		raw = clientcmdapi.Config{}
	}
	for _, c := range raw.Clusters {
		r.quoted = append(r.quoted, c.Server, c.ProxyURL)
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		r.quoted = append(r.quoted, os.Getenv(name))
	}
	return r
}

func (r redacted) Error() string {
	text := r.error.Error()
	for _, a := range r.quoted {
		if a == "" {
			continue
		}
		quoted := strings.Trim(fmt.Sprintf("%q", a), `"`)
		text = strings.NewReplacer(a, visible(a), quoted, visible(a)).Replace(text)
	}
	return without(text, addresses)
}

func (r redacted) Unwrap() error { return r.error }

// visible is what may be shown of an address that may be broken.
func visible(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + rest
}
