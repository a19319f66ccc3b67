package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// socketOf is a socket of the test's own: tests share one network namespace.
func socketOf(t *testing.T) string { return "@" + t.Name() + fmt.Sprint(time.Now().UnixNano()) }

func tell(t *testing.T, socket, addr string) {
	t.Helper()
	require.NoError(t, handOver(context.Background(), socket, netip.MustParseAddr(addr)))
}

// startByAddress starts a worker that asks no DNS.
func startByAddress(t *testing.T, socket string, args ...string) *pod {
	t.Helper()
	return startWith(t, func(p *probe) { p.cfg.socket = socket }, append(args, "--observer=solo", "--connect=address")...)
}

// A worker that is to be told the address asks nobody, waits, and joins at once
// when it is told; the wait is on the record.
func TestByAddress(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	port, socket := freePort(t), socketOf(t)
	listenAs(t, podAddr(0), port, leader)
	p := startByAddress(t, socket, args(t, 1, 4, port, s.addr)...)
	p.says(`"start":`)
	time.Sleep(300 * time.Millisecond)
	told := p.p.now()
	tell(t, socket, podAddr(0))
	log := p.log()
	require.True(t, log.Start().ByAddress)
	require.Empty(t, s.questions())

	list := answers(log)
	require.Len(t, list, 1)
	a := list[0].Answer
	require.Equal(t, record.Answer{ID: 1, View: record.Given, Type: "A", Server: record.HandOver, Class: record.Address,
		Addrs: []string{podAddr(0)}, Asked: a.Asked, Prev: -1}, *a)
	require.Less(t, a.Asked, told, "it waited since its start")
	require.Greater(t, list[0].T, told)
	require.Len(t, dials(log), 1)
	require.Equal(t, record.Connected, dials(log)[0].Dial.Outcome)
	require.Equal(t, leader.Job, dials(log)[0].Dial.Who.Job)
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	require.Empty(t, done.Questions)
	require.Equal(t, list[0].T, done.Resolved)
	require.Greater(t, done.Reached, done.Resolved)
	p.release()
}

// The rules are the same as by name: a connect that fails is repeated after
// 100 to 200 ms, each time with the latest address.
func TestByAddressFollowsLibzmqAndTheLatestAddress(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	port, socket := freePort(t), socketOf(t)
	blackhole(t, port)
	listenAs(t, podAddr(0), port, leader)
	p := startByAddress(t, socket, append(args(t, 1, 4, port, s.addr), "--connect-timeouts=200ms")...)
	tell(t, socket, deadAddress)
	time.Sleep(2 * time.Second) // for five attempts; a busy machine makes two
	tell(t, socket, podAddr(0)) // index 0 was replaced
	log := p.log()
	list := answers(log)
	require.Len(t, list, 2)
	require.Equal(t, []string{deadAddress}, list[0].Answer.Addrs)
	require.Equal(t, []string{podAddr(0)}, list[1].Answer.Addrs)
	tries := closed(log, list[0].Answer.ID).Count
	require.Greater(t, tries, 1, "each attempt takes the address anew")
	dead := dials(log)[0].Dial
	require.Equal(t, record.DialTimeout, dead.Outcome)
	require.Equal(t, tries, closed(log, dead.ID).Count)
	require.GreaterOrEqual(t, list[1].T-list[0].T, int64(tries)*int64(200*time.Millisecond+reconnectMin))
	require.Empty(t, s.questions())
}

// An address that comes before the first question is due is not looked at
// until then.
func TestByAddressKeepsToTheFirstQuestion(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	port, socket := freePort(t), socketOf(t)
	listenAs(t, podAddr(0), port, leader)
	p := startByAddress(t, socket, append(args(t, 1, 4, port, s.addr), "--first-query-after=2s")...) // it is told before, also on a busy machine
	tell(t, socket, podAddr(0))
	a := answers(p.log())[0]
	require.GreaterOrEqual(t, a.Answer.Asked, int64(2*time.Second))
	require.Less(t, a.T-a.Answer.Asked, int64(time.Second))
}

// Never told is censored, not an error.
func TestByAddressNeverTold(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	log := startByAddress(t, socketOf(t), append(args(t, 1, 4, freePort(t), s.addr), "--deadline=300ms")...).log()
	require.Empty(t, answers(log))
	done, _ := log.Done()
	require.Equal(t, "deadline", done.Reason)
}

// Whatever comes through the socket, only an address counts, and nobody holds
// the worker up.
func TestHandOverTrustsNothing(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, newZone().handle)
	port, socket := freePort(t), socketOf(t)
	listenAs(t, podAddr(0), port, leader)
	p := startByAddress(t, socket, args(t, 1, 4, port, s.addr)...)
	for _, junk := range []string{"", "\n", "lag-0\n", "127.0.0.1", strings.Repeat("1", 1<<16) + "\n"} {
		c, err := dialWorker(context.Background(), socket)
		require.NoError(t, err)
		defer c.Close()
		c.Write([]byte(junk))
		c.(*net.UnixConn).CloseWrite()
	}
	silent, err := dialWorker(context.Background(), socket)
	require.NoError(t, err)
	defer silent.Close()
	for handOver(context.Background(), socket, netip.MustParseAddr(podAddr(0))) != nil {
	}
	require.Equal(t, []string{podAddr(0)}, answers(p.log())[0].Answer.Addrs)
}

// A second worker in one pod is a mistake in the manifest, and said so.
func TestHandOverSocketInUse(t *testing.T) {
	t.Parallel()
	socket, port := socketOf(t), freePort(t)
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	s := serveDNS(t, newZone().handle)
	out := &output{done: make(chan struct{})}
	p := newTestProbe(t, out, append(args(t, 1, 4, port, s.addr), "--observer=solo", "--connect=address")...)
	p.cfg.socket = socket
	require.ErrorContains(t, p.run(context.Background()), "address already in use")
	done, _ := (&pod{t: t, out: out}).log().Done()
	require.Equal(t, "error", done.Reason)
}

// As in a pod: the same program once more, run by exec.
func TestHandOverProcess(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	port := freePort(t)
	listenAs(t, podAddr(0), port, leader)
	path, err := program()
	require.NoError(t, err)
	out, err := exec.Command(path, "--hand-over="+podAddr(0)).CombinedOutput()
	require.ErrorContains(t, err, "exit status 1")
	require.Contains(t, string(out), "no worker with --connect=address runs here")

	p := startProcess(t, append(args(t, 1, 2, port, s.addr), "--observer=solo", "--connect=address")...)
	out, err = exec.Command(fmt.Sprintf("/proc/%d/exe", p.cmd.Process.Pid), "--hand-over="+podAddr(0)).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, out)
	done, _ := p.log(t).Done()
	require.Equal(t, "complete", done.Reason)
	p.release(t)
}
