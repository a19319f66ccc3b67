package recordwriter

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// zone is all that is answered: hostname=address.
func zone(m *model) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		host, _, _ := strings.Cut(name, ".")
		for _, a := range m.records[name].addrs {
			list = append(list, host+"="+a.String())
		}
	}
	return strings.Join(list, " ")
}

// play does what a line says: "service UID", "slice UID slice" with
// hostname=address for each ready endpoint, or either with "gone" before it.
func play(m *model, now time.Time, line string) []Entry {
	line, gone := strings.CutPrefix(line, "gone ")
	f := strings.Fields(line)
	var o object
	if f[0] == "service" {
		o.Metadata.UID, o.Metadata.Name = f[1], "svc"
		return m.service(now, o, gone)
	}
	o.Metadata.UID = f[2]
	o.Metadata.OwnerReferences = append(o.Metadata.OwnerReferences, struct{ Kind, UID string }{"Service", f[1]})
	for _, e := range f[3:] {
		host, addr, _ := strings.Cut(e, "=")
		o.Endpoints = append(o.Endpoints, struct {
			Addresses  []netip.Addr
			Hostname   string
			Conditions struct{ Ready *bool }
		}{[]netip.Addr{netip.MustParseAddr(addr)}, host, struct{ Ready *bool }{}})
	}
	return m.slice(now, o, gone)
}

// TestModel replays what happens to Services and their EndpointSlices, and says
// with a question mark what is answered at a time, in seconds.
func TestModel(t *testing.T) {
	const three = "w-0=::a w-1=::b w-2=::c"
	const start = "0 service A\n 0 slice A s " + three + "\n 0.59 ?\n 0.6 ? " + three + "\n"
	const member = "0 service A\n 0 slice A s x=::f " + three + "\n 0.6 ? " + three + " x=::f\n"
	defaults := knobs{pause: 500 * time.Millisecond, spread: 100 * time.Millisecond, write: 100 * time.Millisecond,
		orphans: 10 * time.Minute}
	publish := defaults
	publish.publishEmpty = true
	for _, tc := range []struct {
		name  string
		knobs knobs
		lines string
	}{
		{"no extra pod: the set becomes empty, the records stay", defaults, start +
			`10 slice A s
			11 ? w-0=::a w-1=::b w-2=::c
			12 gone service A
			600 ? w-0=::a w-1=::b w-2=::c`},
		{"member-pod: it alone is left, the others' records are withdrawn", defaults, member +
			`10 slice A s x=::f
			10.59 ? w-0=::a w-1=::b w-2=::c x=::f
			10.6 ? x=::f`},
		{"member-pod, the Service deleted before the pause is over: nothing is withdrawn", defaults, member +
			`10 slice A s x=::f
			10.49 gone service A
			20 ? w-0=::a w-1=::b w-2=::c x=::f`},
		{"member-pod, the Service deleted after its set was read: what was sent off is withdrawn", defaults, member +
			`10 slice A s x=::f
			10.55 gone service A
			10.6 ? x=::f`},
		{"workers outlive the leader: its record is withdrawn, the last one's stays", defaults, start +
			`10 slice A s w-1=::b
			11 ? w-1=::b
			13 slice A s
			14 ? w-1=::b`},
		{"a later Service of the same name: overwritten name by name, the others are orphans", defaults, start +
			`10 slice A s
			11 gone service A
			11 gone slice A s
			15 service B
			15 slice B t
			16 slice B t w-0=::1a
			16.59 ? w-0=::a w-1=::b w-2=::c
			16.6 ? w-0=::1a w-1=::b w-2=::c
			610.9 ? w-0=::1a w-1=::b w-2=::c
			611 ? w-0=::1a
			2000 ? w-0=::1a`},
		{"orphans are collected", defaults, start +
			`10 gone service A
			609.9 ? w-0=::a w-1=::b w-2=::c
			610 ?`},
		{"the set is empty before it is not", defaults,
			`0 service A
			0 slice A s
			2 slice A s w-0=::a
			2.6 ? w-0=::a`},
		{"publish: the set becomes empty, all are withdrawn", publish, start +
			`10 slice A s
			10.59 ? w-0=::a w-1=::b w-2=::c
			10.6 ?`},
		{"publish, the Service deleted before the pause is over: nothing is withdrawn", publish, start +
			`10 slice A s
			10.4 gone service A
			600 ? w-0=::a w-1=::b w-2=::c
			610.4 ?`},
		{"further events during a pause change nothing", defaults, start +
			`10 slice A s w-0=::a w-1=::b
			10.4 slice A s w-0=::a
			10.6 ? w-0=::a`},
		{"another address", defaults, start +
			`10 slice A s w-0=::1a w-1=::b w-2=::c
			10.6 ? w-0=::1a w-1=::b w-2=::c`},
		{"an EndpointSlice seen before its Service", defaults,
			`0 slice A s w-0=::a
			1 ?
			1 service A
			1.6 ? w-0=::a`},
		{"two EndpointSlices, of two families", defaults,
			`0 service A
			0 slice A s w-0=10.0.0.1
			0.1 slice A t w-0=::a
			0.6 ? w-0=10.0.0.1 w-0=::a
			1 gone slice A t
			1.6 ? w-0=10.0.0.1`},
		{"an EndpointSlice that outlives its Service is nobody's", defaults, start +
			`10 gone service A
			10.1 slice A s w-0=::1a
			20 ? w-0=::a w-1=::b w-2=::c`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel(tc.knobs, func() float64 { return 0.5 })
			for line := range strings.Lines(tc.lines) {
				at, do, _ := strings.Cut(strings.TrimSpace(line), " ")
				seconds, err := strconv.ParseFloat(at, 64)
				require.NoError(t, err)
				now := time.Unix(1000, 0).Add(time.Duration(seconds*1000) * time.Millisecond)
				m.advance(now)
				if want, look := strings.CutPrefix(do, "?"); look {
					require.Equal(t, strings.TrimSpace(want), zone(m), line)
				} else {
					play(m, now, do)
				}
			}
		})
	}
}

