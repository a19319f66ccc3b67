package cluster

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

// TestKubeconfigs: what stands between a user and the API server is named as
// what it is.
func TestKubeconfigs(t *testing.T) {
	page := func(code int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(code)
			_, _ = w.Write([]byte("<html>\n<body>blocked by policy</body></html>"))
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`))
	}))
	defer refusing.Close()
	const token, nobody = "{ token: t }", "https://127.0.0.1:1"
	oidc := "{ auth-provider: { name: oidc, config: { client-id: k, id-token: e30.eyJleHAiOjk5OTk5OTk5OTl9.e30, idp-issuer-url: 'https://idp.example', refresh-token: r } } }"
	for name, tc := range map[string]struct{ server, more, user, context, want string }{
		"an auth provider":         {nobody, "", oidc, "", "nothing listens at the API server's address https://127.0.0.1:1"},
		"--context":                {refusing.URL, "", token, "prod", `refused the credentials of context "prod"`},
		"the file's own context":   {refusing.URL, "", token, "", `refused the credentials of context "here"`},
		"a proxy that is down":     {"https://api.example.invalid:6443", ", proxy-url: 'http://127.0.0.1:2'", token, "", "the proxy on the way to the API server at https://api.example.invalid:6443 failed: dial tcp 127.0.0.1:2"},
		"a SOCKS proxy likewise":   {"https://api.example.invalid:6443", ", proxy-url: 'socks5://127.0.0.1:2'", token, "", "the proxy on the way to the API server at https://api.example.invalid:6443 failed: dial tcp 127.0.0.1:2"},
		"a page that forbids":      {page(http.StatusForbidden), "", token, "", "is not an API server"},
		"a page that wants a name": {page(http.StatusUnauthorized), "", token, "", "is not an API server"},
		"a page":                   {page(http.StatusOK), "", token, "", "is not an API server"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: Config\ncurrent-context: here\n"+
				"clusters: [{ name: c, cluster: { server: '"+tc.server+"'"+tc.more+" } }]\n"+
				"contexts: [{ name: here, context: { cluster: c, user: u } }, { name: prod, context: { cluster: c, user: u } }]\n"+
				"users: [{ name: u, user: "+tc.user+" }]\n"), 0o600))
			loader := Load(
				&clientcmd.ClientConfigLoadingRules{ExplicitPath: file}, &clientcmd.ConfigOverrides{CurrentContext: tc.context})
			_, _, err := Connect(t.Context(), loader)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "blocked")
		})
	}
}
