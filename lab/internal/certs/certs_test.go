package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestIssue(t *testing.T) {
	ca, _, err := NewAuthority("test")
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca.PEM))

	server, err := ca.Issue(Subject{CommonName: "s", Names: []string{"kubernetes"}, Addrs: []netip.Addr{netip.MustParseAddr("10.96.0.1")}})
	require.NoError(t, err)
	client, err := ca.Issue(Subject{CommonName: "system:node:n", Organization: "system:nodes"})
	require.NoError(t, err)
	parse := func(p Pair) *x509.Certificate {
		_, err := tls.X509KeyPair(p.Cert, p.Key)
		require.NoError(t, err, "the key fits")
		block, _ := pem.Decode(p.Cert)
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return c
	}
	for _, name := range []string{"kubernetes", "10.96.0.1"} {
		_, err = parse(server).Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		require.NoError(t, err, name)
	}
	c := parse(client)
	_, err = c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
	_, err = c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	require.Error(t, err, "a client cannot pass for a server")
	require.Equal(t, []string{"system:nodes"}, c.Subject.Organization)
}

func TestWriteKubeconfig(t *testing.T) {
	ca, _, err := NewAuthority("test")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, ca.WriteKubeconfig(file, "lab", "https://198.18.96.1:6443", Subject{CommonName: "me"}))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var config struct {
		CurrentContext string `json:"current-context"`
		Clusters       []struct{ Cluster map[string]string }
	}
	require.NoError(t, yaml.Unmarshal(b, &config))
	require.Equal(t, "lab", config.CurrentContext)
	require.Equal(t, "https://198.18.96.1:6443", config.Clusters[0].Cluster["server"])
	pem, err := base64.StdEncoding.DecodeString(config.Clusters[0].Cluster["certificate-authority-data"])
	require.NoError(t, err)
	require.Equal(t, ca.PEM, pem)
}
