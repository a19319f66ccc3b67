// Package preflight decides whether a lab can be put up on this machine, from
// facts that it gathers beforehand and that a test can make up.
package preflight

import (
	"fmt"
	"strings"

	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
)

const (
	// minMemory is what the control plane, two nodes and 150 pods were seen to
	// take (1.5 GB), pods that do more than those, and the page cache of all.
	minMemory = 4 << 30

	// minDisk is Go's build cache (3.3 GB), the programs (0.6 GB), their
	// images on two nodes, etcd and logs.
	minDisk = 6 << 30
)

// Capabilities that the lab cannot do without, with the number of each.
var neededCaps = map[string]uint{"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

// CapSysResource lets a process set scores of the out-of-memory killer below
// its own. The lab makes do without.
const CapSysResource = 24

// Facts are what the decision depends on.
type Facts struct {
	Capabilities    uint64            // effective
	MemoryAvailable uint64            // bytes
	DiskFree        map[string]uint64 // bytes, by folder that is written to
	Missing         []string          // commands not in the PATH
	Apt             bool              // Debian's packages can be installed
}

// Check says why there cannot be a lab on a machine like this one, and what to
// do about it, in one sentence.
func Check(f Facts) error {
	for _, name := range sortedKeys(neededCaps) {
		if f.Capabilities&(1<<neededCaps[name]) == 0 {
			return fmt.Errorf("root lacks %s here (inside a container?): "+
				"run it on the machine itself, or in a privileged container", name)
		}
	}
	if f.MemoryAvailable < minMemory {
		return fmt.Errorf("%s of memory available, the lab needs %s: end something or use a larger machine",
			gib(f.MemoryAvailable), gib(minMemory))
	}
	for _, dir := range sortedKeys(f.DiskFree) {
		if free := f.DiskFree[dir]; free < minDisk {
			return fmt.Errorf("%s free in %s, the lab needs %s: make room, or choose another folder with --state or --cache",
				gib(free), dir, gib(minDisk))
		}
	}
	if len(f.Missing) > 0 && !f.Apt {
		return fmt.Errorf("%s not found, and no apt-get to install it with: "+
			"install the Debian packages %s, or what your distribution calls them",
			strings.Join(f.Missing, ", "), strings.Join(PackagesFor(f.Missing), ", "))
	}
	return nil
}

// CheckUser says that a user is not root. Every command needs it: the others
// cannot even see what there is.
func CheckUser(uid int) error {
	if uid != 0 {
		return fmt.Errorf("user %d is not root: run it with sudo, it makes namespaces and mounts", uid)
	}
	return nil
}

// CheckNetwork says what is in the way of the lab's names and addresses.
func CheckNetwork(f network.Foreign) error {
	for _, l := range f.Links {
		return fmt.Errorf("a link named %s exists and is not the lab's: rename or delete it (ip link del %s)", l.Name, l.Name)
	}
	for _, n := range f.Netns {
		return fmt.Errorf("a network namespace named %s exists and is not the lab's: delete it (ip netns del %s)", n, n)
	}
	for _, r := range f.Routes {
		p, _ := r.Overlaps()
		return fmt.Errorf("the route %q overlaps the lab's %s: "+
			"remove it (a VPN's or another cluster's?) or use another machine", r, p)
	}
	return nil
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// packages are the Debian packages that bring each command. Debian's own
// containerd and runc are enough for a kubelet; CNI plugins are built. dnsmasq
// and busybox do not run on the machine: their programs go into images.
var packages = map[string]string{
	"busybox":    "busybox-static",
	"containerd": "containerd",
	"ctr":        "containerd",
	"dnsmasq":    "dnsmasq-base",
	"ip":         "iproute2",
	"mount":      "mount",
	"nft":        "nftables",
	"nsenter":    "util-linux",
	"runc":       "runc",
	"unshare":    "util-linux",
}

// Commands lists what the lab and its components call.
func Commands() []string { return sortedKeys(packages) }

// PackagesFor lists the packages that bring the commands.
func PackagesFor(commands []string) []string {
	set := map[string]bool{}
	for _, c := range commands {
		set[packages[c]] = true
	}
	return sortedKeys(set)
}

// maxState leaves room in a link's alias, which holds 255 bytes, and in the
// paths of unix sockets and overlay options below the folder.
const maxState = 200

// CheckState says whether the folder may become the state folder, from what
// is in it: none but the lab's own is taken over.
func CheckState(state layout.State, entries []string) error {
	if len(state) > maxState {
		return fmt.Errorf("the name of the folder %s is longer than %d bytes: choose another with --state", state, maxState)
	}
	if strings.ContainsAny(string(state), "\"'\\\n, :") {
		return fmt.Errorf("the name of the folder %q holds a space, comma, colon or quote: "+
			"choose another with --state", state)
	}
	if len(entries) > 0 {
		return fmt.Errorf("the folder %s holds %s and is not the lab's: choose another with --state", state, entries[0])
	}
	return nil
}
