package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"headless-job-dns/internal/record"
)

// listen opens the port at which the pod identifies itself, on all addresses
// of both families unless told otherwise.
func listen(ctx context.Context, cfg *config) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // plain TCP, as the workload's sockets
	return lc.Listen(ctx, "tcp", net.JoinHostPort(cfg.address, strconv.Itoa(int(cfg.port))))
}

// serve tells whoever connects who this pod is and closes. It reads nothing.
// One connection at a time is enough, and no caller can hold it up: the line
// fits into an empty socket buffer, so that writing it never waits. connected
// is told who called. Where keep is not nil the connection is left open with it.
func serve(l net.Listener, who record.Who, connected func(netip.Addr), keep func(netip.Addr, net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, or the caller gave up
			continue
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		who.Wall = time.Now().UnixNano()
		if line, err := json.Marshal(who); err == nil {
			c.Write(append(line, '\n'))
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		connected(from)
		if keep != nil {
			keep(from, c)
			continue
		}
		c.Close()
	}
}
