package cluster

import "regexp"

// withheld are the places of an error's text that say who asked or where the API
// server is, as the libraries word them, and what stands there instead. They
// are texts because some errors reach us as no more: a pod's log that broke off,
// what a Deployment waited for, a failed upgrade to a WebSocket.
var withheld = []struct {
	said    *regexp.Regexp
	instead string
}{
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

// Anonymous returns an error's text without who asked and without where the API
// server is: for what is kept, because records and reports are published. What
// failed and why stays.
func Anonymous(text string) string {
	for _, w := range withheld {
		text = w.said.ReplaceAllString(text, w.instead)
	}
	return text
}
