package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// deadAddress is where connects in these tests end in silence: a listener
// whose queue is full, so that the kernel drops every further SYN, as a routed
// network does with those for a pod that is gone.
const deadAddress = "127.0.9.200"

func blackhole(t *testing.T, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	at := &syscall.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(deadAddress).As4()}
	require.NoError(t, syscall.Bind(fd, at))
	require.NoError(t, syscall.Listen(fd, 0))
	for range 20 {
		c, err := net.DialTimeout("tcp", fmt.Sprint(deadAddress, ":", port), 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the kernel accepts connections beyond a listener's backlog")
}

// listenAs answers connects to an address as a pod of that identity does.
func listenAs(t *testing.T, ip string, port int, who record.Who) {
	t.Helper()
	l, err := listen(context.Background(), &config{address: ip, port: uint16(port)})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go serve(l, who, func(netip.Addr) {}, nil)
}

// leader is index 0 of the tests' trial.
var leader = record.Who{Run: "r", Trial: "t1", Job: "flux"}

func names(asked []asked) (list []string) {
	for _, a := range asked {
		list = append(list, a.String())
	}
	return list
}

// A worker asks for the leader's A record and nothing else, as glibc does for
// a name of five dots: as it is first, then through the search list.
func TestSoloAsksOnlyForTheLeader(t *testing.T) {
	t.Parallel()
	z := newZone()
	s := serveDNS(t, after(8, func() { z.set(fqdn(0), podAddr(0)) }, z.handle))
	port := freePort(t)
	listenAs(t, podAddr(0), port, leader)
	p := start(t, append(args(t, 2, 4, port, s.addr), "--observer=solo", "--dns-replicas="+s.addr)...)
	log := p.log()
	round := []string{
		"flux-0.flux.lab.svc.cluster.local. A",
		"flux-0.flux.lab.svc.cluster.local.lab.svc.cluster.local. A",
		"flux-0.flux.lab.svc.cluster.local.svc.cluster.local. A",
		"flux-0.flux.lab.svc.cluster.local.cluster.local. A",
	}
	require.Equal(t, append(append(append([]string(nil), round...), round...), round[0]), names(s.questions()))
	ports := map[string]bool{}
	for _, q := range s.questions() {
		require.False(t, q.do || q.cd)
		ports[q.from] = true
	}
	require.Greater(t, len(ports), 5, "each question from a new port")

	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	require.Equal(t, map[string]int{"client": 9}, done.Questions)
	var suffixes []string
	for _, l := range answers(log) {
		suffixes = append(suffixes, l.Answer.Suffix)
		require.Equal(t, 0, l.Answer.Peer)
	}
	require.Equal(t, []string{"", "lab.svc.cluster.local", "svc.cluster.local", "cluster.local", ""}, suffixes)

	// It stays, silent, until it is released.
	asked := len(s.questions())
	time.Sleep(300 * time.Millisecond)
	require.Len(t, s.questions(), asked)
	p.release()
}

// libzmq's rules: a connect lasts until the connect time-out, every attempt
// resolves again, and attempts are 100 to 200 ms apart.
func TestSoloFollowsLibzmq(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	blackhole(t, port)
	z := newZone()
	z.set(fqdn(0), deadAddress)
	s := serveDNS(t, after(3, func() { z.set(fqdn(0), podAddr(0)) }, z.handle))
	listenAs(t, podAddr(0), port, leader)
	p := start(t, append(args(t, 2, 4, port, s.addr), "--observer=solo", "--connect-timeouts=none,300ms,10s")...)
	log := p.log()
	require.EqualValues(t, 300*time.Millisecond, log.Start().ConnectTimeout)

	seen := s.questions()
	require.Len(t, seen, 4, "every attempt asks again")
	shortest := patient
	for i := range 3 {
		gap := seen[i+1].at.Sub(seen[i].at)
		require.GreaterOrEqual(t, gap, 300*time.Millisecond+reconnectMin-5*time.Millisecond)
		shortest = min(shortest, gap)
	}
	// A machine that halts makes one of them long, another limit all of them.
	require.Less(t, shortest, 10*time.Second)
	list := dials(log)
	require.Len(t, list, 2)
	dead, live := list[0].Dial, list[1].Dial
	require.Equal(t, record.DialTimeout, dead.Outcome)
	require.Equal(t, deadAddress, dead.Addr)
	require.EqualValues(t, 300*time.Millisecond, dead.Limit)
	require.Equal(t, 3, closed(log, dead.ID).Count)
	require.GreaterOrEqual(t, closed(log, dead.ID).MinRTT, int64(300*time.Millisecond))
	require.Equal(t, record.Connected, live.Outcome)
	require.NotZero(t, live.Who.Wall)
	require.GreaterOrEqual(t, live.WhoAt, list[1].T)
}

// Without a time-out the kernel decides, here longer than the trial lasts.
func TestSoloWithoutTimeoutIsCut(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	blackhole(t, port)
	z := newZone()
	z.set(fqdn(0), deadAddress)
	s := serveDNS(t, z.handle)
	log := start(t, append(args(t, 1, 4, port, s.addr), "--observer=solo", "--connect-timeouts=none,300ms", "--deadline=2s")...).log()
	list := dials(log)
	require.Len(t, list, 1)
	require.Equal(t, record.DialCut, list[0].Dial.Outcome)
	require.Zero(t, list[0].Dial.Limit)
	require.GreaterOrEqual(t, list[0].T, int64(2*time.Second))
	done, _ := log.Done()
	require.Equal(t, "deadline", done.Reason)
	require.Len(t, s.questions(), 1)
}

// An address may have a new owner: a connect to it is a failed attempt.
func TestSoloDoesNotTakeAnotherPodForTheLeader(t *testing.T) {
	for name, who := range map[string]record.Who{
		"another trial": {Run: "r", Trial: "t0", Job: "flux"},
		"another run":   {Run: "q", Trial: "t1", Job: "flux"},
		"another job":   {Run: "r", Trial: "t1", Job: "lammps"},
		"another index": {Run: "r", Trial: "t1", Job: "flux", Index: 2, UID: "u2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newZone()
			z.set(fqdn(0), podAddr(9))
			s := serveDNS(t, after(2, func() { z.set(fqdn(0), podAddr(0)) }, z.handle))
			port := freePort(t)
			listenAs(t, podAddr(9), port, who)
			listenAs(t, podAddr(0), port, leader)
			log := start(t, append(args(t, 1, 4, port, s.addr), "--observer=solo")...).log()
			list := dials(log)
			require.Len(t, list, 2)
			require.Equal(t, record.Connected, list[0].Dial.Outcome)
			require.Equal(t, 2, closed(log, list[0].Dial.ID).Count)
			who.Wall = list[0].Dial.Who.Wall
			require.Equal(t, who, *list[0].Dial.Who)
			require.Equal(t, leader.Index, list[1].Dial.Who.Index)
		})
	}
}

