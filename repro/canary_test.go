package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

// Secrets are planted in the kubeconfig; then the program runs as far as it
// gets, and every byte that it printed or wrote is searched for them.

// canary is a secret and how it would look if it got out.
type canary struct{ name, text string }

func (c canary) forms() []string {
	std := base64.StdEncoding.EncodeToString([]byte(c.text))
	// Within other base64 text its own begins at any of three bits.
	inner := func(skip int) string {
		s := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", skip) + c.text))
		return s[4 : len(s)-4]
	}
	return []string{c.text, std, inner(1), inner(2), fmt.Sprintf("%x", c.text), strings.ToUpper(c.text)}
}

// birds are all canaries that were planted in a test.
type birds []canary

func (b *birds) plant(name string) string {
	text := fmt.Sprintf("canary-%s-%s-sings", name, newID())
	*b = append(*b, canary{name, text})
	return text
}

// plantKey makes a client certificate with its key; any line of either is one.
func (b *birds) plantKey(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: b.plant("certificate")},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(k)
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		*b = append(*b, canary{kind, strings.Split(text, "\n")[1]})
		return base64.StdEncoding.EncodeToString([]byte(text))
	}
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", private)
}

// silent checks that none of them got out.
func (b birds) silent(t *testing.T, what string, text []byte) {
	t.Helper()
	for _, c := range b {
		for _, form := range c.forms() {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				t.Errorf("%s: the %s got out: ...%s...", what, c.name, text[max(0, i-100):min(len(text), i+len(form)+20)])
				break
			}
		}
	}
}

func TestCanaries(t *testing.T) {
	klog.SetLogger(logr.Discard()) // as main does
	script := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "plugin")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
		return path
	}
	exec := func(path, args string) string {
		return fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, args: [%s], interactiveMode: Never, env: [{name: SECRET, value: %q}]}", path, args, args)
	}
	refuse := func(code int, path string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, path) && !strings.HasSuffix(r.URL.Path, "/namespaces/kube-system") {
				w.WriteHeader(code)
				return true
			}
			return false
		}
	}
	for _, tc := range []struct {
		name    string
		user    func(t *testing.T, b *birds) string // what the user's entry holds
		cluster func(b *birds) string               // more of the cluster's entry
		server  func(b *birds, url string) string
		file    func(b *birds, text string) string // what becomes of the file
		args    func(b *birds) []string
		instead func(http.ResponseWriter, *http.Request) bool
		code    int
		gets    func(b birds) string // a header that proves that the secret was used
	}{
		{name: "token", user: func(t *testing.T, b *birds) string { return "token: " + b.plant("token") }, gets: bearer},
		{name: "token file", user: func(t *testing.T, b *birds) string {
			path := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(path, []byte(b.plant("token")), 0o600))
			return "tokenFile: " + path
		}, gets: bearer},
		{name: "flag", args: func(b *birds) []string { return []string{"--token", b.plant("token")} }, gets: bearer},
		{name: "flag beside a wrong one", args: func(b *birds) []string { return []string{"--token", b.plant("token"), "--pods", "x"} }, code: 2},
		{name: "flag of an unknown command", args: func(b *birds) []string { return []string{"--token", b.plant("token"), "run"} }, code: 2},
		{name: "password", user: func(t *testing.T, b *birds) string { return "username: u, password: " + b.plant("password") },
			gets: basic},
		{name: "certificate", user: func(t *testing.T, b *birds) string {
			cert, key := b.plantKey(t)
			return fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", cert, key)
		}},
		{name: "certificate and another key", user: func(t *testing.T, b *birds) string {
			cert, _ := b.plantKey(t)
			_, key := b.plantKey(t)
			return fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", cert, key)
		}, code: 1},
		{name: "key that is none", user: func(t *testing.T, b *birds) string {
			cert, _ := b.plantKey(t)
			return fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", cert, base64.StdEncoding.EncodeToString([]byte(b.plant("key"))))
		}, code: 1},
		{name: "exec plugin", user: func(t *testing.T, b *birds) string {
			return exec(script(t, `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"'`+b.plant("token")+`'"}}'`), b.plant("argument"))
		}, gets: bearer},
		{name: "exec plugin that fails", user: func(t *testing.T, b *birds) string {
			return exec(script(t, "echo "+b.plant("token")+"; exit 3"), b.plant("argument"))
		}, code: 1},
		{name: "exec plugin that babbles", user: func(t *testing.T, b *birds) string {
			return exec(script(t, "echo "+b.plant("token")), b.plant("argument"))
		}, code: 1},
		{name: "exec plugin of another version", user: func(t *testing.T, b *birds) string {
			return exec(script(t, `echo '{"kind":"ExecCredential","apiVersion":"v9","status":{"token":"`+b.plant("token")+`"}}'`), b.plant("argument"))
		}, code: 1},
		{name: "exec plugin that is not there", user: func(t *testing.T, b *birds) string {
			return exec("/nowhere/plugin", b.plant("argument"))
		}, code: 1},
		{name: "auth provider", user: func(t *testing.T, b *birds) string {
			return "auth-provider: {name: oidc, config: {id-token: " + b.plant("token") + ", refresh-token: " + b.plant("refresh") + ", client-secret: " + b.plant("secret") + ", idp-issuer-url: https://127.0.0.1:1, client-id: i}}"
		}, code: 1},
		{name: "password in the server's address", server: func(b *birds, url string) string {
			return strings.Replace(url, "https://", "https://u:"+b.plant("password")+"@", 1)
		}, gets: basic},
		{name: "password in the address of a server that is not there", server: func(b *birds, url string) string {
			return "https://user:" + b.plant("password") + "@127.0.0.1:1"
		}, code: 1},
		{name: "password in the address of a proxy that is not there", cluster: func(b *birds) string {
			return ", proxy-url: \"http://user:" + b.plant("password") + "@127.0.0.1:1\""
		}, code: 1},
		{name: "token for a user in the server's address", server: func(b *birds, url string) string {
			return strings.Replace(url, "https://", "https://"+b.plant("token")+"@", 1)
		}},
		{name: "token in the query of the server's address", server: func(b *birds, url string) string {
			return url + "/?access_token=" + b.plant("token")
		}},
		{name: "password with an at sign", server: func(b *birds, url string) string {
			return "https://user:p@" + b.plant("password") + "@127.0.0.1:1"
		}, code: 1},
		{name: "password with a slash", server: func(b *birds, url string) string {
			return "https://user:" + b.plant("first") + "/" + b.plant("second") + "@127.0.0.1:1"
		}, code: 1},
		{name: "proxy's password with a slash", cluster: func(b *birds) string {
			return ", proxy-url: \"http://user:" + b.plant("first") + "/" + b.plant("second") + "@127.0.0.1:1\""
		}, code: 1},
		{name: "token for a user in the proxy's address", cluster: func(b *birds) string {
			return ", proxy-url: \"http://" + b.plant("token") + "@127.0.0.1:1\""
		}, code: 1},
		{name: "password with a space", server: func(b *birds, url string) string {
			return "https://user:" + b.plant("first") + " " + b.plant("second") + "@127.0.0.1:1"
		}, code: 1},
		{name: "password with a percent sign", server: func(b *birds, url string) string {
			return "https://user:%zz" + b.plant("password") + "@127.0.0.1:1"
		}, code: 1},
		{name: "address without a scheme", server: func(b *birds, url string) string {
			return "user:" + b.plant("password") + "@127.0.0.1:1"
		}, code: 1},
		{name: "address that is none", server: func(b *birds, url string) string { return "https://user:" + b.plant("password") + "@[::1" }, code: 1},
		{name: "proxy address that is none", cluster: func(b *birds) string {
			return ", proxy-url: \"http://user:" + b.plant("password") + "@[::1\""
		}, code: 1},
		{name: "file that is cut off", file: func(b *birds, text string) string {
			return text + "extensions:\n- name: x\n  extension: {token: " + b.plant("token")
		}, code: 1},
		{name: "file with a list for an object", file: func(b *birds, text string) string {
			return text + "preferences: [" + b.plant("token") + "]\n"
		}, code: 1},
		{name: "file of another kind", file: func(b *birds, text string) string {
			return "apiVersion: v1\nkind: Secret\nstringData: {token: " + b.plant("token") + "}\n"
		}, code: 1},
		{name: "file with a token that is no text", user: func(t *testing.T, b *birds) string { return "token: {a: " + b.plant("token") + "}" }, code: 1},
		{name: "file with data that are no base64", user: func(t *testing.T, b *birds) string {
			return "client-key-data: \"" + b.plant("key") + "!\""
		}, code: 1},
		{name: "unauthorized", user: token, instead: refuse(401, "/version"), code: 1},
		{name: "unauthorized later", user: token, instead: refuse(401, "/jobs"), code: 1},
		{name: "forbidden", user: token, instead: refuse(403, "/namespaces"), code: 2},
		{name: "server error", user: token, instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/services") {
				return false
			}
			w.WriteHeader(500)
			return true
		}, code: 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeAPI(t)
			f.instead = tc.instead
			var b birds
			user, cluster, server := "", "", f.URL
			if tc.user != nil {
				user = tc.user(t, &b)
			}
			if tc.cluster != nil {
				cluster = tc.cluster(&b)
			}
			if tc.server != nil {
				server = tc.server(&b, server)
			}
			var more []string
			if tc.args != nil {
				more = tc.args(&b)
			}
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
			b = append(b, canary{"CA", strings.Split(string(ca), "\n")[1]})
			text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s%s}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
