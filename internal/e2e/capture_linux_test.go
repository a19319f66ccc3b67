package e2e

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"headless-job-dns/manifests"
)

// The ports of the probes, of DNS, and of a private DNS' replicas.
const (
	port       = manifests.ProbePort
	dns        = 53
	privateDNS = manifests.PrivateDNSPort
)

const (
	ethIPv4  = 14 // bytes of an Ethernet header
	tcp      = 6
	udp      = 17
	flagFIN  = 0x01
	flagSYN  = 0x02
	flagACK  = 0x10
	fragment = 0x1fff // of an IPv4 header: where in the packet, 0 for the first
	flagQR   = 0x80   // of a DNS message: an answer
	snapshot = 128    // bytes; all headers fit
	// backlog is in bytes, of which the kernel counts about 1 KiB a packet: some
	// seconds of four pods' questions on all links.
	backlog = 32 << 20
)

// init makes this test program the one that captures, where it is told to: it
// runs in a node's network namespace then, and needs CAP_NET_RAW, and
// CAP_NET_ADMIN for its buffer.
func init() {
	if os.Getenv(captureEnv) == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "capture:", capturePackets())
	os.Exit(1)
}

// capturePackets prints, until it is killed, a JSON line for every packet that
// begins a TCP connection to the probes' port or with which its caller ends it,
// and for every DNS message over UDP, as it passes a link of the network
// namespace.
func capturePackets() error {
	fd, err := openPacketSocket()
	if err != nil {
		return err
	}
	// Whoever started it waits for this line before anything is sent.
	fmt.Fprintln(os.Stderr, "capturing")
	for out := json.NewEncoder(os.Stdout); ; {
		p, err := nextPacket(fd)
		if err != nil {
			return err
		}
		if err := out.Encode(p); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// openPacketSocket makes a socket that gets what passes all links from now on.
func openPacketSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		return 0, fmt.Errorf("open packet socket: %w", err)
	}
	// Packets wait here while this program does.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, backlog); err != nil {
		return 0, fmt.Errorf("enlarge the socket's buffer: %w", err)
	}
	// The kernel's stamp: this program may be kept waiting. The first one to ask
	// gets it after a moment; until then a packet is stamped when it is read.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return 0, fmt.Errorf("ask for time stamps: %w", err)
	}
	return fd, nil
}

// nextPacket waits for the next packet that is one of ours.
func nextPacket(fd int) (packet, error) {
	var buf [snapshot]byte
	var control [64]byte // a time stamp takes 32
	for {
		n, controls, _, _, err := unix.Recvmsg(fd, buf[:], control[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return packet{}, fmt.Errorf("read packet: %w", err)
		}
		if p, ok := parsePacket(buf[:n]); ok {
			if p.At, err = kernelStamp(control[:controls]); err != nil {
				err = fmt.Errorf("time stamp: %w", err)
			}
			return p, err
		}
	}
}

// kernelStamp is when the kernel saw a packet.
func kernelStamp(control []byte) (time.Time, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range messages {
		var at unix.Timespec
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS {
			_, err := binary.Decode(m.Data, binary.NativeEndian, &at)
			return time.Unix(at.Unix()).UTC(), err
		}
	}
	return time.Time{}, errors.New("none came with the packet")
}

// parsePacket recognises a SYN to the port, the SYN-ACK from it, a FIN to it and a DNS
// message, over IPv4: the lab has no other, and no VLANs.
func parsePacket(frame []byte) (packet, bool) {
	var p packet
	if len(frame) < ethIPv4+20 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return p, false
	}
	ip := frame[ethIPv4:]
	header := int(ip[0]&0x0f) * 4
	if ip[0]>>4 != 4 || header < 20 || len(ip) < header+14 || binary.BigEndian.Uint16(ip[6:])&fragment != 0 {
		return p, false
	}
	p.From = netip.AddrFrom4([4]byte(ip[12:16])).String()
	p.To = netip.AddrFrom4([4]byte(ip[16:20])).String()
	seg := ip[header:]
	from, to := binary.BigEndian.Uint16(seg), binary.BigEndian.Uint16(seg[2:])
	switch flags := seg[13]; {
	case ip[9] == tcp && flags&(flagSYN|flagACK) == flagSYN && to == port:
		return p, true
	case ip[9] == tcp && flags&(flagSYN|flagACK) == flagSYN|flagACK && from == port:
		p.Answer = true
		return p, true
	case ip[9] == tcp && flags&flagFIN != 0 && to == port:
		p.Close = true
		return p, true
	case ip[9] == udp && (from == dns || from == privateDNS || to == dns || to == privateDNS):
		// The message begins after the 8 bytes of the UDP header, with its id.
		p.DNS, p.Port, p.ID = true, from, binary.BigEndian.Uint16(seg[8:])
		if p.Answer = seg[10]&flagQR != 0; p.Answer {
			p.Port = to
		}
		return p, true
	}
	return p, false
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
