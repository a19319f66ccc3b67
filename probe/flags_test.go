package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// good are the flags that a pod needs.
var good = []string{"--job=flux", "--service=flux", "--namespace=lab", "--pods=4", "--index=1"}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"--observer=all", `invalid value "all" for flag -observer: want solo, peers, peers+server, prime, caching or empty-service`},
		{"--pods=0", `invalid value "0" for flag -pods: want a whole number from 1 to 1000`},
		{"--pods=-3", `invalid value "-3" for flag -pods: want a whole number from 1 to 1000`},
		{"--pods=many", `invalid value "many" for flag -pods: want a whole number from 1 to 1000`},
		{"--index=4", `invalid value "4" for flag -index: want 0 to 3, the number of pods less one`},
		{"--index=-1", `invalid value "-1" for flag -index: want a whole number from 0 to 999`},
		{"--interval=0s", `invalid value "0s" for flag -interval: want a positive duration, such as 50ms or 3m`},
		{"--interval=50", `invalid value "50" for flag -interval: want a positive duration, such as 50ms or 3m`},
		{"--deadline=-1s", `invalid value "-1s" for flag -deadline: want a positive duration, such as 50ms or 3m`},
		{"--first-query-after=5m", `invalid value "5m0s" for flag -first-query-after: want less than the deadline, 3m0s`},
		{"--first-query-after=-1s", `invalid value "-1s" for flag -first-query-after: want 0s or a duration, such as 5s`},
		{"--connect-timeouts=none,0s", `invalid value "none,0s" for flag -connect-timeouts: want a comma-separated list of none and positive durations, such as none,30s,5s`},
		{"--connect-timeouts=", `invalid value "" for flag -connect-timeouts: want a comma-separated list of none and positive durations, such as none,30s,5s`},
		{"--dns-replicas=dns:53", `invalid value "dns:53" for flag -dns-replicas: want a comma-separated list of IP:port, such as 10.244.0.2:53,[fd00::2]:53`},
		{"--dns-replicas=10.0.0.1", `invalid value "10.0.0.1" for flag -dns-replicas: want a comma-separated list of IP:port, such as 10.244.0.2:53,[fd00::2]:53`},
		{"--prime=some", `invalid value "some" for flag -prime: want all or leader`},
		{"--port=0", `invalid value "0" for flag -port: want a port from 1 to 65535`},
		{"--address=here", `invalid value "here" for flag -address: want an IP address`},
		{"--job=Flux_", `invalid value "Flux_" for flag -job: want lower-case letters, digits and '-', at most 63`},
		{"--job=" + strings.Repeat("x", 62), `invalid value "` + strings.Repeat("x", 62) + `" for flag -job: want a name of which "` + strings.Repeat("x", 62) + `-3" fits into 63 characters`},
		{"--service=a.b", `invalid value "a.b" for flag -service: want lower-case letters, digits and '-', at most 63`},
		{"--namespace=", `invalid value "" for flag -namespace: want lower-case letters, digits and '-', at most 63`},
		{"--domain=a..b", `invalid value "a..b" for flag -domain: want a domain name`},
		{"--exit-after=0", `invalid value "0" for flag -exit-after: want a positive duration, such as 50ms or 3m`},
		{"--verbose", `flag provided but not defined: -verbose; want what --help lists`},
		{"now", `unexpected argument "now"; want flags only, see --help`},
		{"--resolv-conf=/nowhere", `invalid value "/nowhere" for flag -resolv-conf: want a file that can be read: open /nowhere: no such file or directory`},
	} {
		t.Run(c.arg, func(t *testing.T) {
			var out bytes.Buffer
			err := run(context.Background(), time.Now(), append(good[:len(good):len(good)], c.arg), noEnv, &out)
			require.EqualError(t, err, c.want)
			require.Equal(t, 2, exitCode(err))
			require.Empty(t, out.String())
		})
	}
}

func TestEnvironmentFillsIn(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(k string) string { return vars[k] } }
	cfg, err := parseFlags(good[:2], env(map[string]string{}))
	require.Nil(t, cfg)
	require.EqualError(t, err, `invalid value "" for flag -namespace: want lower-case letters, digits and '-', at most 63`)

	args := []string{"--job=flux", "--service=flux", "--pods=4"}
	_, err = parseFlags(args, env(map[string]string{"NAMESPACE": "lab", "JOB_COMPLETION_INDEX": "x"}))
	require.EqualError(t, err, `invalid value "x" for JOB_COMPLETION_INDEX: want a whole number from 0 to 999`)
	_, err = parseFlags(args, env(map[string]string{"NAMESPACE": "lab"}))
	require.EqualError(t, err, `invalid value "-1" for flag -index: want 0 to 3, the number of pods less one`)

	cfg, err = parseFlags(args, env(map[string]string{
		"NAMESPACE": "lab", "JOB_COMPLETION_INDEX": "2", "POD_NAME": "flux-2-abc", "POD_UID": "u", "NODE_NAME": "n1",
	}))
	require.NoError(t, err)
	require.Equal(t, "lab", cfg.namespace)
	require.Equal(t, 2, cfg.index)
	require.Equal(t, []string{"flux-2-abc", "u", "n1"}, []string{cfg.pod, cfg.uid, cfg.node})
	require.Equal(t, record.Peers, cfg.observer)
	require.Equal(t, 24*time.Millisecond, cfg.interval)
	require.EqualValues(t, 8050, cfg.port)
}

// All pods together ask a server 1000 questions a second, unless told
// otherwise: the runner's own formula.
func TestDefaultInterval(t *testing.T) {
	for pods, want := range map[string]time.Duration{"3": 20 * time.Millisecond, "4": 24 * time.Millisecond, "16": 288 * time.Millisecond, "100": 10200 * time.Millisecond} {
		cfg, err := parseFlags(append(good[:len(good):len(good)], "--pods="+pods, "--index=0"), noEnv)
		require.NoError(t, err)
		require.Equal(t, want, cfg.interval, pods)
	}
}

func TestConnectTimeoutsAreDealtOut(t *testing.T) {
	var got []time.Duration
	for _, index := range []string{"0", "1", "2", "3", "4"} {
		cfg, err := parseFlags([]string{"--job=flux", "--service=flux", "--namespace=lab", "--pods=5", "--index=" + index, "--connect-timeouts=none,30s,1s"}, noEnv)
		require.NoError(t, err)
		got = append(got, cfg.connectTimeout())
	}
	require.Equal(t, []time.Duration{0, 0, 30 * time.Second, time.Second, 0}, got)
}

// The caching observer takes part in no Job and need not be told one.
func TestCachingNeedsNoJob(t *testing.T) {
	cfg, err := parseFlags([]string{"--observer=caching"}, noEnv)
	require.NoError(t, err)
	require.Equal(t, "default", cfg.namespace)
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), time.Now(), []string{"--help"}, noEnv, &out))
	require.Contains(t, out.String(), "-connect-timeouts list")
}

// The extra pods of an experiment run the same image and do nothing.
func TestIdleAndExitAfter(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), time.Now(), []string{"--exit-after=10ms"}, noEnv, &out))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- run(ctx, time.Now(), []string{"--idle"}, noEnv, &out) }()
	select {
	case <-ended:
		t.Fatal("an idle pod ended by itself")
	case <-time.After(50 * time.Millisecond):
	}
	stop()
	require.NoError(t, <-ended)
	require.Empty(t, out.String())
}
