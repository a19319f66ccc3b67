package network

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"headless-job-dns/lab/internal/layout"
)

// Link is a link in the host's namespace with a name of the lab's.
type Link struct {
	Name  string `json:"ifname"`
	Alias string `json:"ifalias"`
}

// Ours says whether the lab made the link.
func (l Link) Ours() bool { return strings.HasPrefix(l.Alias, layout.Name+" ") }

// State is the state folder of the lab that made the link.
func (l Link) State() string { return strings.TrimPrefix(l.Alias, layout.Name+" ") }

// Route is a route in the host's namespace.
type Route struct {
	Dst      string `json:"dst"`
	Kind     string `json:"type"`
	Protocol string `json:"protocol"`
	Device   string `json:"dev"`
}

// Ours says whether the lab made the route.
func (r Route) Ours() bool { return r.Protocol == layout.RouteProtocol || r.Device == layout.HostLink }

func (r Route) String() string {
	words := []string{}
	if r.Kind != "" && r.Kind != "unicast" {
		words = append(words, r.Kind)
	}
	words = append(words, r.Dst)
	if r.Device != "" {
		words = append(words, "dev "+r.Device)
	}
	return strings.Join(words, " ")
}

// Overlaps says which range of the lab's the route's destination touches. A
// default route leads everywhere and is in nobody's way.
func (r Route) Overlaps() (netip.Prefix, bool) {
	dst, err := netip.ParsePrefix(r.Dst)
	if err != nil {
		addr, err := netip.ParseAddr(r.Dst)
		if err != nil {
			return netip.Prefix{}, false // "default"
		}
		dst = netip.PrefixFrom(addr, addr.BitLen())
	}
	if dst.Bits() == 0 {
		return netip.Prefix{}, false
	}
	for _, p := range []netip.Prefix{layout.NodeCIDR, layout.PodCIDR, layout.ServiceCIDR} {
		if p.Overlaps(dst) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Found is what of the lab's names and ranges is on the host.
type Found struct {
	Links   []Link   // with the lab's prefix
	Netns   []string // with the lab's prefix
	Routes  []Route  // the lab's own
	Foreign []Route  // not the lab's, but in its ranges
}

// State is the state folder of the lab that made these, if it can be told.
func (f Found) State() (layout.State, bool) {
	for _, l := range f.Links {
		if l.Ours() {
			return layout.State(l.State()), true
		}
	}
	return "", false
}

// Look finds what is there.
func Look(ctx context.Context) (Found, error) {
	f := Found{Netns: netnsNames()}
	var links []Link
	if err := ipJSON(ctx, &links, "link", "show"); err != nil {
		return f, fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Name, layout.LinkPrefix) {
			f.Links = append(f.Links, l)
		}
	}
	var routes []Route
	if err := ipJSON(ctx, &routes, "-4", "-details", "route", "show", "table", "all"); err != nil {
		return f, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if r.Ours() {
			f.Routes = append(f.Routes, r)
		} else if _, ok := r.Overlaps(); ok {
			f.Foreign = append(f.Foreign, r)
		}
	}
	return f, nil
}

func ipJSON(ctx context.Context, into any, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"-json"}, args...)...).Output()
	if err != nil {
		return fmt.Errorf("ip %s: %w", strings.Join(args, " "), err)
	}
	if len(strings.TrimSpace(string(out))) == 0 {
		return nil // some versions print nothing for an empty list
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("ip %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
