package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"headless-job-dns/internal/record"
)

const (
	// whoLimit is how long a connected peer may take to say who it is. It
	// does so at once; a busy node may need a moment.
	whoLimit = 2 * time.Second
	// maxWho is more than a probe's line about itself can be.
	maxWho = 2 << 10
)

// dial connects to a peer's address and reads who answers. A limit of 0 leaves
// the end to the kernel. It writes the outcome and returns whether it was the
// peer that was meant.
func (p *probe) dial(ctx context.Context, peer int, addr netip.Addr, limit time.Duration) (right bool) {
	d := record.Dial{Peer: peer, Addr: addr.String(), Limit: int64(limit), Asked: p.now()}
	c, err := p.connect(ctx, addr, limit)
	t := p.now()
	if err != nil {
		d.Outcome, d.Err = outcome(ctx, err)
		p.log.dial(t, d)
		return false
	}
	defer c.Close()
	d.Outcome = record.Connected
	c.SetReadDeadline(time.Now().Add(whoLimit))
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	who, err := readWho(c)
	if err != nil {
		d.Err = "no identity: " + cause(err)
	} else {
		d.Who, d.WhoAt = who, p.now()
		right = who.Run == p.cfg.run && who.Trial == p.cfg.trial && who.Job == p.cfg.job && who.Index == peer
	}
	p.log.dial(t, d)
	return right
}

// connect opens a connection to a peer's port. It uses no keep-alives and no happy
// eyeballs: one SYN and its retransmissions, as the workload's plain connect(2).
func (p *probe) connect(ctx context.Context, addr netip.Addr, limit time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: limit, KeepAlive: -1, FallbackDelay: -1}
	if own, err := netip.ParseAddr(p.cfg.address); err == nil && own.Is4() == addr.Is4() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(own, 0))
	}
	return dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, p.cfg.port).String())
}

func readWho(r io.Reader) (*record.Who, error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, maxWho), 512).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	who := new(record.Who)
	if json.Unmarshal(line, who) != nil {
		return nil, errors.New("not a probe")
	}
	return who, nil
}

// outcome sorts the error of a connect.
func outcome(ctx context.Context, err error) (record.Outcome, string) {
	var timeout net.Error
	switch {
	case over(ctx):
		return record.DialCut, ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return record.ConnRefused, ""
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return record.Unreachable, cause(err)
	case errors.As(err, &timeout) && timeout.Timeout(): // ours, or the kernel's ETIMEDOUT
		return record.DialTimeout, ""
	}
	return record.DialError, cause(err)
}

// over reports whether ctx has ended. A socket may notice its context's
// deadline a moment before the context itself does.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// cause is the innermost reason of a network error: without the addresses and
// the port of this one socket, by which equal failures would differ.
func cause(err error) string {
	var no syscall.Errno
	switch {
	case errors.As(err, &no):
		return no.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "time-out"
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
