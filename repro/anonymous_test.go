package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/results"
)

// TestReportsNameNobody: what goes wrong after the program has connected is said
// on the terminal as it is, and kept without who asked and without where the API
// server is.
func TestReportsNameNobody(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t)
	host, user := strings.TrimPrefix(f.URL, "https://"), "alice@corp.example"
	var jobs atomic.Int32
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		refused := false
		switch {
		case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/jobs") || r.URL.Query().Get("dryRun") != "":
			return false
		default:
			n := jobs.Add(1) // the first is the check of the cluster's DNS
			if n != 2 && n != 3 {
				return false
			}
			refused = n == 3
		}
		if refused {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(status(http.StatusForbidden, metav1.StatusReasonForbidden, `jobs.batch is forbidden: User "`+user+`" cannot create resource "jobs" in API group "batch": ask whoever knows `+user))
			return true
		}
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			c.Close()
		}
		return true
	}
	into := t.TempDir()
	var out bytes.Buffer
	err := run(t.Context(), []string{"--kubeconfig", kubeconfigOf(t, f.URL), "--results", into, "--plan", "quick", "--dns", "cluster",
		"--extra", "none", "--observer", "peers", "--pods", "2", "--blocks", "2"}, &out, &out)
	require.Equal(t, exitInvalid, exitCode(err), "%v: %s", err, out.String())
	for _, said := range []string{": cannot create job", `"https://` + host, `User "` + user} {
		require.Contains(t, out.String(), said, "the terminal says all of it")
	}
	all := map[string]string{}
	for _, name := range []string{results.TrialsFile, results.EnvironmentFile, "report.md"} {
		text, err := os.ReadFile(filepath.Join(into, results.Latest, name))
		require.NoError(t, err)
		for what, secret := range map[string]string{"the API server's address": host, "the user's name": user} {
			require.NotContains(t, string(text), secret, "%s: %s got out", name, what)
		}
		all[name] = string(text)
	}
	require.Contains(t, all[results.TrialsFile], `Post: EOF"`)
	require.Contains(t, all[results.TrialsFile], `this user cannot create resource`)
}
