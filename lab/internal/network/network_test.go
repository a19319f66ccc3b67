package network

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/layout"
)

func TestOverlaps(t *testing.T) {
	for dst, want := range map[string]string{
		"default":         "",
		"0.0.0.0/0":       "",
		"192.168.0.0/16":  "",
		"10.243.255.0/24": "",
		"10.112.0.0/12":   "",
		"10.244.7.0/24":   "10.244.0.0/16",
		"10.244.1.2":      "10.244.0.0/16",
		"10.111.255.255":  "10.96.0.0/12",
		"10.0.0.0/8":      "10.244.0.0/16", // a VPN's
		"198.18.0.0/15":   "198.18.96.0/24",
	} {
		p, ok := Route{Dst: dst}.Overlaps()
		require.Equal(t, want != "", ok, dst)
		if ok {
			require.Equal(t, want, p.String(), dst)
		}
	}
}

func TestPlans(t *testing.T) {
	nodes := layout.State("/var/lib/headless-job-lab").Nodes(2)
	host := strings.Join(hostPlan("/var/lib/headless-job-lab", nodes), "\n")
	require.Equal(t, `link add hjlab-host type veth peer name host netns hjlab-cp
link set hjlab-host alias "headless-job-lab /var/lib/headless-job-lab"
link set hjlab-host addrgenmode none
addr add 198.18.96.254/24 dev hjlab-host
link set hjlab-host up
route add proto 96 blackhole 10.244.0.0/16
route add proto 96 blackhole 10.96.0.0/12
route add proto 96 10.244.1.0/24 via 198.18.96.11 dev hjlab-host
route add proto 96 10.244.2.0/24 via 198.18.96.12 dev hjlab-host`, host)
	require.Equal(t, `addr add 198.18.96.12/24 dev eth0
link set eth0 up
route add blackhole 10.244.0.0/16
route add 10.96.0.0/12 via 198.18.96.1
route add 10.244.1.0/24 via 198.18.96.11`, strings.Join(nodePlan(nodes[1], nodes), "\n"))

	all := host + strings.Join(controlPlan(nodes), "\n") + strings.Join(nodePlan(nodes[0], nodes), "\n")
	require.NotContains(t, all, "default", "nothing may leave the machine")
	require.NotContains(t, all, "0.0.0.0/0")
	for _, name := range []string{layout.HostLink, nodes[1].Netns()} {
		require.LessOrEqual(t, len(name), 15, "the kernel's limit for a link")
	}
}

func TestMarks(t *testing.T) {
	var links []Link
	require.NoError(t, json.Unmarshal([]byte(`[
		{"ifname": "hjlab-host", "ifalias": "headless-job-lab /my lab"},
		{"ifname": "hjlab-host", "ifalias": "headless-job-labX /my"},
		{"ifname": "hjlab-host"}]`), &links))
	state, ok := links[0].marked()
	require.True(t, ok)
	require.Equal(t, layout.State("/my lab"), state)
	for _, l := range links[1:] {
		_, ok := l.marked()
		require.False(t, ok)
	}
}

func TestRoutes(t *testing.T) {
	var routes []Route
	// As iproute2 6.1 prints them.
	require.NoError(t, json.Unmarshal([]byte(`[
		{"type":"blackhole","dst":"10.96.0.0/12","protocol":"96","scope":"global","flags":[]},
		{"type":"unicast","dst":"198.18.96.0/24","dev":"hjlab-host","protocol":"kernel","flags":[]},
		{"type":"unicast","dst":"default","gateway":"192.0.2.1","dev":"eth0","protocol":"boot","flags":[]}]`), &routes))
	require.True(t, routes[0].Ours())
	require.Equal(t, "blackhole 10.96.0.0/12", routes[0].String())
	require.True(t, routes[1].Ours())
	require.False(t, routes[2].Ours())
	require.Equal(t, "default dev eth0", routes[2].String())
}
