package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"

	"headless-job-dns/lab/internal/layout"
)

// Link is a link in the host's namespace with a name of the lab's.
type Link struct {
	Name  string `json:"ifname"`
	Alias string `json:"ifalias"`
}

// marked returns the state folder that a link's alias names.
func (l Link) marked() (layout.State, bool) {
	state, ok := strings.CutPrefix(l.Alias, layout.Name+" ")
	return layout.State(state), ok
}

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
	State  layout.State // of the lab that is on the machine, if that can be told
	Links  []Link
	Netns  []string
	Routes []Route

	// Foreign is what has a name or an address of the lab's but not its mark.
	Foreign Foreign
}

// Foreign is what is in the lab's way.
type Foreign struct {
	Links  []Link
	Netns  []string
	Routes []Route
}

// Look finds what is there. There is a moment between the making of a link or
// a namespace and its marking; with known, the caller has reasons of its own
// to take all that have the lab's prefix for the lab's.
func Look(ctx context.Context, known bool) (Found, error) {
	var f Found
	var links []Link
	if err := ipJSON(ctx, &links, "link", "show"); err != nil {
		return f, fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		if !strings.HasPrefix(l.Name, layout.LinkPrefix) {
			continue
		}
		state, marked := l.marked()
		if marked {
			f.State = state
		}
		if marked || known {
			f.Links = append(f.Links, l)
		} else {
			f.Foreign.Links = append(f.Foreign.Links, l)
		}
	}
	files, _ := filepath.Glob(layout.NetnsPath(layout.LinkPrefix + "*"))
	for _, file := range files {
		name := filepath.Base(file)
		state, marked := netnsMark(ctx, name)
		if marked {
			f.State = state
		}
		if marked || known {
			f.Netns = append(f.Netns, name)
		} else {
			f.Foreign.Netns = append(f.Foreign.Netns, name)
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
			f.Foreign.Routes = append(f.Foreign.Routes, r)
		}
	}
	return f, nil
}

// netnsMark reads the mark that a namespace of the lab's has on its lo.
func netnsMark(ctx context.Context, name string) (layout.State, bool) {
	var links []Link
	if err := ipJSON(ctx, &links, "-netns", name, "link", "show", "dev", "lo"); err != nil || len(links) == 0 {
		return "", false // half made: not even a namespace
	}
	return links[0].marked()
}

func ipJSON(ctx context.Context, into any, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"-json"}, args...)...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil // where there is no ip(8), there never was a lab
	}
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
