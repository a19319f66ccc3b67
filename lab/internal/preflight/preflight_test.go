package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
)

func good() Facts {
	return Facts{
		Capabilities:    1<<12 | 1<<21,
		MemoryAvailable: 8 << 30, DiskFree: map[string]uint64{"/var/lib/x": 20 << 30},
	}
}

func TestCheck(t *testing.T) {
	require.NoError(t, Check(good()))
	for name, c := range map[string]struct {
		change func(*Facts)
		want   []string // what was found, and what to do
	}{
		"in a container": {func(f *Facts) { f.Capabilities = 1 << 12 }, []string{"CAP_SYS_ADMIN", "privileged"}},
		"little memory":  {func(f *Facts) { f.MemoryAvailable = 1 << 30 }, []string{"1.0 GiB of memory", "4.0 GiB"}},
		"little disk":    {func(f *Facts) { f.DiskFree["/cache"] = 5 << 30 }, []string{"5.0 GiB free in /cache", "6.0 GiB", "--cache"}},
		"no apt-get": {func(f *Facts) { f.Missing = []string{"ctr", "containerd", "nft"} },
			[]string{"ctr, containerd, nft not found", "containerd, nftables,"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.change(&f)
			err := Check(f)
			require.Error(t, err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			require.NotContains(t, err.Error(), "\n", "one sentence")
		})
	}
	f := good()
	f.Missing, f.Apt = []string{"nft"}, true
	require.NoError(t, Check(f), "what can be installed is no obstacle")
}

func TestCheckUser(t *testing.T) {
	require.NoError(t, CheckUser(0))
	require.ErrorContains(t, CheckUser(1000), "user 1000 is not root: run it with sudo")
}

func TestCheckNetwork(t *testing.T) {
	require.NoError(t, CheckNetwork(network.Foreign{}))
	for want, f := range map[string]network.Foreign{
		"link named hjlab-host":               {Links: []network.Link{{Name: "hjlab-host"}}},
		"network namespace named hjlab-node1": {Netns: []string{"hjlab-node1"}},
		"overlaps the lab's 10.96.0.0/12":     {Routes: []network.Route{{Dst: "10.100.0.0/16", Device: "tun0"}}},
	} {
		require.ErrorContains(t, CheckNetwork(f), want)
	}
}

func TestCheckState(t *testing.T) {
	require.NoError(t, CheckState("/s", nil))
	require.ErrorContains(t, CheckState("/home/me", []string{"letters"}), "/home/me holds letters")
	require.ErrorContains(t, CheckState("/home/my lab", nil), "holds a space")
	require.ErrorContains(t, CheckState(layout.State("/"+strings.Repeat("x", 200)), nil), "longer than 200")
}

func TestPackagesFor(t *testing.T) {
	require.Equal(t, []string{"containerd", "util-linux"}, PackagesFor([]string{"ctr", "containerd", "nsenter", "unshare"}))
	for _, c := range Commands() {
		require.NotEmpty(t, packages[c])
	}
}

func TestGather(t *testing.T) {
	f, err := Gather(t.TempDir() + "/not/there/yet")
	require.NoError(t, err)
	require.NotZero(t, f.MemoryAvailable)
	for _, free := range f.DiskFree {
		require.NotZero(t, free)
	}
}
