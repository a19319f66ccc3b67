package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"headless-job-dns/internal/record"
)

const (
	// handOverSocket is where a worker that asks no DNS is told index 0's
	// address. The name is in Linux's abstract namespace (unix(7)), which
	// belongs to the pod's network namespace: there is no file, hence no volume
	// to mount, and it ends with the process.
	handOverSocket = "@headless-job-dns/hand-over"
	// handOverPatience is how long --hand-over looks for the worker: exec may
	// come before the worker's first instructions, not seconds before.
	handOverPatience = 2 * time.Second
	// handOverRetry is the pause between two looks.
	handOverRetry = 10 * time.Millisecond
	// handOverLimit is how long either side waits for the other's line. Both
	// are in one pod and write theirs at once.
	handOverLimit = time.Second
	// maxHandOver is more than an address needs, zone included.
	maxHandOver = 128
)

// handOver is the program with --hand-over: it tells the worker in the same pod
// where index 0 is, and returns when the worker has said that it knows.
func handOver(ctx context.Context, socket string, addr netip.Addr) error {
	c, err := dialWorker(ctx, socket)
	if err != nil {
		return fmt.Errorf("hand over %s: no worker with --connect=address runs here: %w", addr, err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(handOverLimit))
	if _, err := fmt.Fprintln(c, addr); err != nil {
		return fmt.Errorf("hand over %s: %w", addr, err)
	}
	if _, err := readAddress(c); err != nil {
		return fmt.Errorf("hand over %s: the worker did not confirm it: %w", addr, err)
	}
	return nil
}

func dialWorker(ctx context.Context, socket string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, handOverPatience)
	defer stop()
	for {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "unix", socket)
		if err == nil || !pause(ctx, handOverRetry) {
			return c, err
		}
	}
}

func readAddress(r io.Reader) (netip.Addr, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxHandOver)).ReadString('\n')
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(strings.TrimSpace(line))
}

// given is what the worker was told.
type given struct {
	mu    sync.Mutex
	addr  netip.Addr    // the latest
	first chan struct{} // closed when there is one
}

// receive takes addresses until the listener is closed, one caller at a time.
func (g *given) receive(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(handOverRetry) // out of file descriptors, or the caller gave up
			continue
		}
		c.SetDeadline(time.Now().Add(handOverLimit))
		if addr, err := readAddress(c); err == nil {
			g.take(addr.Unmap())
			fmt.Fprintln(c, addr)
		}
		c.Close()
	}
}

func (g *given) latest() netip.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addr
}

func (g *given) take(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.addr.IsValid() {
		close(g.first)
	}
	g.addr = addr
}

// resolveAsGiven stands in for a lookup: the first one waits until index 0's
// address has been handed over, later ones return the latest at once.
func (p *probe) resolveAsGiven(ctx context.Context, prev *int64) (netip.Addr, int64, bool) {
	a := record.Answer{View: record.Given, Type: "A", Server: record.HandOver, Class: record.Address, Asked: p.now(), Prev: *prev}
	select {
	case <-p.given.first:
	case <-ctx.Done():
		return netip.Addr{}, 0, false
	}
	addr := p.given.latest()
	if addr.Is6() {
		a.Type = "AAAA"
	}
	a.Addrs, *prev = []string{addr.String()}, a.Asked
	t := p.now()
	p.log.answer(t, a)
	return addr, t, true
}
