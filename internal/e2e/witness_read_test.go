package e2e

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func witnessLog(t *testing.T, name string) *os.File {
	f, err := os.Open("testdata/witness/" + name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// The logs are of a Job of four pods as kubectl created it on the lab.
func TestAuditAndContainers(t *testing.T) {
	a, err := readAudit(witnessLog(t, "audit.log"), "inj", "lag", time.Time{})
	require.NoError(t, err)
	require.NoError(t, a.AddContainers(witnessLog(t, "containerd-node1.log")))
	require.Len(t, a.Pods, 4)
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, "2026-11-22T17:52:"+s+"Z")
		require.NoError(t, err)
		return v
	}
	require.Equal(t, window{at("46.805714"), at("46.813321")}, a.Created)
	p := a.Pods[0]
	require.Equal(t, "lag-0-qbrr4", p.Name)
	require.Equal(t, "10.244.1.3", p.IP)
	require.Equal(t, window{at("46.816999"), at("46.825966")}, p.Created)
	require.Equal(t, window{at("46.829447"), at("46.841277")}, p.Scheduled)
	require.Equal(t, window{at("47.485236"), at("47.494540")}, p.Addressed)
	require.Equal(t, p.Addressed, p.Ready)
	require.Equal(t, window{at("47.495252"), at("47.503445")}, p.InSlice)
	require.Equal(t, window{at("47.242212356"), at("47.476491247")}, p.Started)
	require.False(t, a.Pods[2].Started.Known(), "its container is in another node's log")
	// The pod's own clock said 47.476311 for its first instruction.
	require.Zero(t, p.Started.Off(at("47.476311135")))
	require.Equal(t, -time.Millisecond, p.Created.Off(at("46.815999")))
	require.Equal(t, time.Millisecond, p.Created.Off(at("46.826966")))

	for name, other := range map[string]struct {
		job   string
		since time.Time
	}{"another Job": {"lag2", time.Time{}}, "an earlier one": {"lag", at("48")}} {
		a, err := readAudit(witnessLog(t, "audit.log"), "inj", other.job, other.since)
		require.NoError(t, err)
		require.Empty(t, a.Pods, name)
	}
}

func TestQuestionsAndPackets(t *testing.T) {
	q, err := readQuestions(strings.NewReader(`2026-11-22T17:52:47.5Z [INFO] 10.244.1.3:40404 - 4711 "A IN lag-1.headless.inj.svc.cluster.local. udp 60 false 1232" NXDOMAIN qr,aa,rd 153 0.0001s
2026-11-22T17:52:47.6Z [INFO] plugin/ready: still waiting
2026-11-22T17:52:48.5Z [INFO] [fd00::3]:40405 - 4712 "TYPE65280 IN lag-1.headless.inj.svc.cluster.local. udp 60 false 1232" NOERROR qr,aa,rd 153 0.0001s
`))
	require.NoError(t, err)
	require.Len(t, q, 2)
	require.Equal(t, dnsQuestion{At: q[0].Asked, Asked: time.Date(2026, 11, 22, 17, 52, 47, 5e8, time.UTC), Asker: "10.244.1.3", Type: "A",
		Name: "lag-1.headless.inj.svc.cluster.local.", Rcode: "NXDOMAIN", Port: 40404, ID: 4711}, q[0])
	require.Equal(t, "fd00::3", q[1].Asker)

	p, err := readPackets(strings.NewReader(`{"at":"2026-11-22T17:52:47.5Z","From":"10.244.1.3","To":"10.244.2.3","Answer":false}` + "\n"))
	require.NoError(t, err)
	require.Equal(t, "10.244.2.3", p[0].To)
	_, err = readPackets(strings.NewReader("x\n"))
	require.Error(t, err)
}

func TestStamp(t *testing.T) {
	at := func(ms int) time.Time {
		return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	q := []dnsQuestion{
		{At: at(250), Asker: "10.244.1.3", Port: 40404, ID: 4711},
		{At: at(300), Asker: "10.244.1.3", Port: 40404, ID: 4712},
		{At: at(400), Asker: "10.244.1.3", Port: 40404, ID: 4713},
		{At: at(6000), Asker: "10.244.1.3", Port: 40404, ID: 4711},
	}
	stampQuestions(q, []packet{
		{At: at(98), From: "10.244.1.3", Port: 40404, ID: 4711, DNS: true}, // the next link
		{At: at(97), From: "10.244.1.3", Port: 40404, ID: 4711, DNS: true},
		{At: at(101), To: "10.244.1.3", Port: 40404, ID: 4711, DNS: true, Answer: true}, // the next link
		{At: at(100), To: "10.244.1.3", Port: 40404, ID: 4711, DNS: true, Answer: true},
		{At: at(90), To: "10.244.1.4", Port: 40404, ID: 4711, DNS: true, Answer: true},
		{At: at(80), To: "10.244.1.3", Port: 40405, ID: 4711, DNS: true, Answer: true},
		{At: at(70), From: "10.244.1.4", To: "10.244.1.3"},
		{At: at(310), To: "10.244.1.3", Port: 40404, ID: 4712, DNS: true, Answer: true}, // after the line: not this one
		{At: at(350), From: "10.244.1.3", Port: 40404, ID: 4713, DNS: true},             // its answer was not seen
	})
	var told, asked []time.Time
	for _, q := range q {
		told, asked = append(told, q.At), append(asked, q.Asked)
	}
	require.Equal(t, []time.Time{at(100), at(300), at(400), at(6000)}, told)
	require.Equal(t, []time.Time{at(97), at(300), at(350), at(6000)}, asked)
}

// A busy apiserver answers, and logs, a request after others that follow from
// it: nothing of that is lost.
func TestAuditOutOfOrder(t *testing.T) {
	b, err := io.ReadAll(witnessLog(t, "audit.log"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	want, err := readAudit(strings.NewReader(strings.Join(lines, "\n")), "inj", "lag", time.Time{})
	require.NoError(t, err)
	slices.Reverse(lines)
	have, err := readAudit(strings.NewReader(strings.Join(lines, "\n")), "inj", "lag", time.Time{})
	require.NoError(t, err)
	require.Len(t, have.Pods, 4)
	require.Equal(t, want, have)
}