// What answers at the port may be no probe at all.
func TestStrangersAtThePort(t *testing.T) {
	for _, c := range []struct {
		name, says, want string
	}{
		{"hangs up", "", "no identity: EOF"},
		{"speaks another protocol", "HTTP/1.1 400 Bad Request\n", "no identity: not a probe"},
		{"never ends its line", strings.Repeat("x", 2*maxWho), "no identity: EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			l, err := net.Listen("tcp", fmt.Sprint(podAddr(9), ":", port))
			require.NoError(t, err)
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conn.Write([]byte(c.says))
					conn.(*net.TCPConn).CloseWrite()
					defer conn.Close()
				}
			}()
			z := newZone()
			z.set(fqdn(0), podAddr(9))
			s := serveDNS(t, z.handle)
			p := start(t, append(args(t, 1, 4, port, s.addr), "--observer=solo")...)
			p.says(`"dial":`)
			p.release()
			list := dials(p.log())
			require.Equal(t, record.Connected, list[0].Dial.Outcome)
			require.Nil(t, list[0].Dial.Who)
			require.Equal(t, c.want, list[0].Dial.Err)
		})
	}
}

// Index 0 asks nothing, is done at once, and goes on telling who it is.
func TestSoloLeader(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	port := freePort(t)
	p := start(t, append(args(t, 0, 4, port, s.addr), "--observer=solo")...)
	done, _ := p.log().Done()
	require.Equal(t, "complete", done.Reason)
	require.Empty(t, s.questions())

	c, err := net.Dial("tcp", fmt.Sprint(podAddr(0), ":", port))
	require.NoError(t, err)
	defer c.Close()
	before := time.Now().UnixNano()
	who, err := readWho(c)
	require.NoError(t, err)
	require.InDelta(t, before, who.Wall, float64(patient))
	who.Wall = 0
	require.Equal(t, leader, *who)
	p.release()
	_, err = net.DialTimeout("tcp", fmt.Sprint(podAddr(0), ":", port), time.Second)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// Many callers that read nothing do not keep others from an answer.
func TestListenerIsNotHeldUp(t *testing.T) {
	port := freePort(t)
	listenAs(t, podAddr(0), port, leader)
	for range 200 {
		c, err := net.Dial("tcp", fmt.Sprint(podAddr(0), ":", port))
		require.NoError(t, err)
		defer c.Close()
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	}
	c, err := net.Dial("tcp", fmt.Sprint(podAddr(0), ":", port))
	require.NoError(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patient))
	_, err = readWho(c)
	require.NoError(t, err)
}

func TestPortInUse(t *testing.T) {
	port := freePort(t)
	listenAs(t, podAddr(1), port, leader)
	s := serveDNS(t, newZone().handle)
	out := &output{done: make(chan struct{})}
	p := newTestProbe(t, out, append(args(t, 1, 4, port, s.addr), "--observer=solo")...)
	err := p.run(context.Background())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Equal(t, 1, exitCode(err))
	log := (&pod{t: t, out: out}).log()
	done, _ := log.Done()
	require.Equal(t, "error", done.Reason)
	require.Contains(t, done.Err, "address already in use")
	require.Empty(t, s.questions())
}

func TestReconnectDelay(t *testing.T) {
	for range 10_000 {
		d := reconnectDelay()
		require.GreaterOrEqual(t, d, 100*time.Millisecond)
		require.Less(t, d, 200*time.Millisecond)
	}
}
