package cluster

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Addresses of servers and proxies may hold secrets: a user, a password, a
// query. None of them reaches a message, a file or a report.

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

// discreet is an error whose text may quote addresses.
type discreet struct {
	error
	quoted []string // addresses as they were configured
}

// discreetly hides what a kubeconfig and the environment say of addresses.
func discreetly(loader clientcmd.ClientConfig, err error) error {
	d := discreet{error: err}
	raw, problem := loader.RawConfig()
	if problem != nil {
		raw = clientcmdapi.Config{}
	}
	for _, c := range raw.Clusters {
		d.quoted = append(d.quoted, c.Server, c.ProxyURL)
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		d.quoted = append(d.quoted, os.Getenv(name))
	}
	return d
}

var (
	// userInfo is what an address may hold before its host.
	userInfo = regexp.MustCompile(`//[^/@\s"]*@`)
	// misread is what net/url takes for a port where a password has a slash.
	misread = regexp.MustCompile(`invalid port "[^"]*"`)
)

func (d discreet) Error() string {
	text := d.error.Error()
	for _, a := range d.quoted {
		if a == "" {
			continue
		}
		quoted := strings.Trim(fmt.Sprintf("%q", a), `"`)
		text = strings.NewReplacer(a, visible(a), quoted, visible(a)).Replace(text)
	}
	return misread.ReplaceAllString(userInfo.ReplaceAllString(text, "//***@"), "invalid port")
}

func (d discreet) Unwrap() error { return d.error }

// visible is what may be shown of an address that may be broken.
func visible(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return u.String()
	}
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
