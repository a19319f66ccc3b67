package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/record"
)

// start collects what the Start line holds. It reads /proc, so it is called
// when the first question is on its way.
func (p *probe) start() *record.Start {
	c := p.cfg
	s := &record.Start{
		Run: c.run, Trial: c.trial, Observer: c.observer,
		Namespace: c.namespace, Job: c.job, Service: c.service,
		Pod: c.pod, UID: c.uid, Node: c.node, Index: c.index, Pods: c.pods, Domain: p.domain,
		Addresses: p.addrs, Wall: p.zero.UnixNano(), Boot: procLine("sys/kernel/random/boot_id"), Age: p.age(),
		Interval: int64(p.interval()), Deadline: int64(c.deadline), FirstQueryAfter: int64(c.firstQueryAfter),
		Resolv: p.resolv, Kernel: procLine("sys/kernel/osrelease"),
		SynRetries:       procInt("sys/net/ipv4/tcp_syn_retries"),
		SynLinearRetries: procInt("sys/net/ipv4/tcp_syn_linear_timeouts"),
	}
	if c.observer == record.Peers || c.observer == record.PeersServer {
		s.Sample = c.sample
	}
	if c.observer == record.Solo {
		s.ConnectTimeout = int64(c.connectTimeout())
	}
	for _, r := range c.replicas {
		s.Replicas = append(s.Replicas, r.String())
	}
	return s
}

// age is how long the process had existed at T=0: what the container's runtime
// and the Go runtime took. /proc counts in hundredths of a second.
func (p *probe) age() int64 {
	const tick = int64(time.Second) / 100 // USER_HZ, the same on all that Go runs on
	stat, uptime := procLine("self/stat"), procLine("uptime")
	now := p.now()
	// The second field is the program's name in brackets and may hold blanks;
	// the 22nd is the start, in ticks since boot.
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	up, _, _ := strings.Cut(uptime, " ")
	seconds, err := strconv.ParseFloat(up, 64)
	if err != nil || len(fields) < 20 {
		return 0
	}
	started, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return max(0, int64(seconds*float64(time.Second))-started*tick-now)
}

// peakRSS is the most memory that the process ever had resident, in bytes.
func peakRSS() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kb, 10, 64)
	return n << 10
}

func procLine(name string) string {
	text, _ := os.ReadFile("/proc/" + name)
	return strings.TrimSpace(string(text))
}

func procInt(name string) *int {
	n, err := strconv.Atoi(procLine(name))
	if err != nil {
		return nil
	}
	return &n
}
