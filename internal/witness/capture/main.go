//go:build linux

// Command capture prints a JSON line for every packet that begins a TCP
// connection to the probes' port, as it passes a link of the network namespace
// that it runs in. It needs CAP_NET_RAW.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"headless-job-dns/internal/witness"
)

// port is the probes'.
const port = 8050

const (
	ethIPv4  = 14 // bytes of an Ethernet header
	tcp      = 6
	flagSYN  = 0x02
	flagACK  = 0x10
	snapshot = 128 // bytes; both headers fit
)

func main() {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "capture: open packet socket:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	buf := make([]byte, snapshot)
	// Whoever started it waits for this line before anything is sent.
	fmt.Fprintln(os.Stderr, "capturing")
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		at := time.Now()
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "capture: read packet:", err)
			os.Exit(1)
		}
		if p, ok := parse(buf[:n]); ok {
			p.At = at
			out.Encode(p)
		}
	}
}

// parse recognises a SYN to the port and the SYN-ACK from it, over IPv4: the
// lab has no other.
func parse(frame []byte) (witness.Packet, bool) {
	var p witness.Packet
	if len(frame) < ethIPv4+20 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return p, false
	}
	ip := frame[ethIPv4:]
	header := int(ip[0]&0x0f) * 4
	if ip[0]>>4 != 4 || ip[9] != tcp || len(ip) < header+14 {
		return p, false
	}
	seg := ip[header:]
	from, to, flags := binary.BigEndian.Uint16(seg), binary.BigEndian.Uint16(seg[2:]), seg[13]
	switch {
	case flags&flagSYN == 0:
		return p, false
	case flags&flagACK == 0 && to != port, flags&flagACK != 0 && from != port:
		return p, false
	}
	p.Answer = flags&flagACK != 0
	p.From = netip.AddrFrom4([4]byte(ip[12:16])).String()
	p.To = netip.AddrFrom4([4]byte(ip[16:20])).String()
	return p, true
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
