package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/layout"
)

func TestRecord(t *testing.T) {
	lab := &Lab{State: layout.State(t.TempDir())}
	_, known := lab.record()
	require.False(t, known, "there is none")

	r := Record{Boot: bootID(), Phase: up, Nodes: 2, ClusterDNS: "kubeadm-1.32", Sysctls: map[string]string{"vm/panic_on_oom": "0"}}
	require.NoError(t, writeRecord(lab.State, r))
	got, known := lab.record()
	require.True(t, known)
	require.Equal(t, r, got)

	r.Boot = "the one before"
	require.NoError(t, writeRecord(lab.State, r))
	got, known = lab.record()
	require.False(t, known, "what it tells of ended with the boot")
	require.Equal(t, up, got.Phase)

	require.NoError(t, os.WriteFile(lab.State.File(), []byte("{"), 0o600))
	got, known = lab.record()
	require.False(t, known)
	require.Empty(t, got.Phase, "a file of somebody's is no reason to remove the folder")
}

func TestRemoveState(t *testing.T) {
	state := layout.State(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, os.MkdirAll(state.Logs(), 0o700))
	require.NoError(t, writeRecord(state, Record{}))
	require.NoError(t, removeState(state))
	require.NoDirExists(t, string(state))
	require.NoError(t, removeState(state), "twice is harmless")
}

func TestLock(t *testing.T) {
	const name = "headless-job-lab-test"
	release, err := lock(name)
	require.NoError(t, err)
	_, err = lock(name)
	require.ErrorContains(t, err, "another lab command")
	release()
	release, err = lock(name)
	require.NoError(t, err)
	release()
}

func TestMountsWith(t *testing.T) {
	if _, err := os.Stat("/proc/self/mountinfo"); err != nil {
		t.Skip("no /proc on this system")
	}
	require.NotEmpty(t, mountsWith(func(p string) bool { return p == "/proc" }))
	require.Empty(t, mountsWith(func(string) bool { return false }))
}

func TestTiers(t *testing.T) {
	order := map[string]int{}
	for i, tier := range tiers {
		for _, prefix := range tier {
			order[prefix] = i
		}
	}
	require.Less(t, order[layout.Kubelet], order[layout.APIServerDaemon])
	require.Less(t, order[layout.ControllerManager], order[layout.APIServerDaemon])
	require.Less(t, order[layout.APIServerDaemon], order[layout.Etcd], "an apiserver without etcd hangs")
	require.Equal(t, len(tiers)-1, order[""], "the rest, last")
}