// TestEntries is what is logged of the lives of two Services.
func TestEntries(t *testing.T) {
	m := newModel(knobs{pause: 500 * time.Millisecond, orphans: time.Hour}, func() float64 { return 0.5 })
	var got []string
	now := time.Unix(1000, 0)
	for _, line := range []string{"service A", "slice A s w-0=::a w-1=::b w-2=::c", "slice A s w-0=::a w-2=::c",
		"slice A s", "gone service A", "service B", "slice B t w-0=::1a", "slice B t w-0=::1a"} {
		for _, e := range append(m.advance(now), play(m, now, line)...) {
			got = append(got, fmt.Sprint(e.What, " ", e.Name, " ", e.Addrs, " ", e.Service))
		}
		now = now.Add(time.Second)
	}
	for _, e := range m.advance(now.Add(time.Hour)) {
		got = append(got, fmt.Sprint(e.What, " ", e.Name, " ", e.Addrs, " ", e.Service))
	}
	require.Equal(t, []string{
		"written w-0.svc [::a] A", "written w-1.svc [::b] A", "written w-2.svc [::c] A",
		"withdrawn w-1.svc [] A", "skipped svc [] A", "forgotten svc [] A",
		"written w-0.svc [::1a] B", "collected w-2.svc [] A",
	}, got)
}

// TestSpread: a pause of 0.5 s with a spread of 0.1 s takes 0.4 to 0.6 s.
func TestSpread(t *testing.T) {
	for draw, want := range map[float64]int64{0: 400, 0.5: 500, 1: 600} {
		m := newModel(knobs{pause: 500 * time.Millisecond, spread: 100 * time.Millisecond}, func() float64 { return draw })
		zero := time.Unix(1000, 0)
		play(m, zero, "service A")
		require.Equal(t, want, m.services["A"].read.Sub(zero).Milliseconds())
	}
}
