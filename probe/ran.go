package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// With --run-length the Job is the original workload's in what DNS sees of it: the
// workers join pod 0 and keep the connection, pod 0 ends some time after the last
// of them has joined, and every pod exits with 0.

// leaderGoesOn is how long pod 0 goes on after it closed the connections: the
// original's broker wrote its result and cleaned up while its workers exited.
const leaderGoesOn = 500 * time.Millisecond

// members are the connections of those that have joined, by address.
type members struct {
	mu    sync.Mutex
	want  int
	conns map[netip.Addr][]net.Conn
	all   chan struct{} // closed once want have joined
}

func newMembers(want int) *members {
	return &members{want: want, conns: map[netip.Addr][]net.Conn{}, all: make(chan struct{})}
}

// add keeps a connection. Whoever asks who is here connects, too, and hangs up.
func (m *members) add(from netip.Addr, c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.conns) >= m.want && m.conns[from] == nil {
		c.Close() // not one of the Job's
		return
	}
	if m.conns[from] = append(m.conns[from], c); len(m.conns) == m.want && len(m.conns[from]) == 1 {
		close(m.all)
	}
}

func (m *members) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, conns := range m.conns {
		for _, c := range conns {
			c.Close()
		}
	}
}

// lead is pod 0's life: until run-length after the last worker has joined, and a
// moment longer than its workers. It reports whether that was reached.
func (p *probe) lead(ctx context.Context) bool {
	select {
	case <-p.members.all:
	case <-ctx.Done():
		return false
	}
	if !pause(ctx, p.cfg.runLength) {
		return false
	}
	p.members.close()
	return pause(ctx, leaderGoesOn)
}

// follow is a worker's life once it has joined: it keeps a connection to pod 0
// until pod 0 closes it.
func (p *probe) follow(ctx context.Context, leader netip.Addr) bool {
	c, err := p.connect(ctx, leader, 0)
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := io.Copy(io.Discard, c); err != nil && ctx.Err() != nil {
		return false
	}
	return pause(ctx, p.cfg.outlive)
}
