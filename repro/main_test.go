package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// try runs the program as main does and returns what it printed and its exit
// code.
func try(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(context.Background(), args, &out, &errs)
	if err != nil {
		fmt.Fprintln(&errs, "repro:", err)
	}
	return out.String(), errs.String(), exitCode(err)
}

// parsed returns what the arguments of a run ask for.
func parsed(args []string) (*options, error) {
	c := &cobra.Command{}
	var f runFlags
	f.declare(c)
	if err := c.ParseFlags(args); err != nil {
		return nil, err
	}
	return f.options(c.Flags())
}

// lastLine is where the error stands.
func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndex(s, "\n")+1:]
}

// kubeconfig writes one for a server and makes it the only one in sight.
func kubeconfig(t *testing.T, server string) {
	t.Helper()
	t.Setenv("KUBECONFIG", kubeconfigOf(t, server))
}

// kubeconfigOf writes one for a server and returns its path.
func kubeconfigOf(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: secret-canary}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
`, server), 0o600))
	return path
}

func TestBadInputNamesValueAndWhatIsAccepted(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	for _, tc := range []struct{ args, want string }{
		{"--extra nginx", `--extra "nginx" is not known; accepted: none, service, service-pod, pod, member-pod, oneshot-pod`},
		{"--dns bind", `--dns "bind" is not known; accepted: cluster, cache-30, uncached`},
		{"--names old", `--names "old" is not known; accepted: fresh, reused`},
		{"--observer all", `--observer "all" is not known; accepted: solo, peers, peers+server`},
		{"--plan slow", `--plan "slow" is not known`},
		{"--pods 0", "--pods 0 is not possible; accepted: 2 to 1000"},
		{"--pods -3", "--pods -3 is not possible"},
		{"--pods many", "many"},
		{"--interval -1s", "--interval -1s is not possible; accepted: 1ms to 24h0m0s"},
		{"--gap -2s", `--gap "-2s" is not known; accepted: no-wait and durations such as 0s, 2s or 35s`},
		{"--gap 2s,,5s", `--gap "" is not known`},
		{"--gap 0s,10s --names fresh", "--gap changes none of the plan's arms; accepted: with --names reused"},
		{"--order first", `--order "first" is not known; accepted: service-first, job-first`},
		{"--publish-not-ready yes", `--publish-not-ready "yes" is not known; accepted: false, true`},
		{"--first-query-after soon", `--first-query-after "soon" is not known; accepted: durations such as 0s, 1s or 5s`},
		{"--first-query-after -1s", `--first-query-after "-1s" is not known; accepted: durations`},
		{"--first-query-after 0s,50s", "--first-query-after 50s is not before the deadline"},
		{"--margin 0s", "--margin 0s is not positive"},
		{"--plan standard --blocks 5", "--blocks 5 cannot show anything: the smallest p of the primary contrast would be 0.062; accepted: 6 or more for plan standard"},
		{"--plan timeouts --blocks 1", "the smallest p of the primary contrast would be 1;"},
		{"--plan nowhere.yaml", "--plan: open nowhere.yaml: no such file or directory; accepted: a readable file"},
		{"--plan ../records/providers.yaml --blocks 2", "--blocks 2 cannot show anything"},
		{"--resume nowhere", "nowhere cannot be used: stat nowhere: no such file"},
		{"--resume ../records/default --blocks 2", "--blocks does not go with --resume"},
		{"--connect-timeouts 1s,-2s", `"--connect-timeouts" flag: holds "-2s"; accepted: none and positive durations`},
		{"--connect-timeouts 0", `"--connect-timeouts" flag: holds "0"`},
		{"--deadline 0s", "--deadline 0s is not possible"},
		{"--run-id Upper", `--run-id "Upper" cannot be part of a name`},
		{"--run-id -x", `"-x"`},
		{"--colour", "unknown flag: --colour"},
		{"everything", `"everything" is not a command; accepted: flags only, or first of all kind, report DIR or clean`},
		{"report", "report needs one folder"},
		{"report /nonexistent", "/nonexistent"},
	} {
		stdout, stderr, code := try(t, strings.Fields(tc.args)...)
		require.Equal(t, 2, code, tc.args)
		require.Contains(t, lastLine(stderr), tc.want, tc.args)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "%s: one line: %s", tc.args, stderr)
		require.Empty(t, stdout, tc.args)
	}
}

func TestHelpTeaches(t *testing.T) {
	stdout, stderr, code := try(t, "--help")
	require.Equal(t, 0, code)
	require.Empty(t, stderr)
	for _, want := range []string{"--kubeconfig", "--context", "-n, --namespace", "--extra", "Exit codes:", "130", "report DIR", "Examples:", "repro help factors"} {
		require.Contains(t, stdout, want)
	}
	for _, line := range strings.Split(stdout, "\n") {
		require.LessOrEqual(t, len(line), 110, "%s", line)
	}
}

// TestDryRun connects, looks, prints the plan and its length, and creates nothing.
func TestDryRun(t *testing.T) {
	f := newFakeAPI(t)
	_, stderr, code, dir := againstFake(t, f, "--dry-run", "--seed", "7")
	require.Equal(t, 0, code, stderr)
	for _, want := range []string{"cluster " + f.URL + ` (context "here"), Kubernetes v1.36.3`, "\nok ", "plan cluster:", "seed 7",
		"questions a second per DNS replica", "namespace lag-", "ClusterRole", "dry run: nothing was created"} {
		require.Contains(t, stderr, want)
	}
	require.Empty(t, f.ours())
	require.NoDirExists(t, dir)
}

// TestMaxLag: the fake's probes are connected 0.4 s after their start.
func TestMaxLag(t *testing.T) {
	for limit, want := range map[string]int{"10ms": exitLate, "20s": exitOK} {
		_, stderr, code, dir := againstFake(t, newFakeAPI(t), "--max-lag", limit, "--plan", "quick", "--dns", "cluster", "--extra", "none", "--observer", "peers")
		require.Equal(t, want, code, "%s: %s", limit, stderr)
		require.Equal(t, want == exitLate, strings.Contains(stderr, "\na trial on the cluster's own DNS took longer than --max-lag 10ms\n"), stderr)
		packed, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.tgz"))
		require.NoError(t, err)
		require.Len(t, packed, 1, "beside the folder of the results")
		text, err := exec.Command("tar", "tzf", packed[0]).Output()
		require.NoError(t, err)
		for _, name := range []string{"plan.json", "trials.jsonl", "environment.json", "report.md", "trials.svg"} {
			require.Contains(t, string(text), "/"+name+"\n")
		}
	}
}

// TestNoCluster: against nothing, one sentence with the next step, non-zero.
func TestNoCluster(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	check := func(want ...string) {
		t.Helper()
		_, stderr, code := try(t, "--plan", "quick")
		require.Equal(t, 1, code)
		for _, w := range want {
			require.Contains(t, lastLine(stderr), w)
		}
		require.NotContains(t, stderr, "secret-canary")
		require.NoDirExists(t, "results", "nothing is made")
	}
	t.Setenv("KUBECONFIG", "")
	check("no cluster is configured", "--kubeconfig", "make kind-repro", "make repro")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	kubeconfig(t, "https://"+addr)
	check("connection refused", addr, "--context")

	refuse := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
	}))
	defer refuse.Close()
	kubeconfig(t, refuse.URL)
	check("refused the credentials", `context "here"`, "log in again")

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	kubeconfig(t, strings.Replace(plain.URL, "http:", "https:", 1))
	check(plain.Listener.Addr().String())

	path := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	t.Setenv("KUBECONFIG", path)
	check("kubeconfig cannot be used")
}
