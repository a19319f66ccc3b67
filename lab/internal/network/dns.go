package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/layout"
)

// Lookup asks a DNS server from within a namespace for a name's addresses.
func Lookup(ctx context.Context, netns, server, name string) ([]string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialFrom(ctx, netns, network, net.JoinHostPort(server, "53"))
	}}
	return r.LookupHost(ctx, name)
}

// dialFrom opens a socket in a namespace. A socket stays where it was made, so
// only a thread of its own has to go there; it is given up afterwards.
func dialFrom(ctx context.Context, netns, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		f, err := os.Open(layout.NetnsPath(netns))
		if err != nil {
			done <- result{err: fmt.Errorf("open network namespace: %w", err)}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: fmt.Errorf("enter network namespace %s: %w", netns, err)}
			return
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
