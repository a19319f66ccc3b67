//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/certs"
	"headless-job-dns/lab/internal/layout"
)

// stranger is somebody whom the lab does not know.
type stranger struct {
	name        string
	token       string
	certificate *tls.Certificate
}

// strangers are nobody, and two who would be cluster-admin and a service
// account, had the lab's own keys signed for them.
func strangers(t *testing.T) []stranger {
	t.Helper()
	other, _, err := certs.NewAuthority("kubernetes")
	require.NoError(t, err)
	pair, err := other.Issue(certs.Subject{CommonName: "admin", Organization: "system:masters"})
	require.NoError(t, err)
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	require.NoError(t, err)
	return []stranger{
		{name: "nobody"},
		{name: "a token that is none", token: "admin"},
		{name: "a token of another key", token: foreignToken(t)},
		{name: "a certificate of another authority", certificate: &certificate},
	}
}

// foreignToken is a service account's token as the lab's API server would issue
// it, signed with another key.
func foreignToken(t *testing.T) string {
	t.Helper()
	pair, err := certs.TokenKey()
	require.NoError(t, err)
	block, _ := pem.Decode(pair.Key)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	require.NoError(t, err)
	issuer := "https://kubernetes.default.svc." + layout.ClusterDomain
	now := time.Now().Unix()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":%q,"aud":[%q],"sub":"system:serviceaccount:kube-system:default","iat":%d,"nbf":%d,"exp":%d,`+
			`"kubernetes.io":{"namespace":"kube-system","serviceaccount":{"name":"default","uid":"1"}}}`,
		issuer, issuer, now, now, now+3600))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	return text + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// ask returns the status of the answer that a stranger gets.
func (s stranger) ask(t *testing.T, url string) int {
	t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true}
	if s.certificate != nil {
		// Also to a server that asks for certificates of its own authority.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	require.NoError(t, err, "%s, %s", s.name, url)
	resp.Body.Close()
	return resp.StatusCode
}

// refusesStrangers: whoever is not the lab's is told nothing by the API server
// and the kubelets, and does not get as far as etcd.
func (e *e2e) refusesStrangers() {
	nodes := layout.State(e.state).Nodes(2)
	urls := []string{layout.APIServer() + "/", layout.APIServer() + "/version", layout.APIServer() + "/healthz", layout.APIServer() + "/api/v1/namespaces"}
	for _, n := range nodes {
		urls = append(urls, fmt.Sprintf("https://%s:10250/pods", n.Addr), fmt.Sprintf("https://%s:10250/metrics", n.Addr))
	}
	for _, s := range strangers(e.T) {
		for _, url := range urls {
			require.Equal(e, http.StatusUnauthorized, s.ask(e.T, url), "%s, %s", s.name, url)
		}
	}
	silent := []string{fmt.Sprintf("%s:2379", layout.ControlAddr)} // etcd
	for _, n := range nodes {
		silent = append(silent, fmt.Sprintf("%s:10255", n.Addr)) // the kubelet without TLS
	}
	for _, addr := range silent {
		_, err := net.DialTimeout("tcp", addr, 5*time.Second)
		require.ErrorIs(e, err, syscall.ECONNREFUSED, addr)
	}
}

// keepsToItself: what the lab writes about itself only its owner can read.
// Below its folders for the nodes are pods' files with modes of their own; the
// state's folder itself keeps others from them.
func (e *e2e) keepsToItself() {
	files := 0
	for _, dir := range []string{"", "pki", "logs"} {
		list, err := filepath.Glob(filepath.Join(e.state, dir, "*"))
		require.NoError(e, err)
		for _, path := range list {
			info, err := os.Lstat(path)
			require.NoError(e, err)
			if info.Mode().IsRegular() {
				files++
				require.Equal(e, fs.FileMode(0o600), info.Mode().Perm(), path)
			}
		}
	}
	require.Greater(e, files, 10)
}
