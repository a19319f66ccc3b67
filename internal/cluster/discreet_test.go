package cluster

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

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
func TestDiscreet(t *testing.T) {
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
		err := discreetly(loader, cause)
		require.Equal(t, want, err.Error())
		require.ErrorIs(t, err, cause)
	}
}
