package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The errors are those of the libraries, as they are made there.
func TestAnonymous(t *testing.T) {
	request := func(err error) error {
		return fmt.Errorf("cannot create job ns/j: %w", &url.Error{Op: "Post", URL: "https://api.corp.example:6443/apis/batch/v1/namespaces/ns/jobs?fieldManager=x", Err: err})
	}
	ip := func(last byte, port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, last), Port: port} }
	connect := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	forbidden := func(why string) error {
		return fmt.Errorf("cannot watch *v1.Pod in namespace ns: %w; the right to list pods is needed there", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New(why)))
	}
	for want, err := range map[string]error{
		"cannot create job ns/j: Post: EOF":                                                          request(io.EOF),
		"cannot create job ns/j: Post: dial tcp: connect: connection refused":                        request(&net.OpError{Op: "dial", Net: "tcp", Addr: ip(1, 6443), Err: connect}),
		"cannot create job ns/j: Post: proxyconnect tcp: dial tcp: connect: connection refused":      request(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv6loopback, Port: 3128}, Err: connect}}),
		"cannot create job ns/j: Post: read tcp: read: connection reset by peer":                     request(&net.OpError{Op: "read", Net: "tcp", Source: ip(2, 40000), Addr: ip(1, 6443), Err: os.NewSyscallError("read", syscall.ECONNRESET)}),
		"cannot create job ns/j: Post: dial tcp: lookup: no such host":                               request(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.corp.example", Server: "192.0.2.53:53"}}),
		"cannot create job ns/j: Post: dial tcp: lookup: read udp: i/o timeout":                      request(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "read udp 192.0.2.2:4000->192.0.2.53:53: i/o timeout", Name: "api.corp.example"}}),
		"cannot create job ns/j: Post: tls: failed to verify certificate: x509: not for this server": request(&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.corp.example"}}, Host: "api.corp.example"}}),
		"cannot create job ns/j: Post: getting credentials failed":                                   request(errors.New("getting credentials: exec: executable /home/alice/bin/login failed with exit code 1")),
		"cannot create job ns/j: Post: open ~/token: no such file or directory":                      request(&os.PathError{Op: "open", Path: "/home/alice/token", Err: syscall.ENOENT}),
		`cannot watch *v1.Pod in namespace ns: pods is forbidden: this user cannot list resource "pods" in API group "" in the namespace "ns"; the right to list pods is needed there`: forbidden(`User "al\"ice@corp.example" cannot list resource "pods" in API group "" in the namespace "ns": role of alice@corp.example not found`),
		`cannot watch *v1.Pod in namespace ns: pods is forbidden: exceeded quota: q; the right to list pods is needed there`:                                                           forbidden("exceeded quota: q"),
		`admission webhook "w.example.com" denied the request: no`:                                                                                                                     errors.New(`admission webhook "w.example.com" denied the request: no`),
		"after 90 s: 3 of 4 pods: dial no one": errors.New("after 90 s: 3 of 4 pods: dial no one"),
		"Get: EOF\nGet: unexpected EOF":        errors.Join(&url.Error{Op: "Get", URL: "https://192.0.2.1/api", Err: io.EOF}, &url.Error{Op: "Get", URL: "https://192.0.2.1", Err: io.ErrUnexpectedEOF}),
	} {
		got := Anonymous(err.Error())
		require.Equal(t, want, got, err.Error())
		require.Equal(t, want, Anonymous(got), "nothing is left to be done")
	}
}

func TestAsUser(t *testing.T) {
	for _, c := range []struct {
		host, want, user, password string
	}{
		{host: "https://10.0.0.1:6443", want: "https://10.0.0.1:6443"},
		{host: "10.0.0.1:6443", want: "https://10.0.0.1:6443"},
		{host: "https://rancher/k8s/clusters/c-1/", want: "https://rancher/k8s/clusters/c-1"},
		{host: "https://[fd00::1]:6443", want: "https://[fd00::1]:6443"},
		{host: "https://u:p%40s@h:1", want: "https://h:1", user: "u", password: "p@s"},
		{host: "https://token@h:1/?a=b#c", want: "https://h:1", user: "token"},
		{host: "u:p@h:1", want: "https://h:1", user: "u", password: "p"},
	} {
		cfg := &rest.Config{Host: c.host, BearerToken: "t", TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
		require.NoError(t, asUser(cfg), c.host)
		require.Equal(t, c.want, cfg.Host)
		require.Equal(t, c.user, cfg.Username, c.host)
		require.Equal(t, c.password, cfg.Password, c.host)
		require.Equal(t, c.user == "", cfg.BearerToken == "t", "%s: who stands in the address counts", c.host)
		_, err := rest.HTTPClientFor(cfg)
		require.NoError(t, err, c.host)
	}
	err := asUser(&rest.Config{Host: "https://u:secret/p@h:1"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

// What other programs say about addresses, as they say it.
func TestRedactedError(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://user:secret/secret@proxy:3128")
	loader := clientcmd.NewDefaultClientConfig(clientcmdapi.Config{Clusters: map[string]*clientcmdapi.Cluster{
		"c": {Server: "https://user:sec\"ret@host:1", ProxyURL: "user:secret@proxy"},
	}}, nil)
	for said, want := range map[string]string{
		`invalid proxy address "http://user:secret/secret@proxy:3128": parse "http://user:secret/secret@proxy:3128": invalid port ":secret" after host`: `invalid proxy address "http://proxy:3128": parse "http://proxy:3128": invalid port after host`,
		`host must be a URL or a host:port pair: "https://user:sec\"ret@host:1"`:                                                                        `host must be a URL or a host:port pair: "https://host:1"`,
		`cannot use user:secret@proxy`:                    `cannot use proxy`,
		`Get "https://secret@elsewhere:1/version": EOF`:   `Get "https://***@elsewhere:1/version": EOF`,
		`open /home/me/.kube/key.pem: no such file`:       `open /home/me/.kube/key.pem: no such file`,
		`dial tcp 10.0.0.1:6443: connect: no route (a@b)`: `dial tcp 10.0.0.1:6443: connect: no route (a@b)`,
	} {
		cause := errors.New(said)
		err := redact(loader, cause)
		require.Equal(t, want, err.Error())
		require.ErrorIs(t, err, cause)
	}
}