users: [{name: u, user: {%s}}]
`, server, base64.StdEncoding.EncodeToString(ca), cluster, user)
			if tc.file != nil {
				text = tc.file(&b, text)
			}
			dir := t.TempDir()
			path := filepath.Join(t.TempDir(), "config")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

			args := []string{"--kubeconfig", path, "--results", dir, "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers", "--pods", "2"}
			args = append(args, more...)
			var out, errs bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := run(ctx, args, &out, &errs)
			if err != nil {
				fmt.Fprintln(&errs, "repro:", err)
			}
			require.Equal(t, tc.code, exitCode(err), "%s%s", errs.String(), out.String())
			t.Logf("%s", lastLine(errs.String()))
			if tc.gets != nil {
				f.mu.Lock()
				require.Equal(t, tc.gets(b), f.headers[len(f.headers)-1].Get("Authorization"))
				f.mu.Unlock()
			}
			b.silent(t, "stdout", out.Bytes())
			b.silent(t, "stderr", errs.Bytes())
			files := 0
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				files++
				text, err := os.ReadFile(path)
				b.silent(t, filepath.Base(path), text)
				return err
			}))
			if tc.code == 0 {
				require.GreaterOrEqual(t, files, 4, "plan, trials, environment, report")
				for _, format := range []string{"form", "comment"} {
					var out bytes.Buffer
					require.NoError(t, run(ctx, []string{"report", "--format", format, filepath.Join(dir, "latest")}, &out, &out))
					b.silent(t, "report", out.Bytes())
				}
			}
		})
	}
}

func token(_ *testing.T, b *birds) string { return "token: " + b.plant("token") }

func basic(b birds) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+b[0].text))
}

func bearer(b birds) string { return "Bearer " + b[0].text }
