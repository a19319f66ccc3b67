package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
)

// world is a truth of two pods, of which 0 asks for 1. Its times are in
// milliseconds since the request for the Job.
type world struct{ truth }

var zero = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(ms float64) time.Time { return zero.Add(time.Duration(ms * float64(time.Millisecond))) }

func within(from, to float64) window { return window{From: at(from), To: at(to)} }

func ms(least, most float64) bounds {
	return bounds{at(least).Sub(zero), at(most).Sub(zero)}
}

func newWorld(asker, asked podAccount) *world {
	asker.IP, asked.IP = "10.0.0.1", "10.0.0.2"
	return &world{truth{witnesses: &witnesses{jobAccount: &jobAccount{Pods: map[int]podAccount{0: asker, 1: asked}}, questions: map[string][]dnsQuestion{}},
		namespace: "ns", job: "lag", service: "svc", zero: zero}}
}

// asks has a server answer a question for pod 1: asked and answered at.
func (w *world) asks(server, kind, rcode string, asked, told float64) {
	w.questions[server] = append(w.questions[server], dnsQuestion{Asked: at(asked), At: at(told), Asker: "10.0.0.1", Type: kind, Name: w.name(1), Rcode: rcode})
}

// dials has pod 0 connect to pod 1.
func (w *world) dials(begun, answered, closed float64) {
	w.packets = append(w.packets,
		packet{At: at(closed), From: "10.0.0.1", To: "10.0.0.2", Close: true},
		packet{At: at(answered + 0.1), From: "10.0.0.2", To: "10.0.0.1", Answer: true}, // the next link
		packet{At: at(answered), From: "10.0.0.2", To: "10.0.0.1", Answer: true},
		packet{At: at(begun), From: "10.0.0.1", To: "10.0.0.2"})
}

// connects has pod 0 get the right answer of a server, and connect within 1 ms.
func (w *world) connects(server string, asked, told float64) {
	w.asks(server, "A", "NOERROR", asked, told)
	w.dials(told, told+1, told+1)
}

// started is a pod that went its way in these spans.
func started() podAccount {
	return podAccount{Created: within(0, 10), Scheduled: within(20, 30), Started: within(500, 510), Ready: within(600, 610), InSlice: within(700, 710)}
}

func TestTruth(t *testing.T) {
	for name, c := range map[string]struct {
		world func(*world)
		want  map[judge.Stage]bounds
	}{
		"the last look that missed was before the pod was scheduled": {func(w *world) {
			w.asks("server", "TYPE65280", "NXDOMAIN", 15, 15)
			w.asks("server", "TYPE65280", "NOERROR", 720, 720)
			w.connects("server", 730, 731)
		}, map[judge.Stage]bounds{judge.StageCreate: ms(0, 10), judge.StageSchedule: ms(10, 30), judge.StageStart: ms(470, 490), judge.StageReady: ms(90, 110),
			judge.StageSlice: ms(90, 110), judge.StageServer: ms(0, 20), judge.StageUnasked: ms(10, 30), judge.StageAnswer: ms(1, 1), judge.StageConnect: ms(1, 1)}},
		"an earlier Job's pods had these addresses and its names were there": {func(w *world) {
			w.packets = []packet{
				{At: at(-20), From: "10.0.0.1", To: "10.0.0.2"}, {At: at(-19), From: "10.0.0.2", To: "10.0.0.1", Answer: true}, {At: at(-18), From: "10.0.0.1", To: "10.0.0.2", Close: true}}
			w.asks("server", "TYPE65280", "NOERROR", 5, 5)
			w.asks("server", "TYPE65280", "NXDOMAIN", 719, 719)
			w.asks("server", "TYPE65280", "NOERROR", 720, 720)
			w.connects("server", 730, 731)
		}, map[judge.Stage]bounds{judge.StageServer: ms(9, 20), judge.StageUnasked: ms(10, 11), judge.StageConnect: ms(1, 1)}},
		"no packet of the answer was seen, and its line stamped when they were connected": {func(w *world) {
			w.asks("server", "TYPE65280", "NOERROR", 711, 711)
			w.asks("server", "A", "NOERROR", 900, 900)
			w.dials(731, 732, 733)
		}, map[judge.Stage]bounds{judge.StageUnasked: ms(21, 31), judge.StageAnswer: {}, judge.StageConnect: ms(1, 2)}},
		"the server had a question for long": {func(w *world) { // which it denied, rightly when it was asked
			w.asks("server", "TYPE65280", "NXDOMAIN", 719, 719)
			w.asks("server", "TYPE65280", "NOERROR", 720, 720)
			w.asks("server", "A", "NXDOMAIN", 718, 820)
			w.connects("server", 840, 841)
		}, map[judge.Stage]bounds{judge.StageServer: ms(9, 20), judge.StagePolling: ms(120, 121), judge.StageDenial: {}}},
		"the asker was the later one by little, or by much, or not": {func(w *world) {
			w.asks("server", "TYPE65280", "NXDOMAIN", 720, 720)
			w.asks("server", "TYPE65280", "NOERROR", 720, 720)
			w.connects("server", 901, 901)
			p := w.Pods[0]
			p.Scheduled, p.Started = within(650, 660), within(690, 900)
			w.Pods[0] = p
		}, map[judge.Stage]bounds{judge.StageStart: {60*time.Millisecond + 1, 490 * time.Millisecond}, judge.StageUnasked: ms(1, 181)}},
		"a part of it is not known": {func(w *world) {
			w.connects("server", 730, 731)
			p := w.Pods[1]
			p.Ready = window{}
			w.Pods[1] = p
		}, nil},
		"nobody saw the name on a server": {func(w *world) {
			w.denial = time.Second
			w.connects("server", 730, 731)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(started(), started())
			c.world(w)
			have := w.bounds(0, 1)
			require.Equal(t, c.want == nil, have == nil)
			for part, want := range c.want {
				require.Equal(t, want, have[part], part)
			}
		})
	}
}

// Whatever happened, the bounds hold it: the same world known exactly, and to
// within what the witnesses know on a busy machine.
func TestTruthHoldsWhatHappened(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		up := func(most float64) float64 { return r.Float64() * most }
		var exact, known [2]podAccount
		var name, began float64 // on the server, the asker
		for i := range exact {
			x := 0.0
			for _, f := range []func(*podAccount) *window{
				func(p *podAccount) *window { return &p.Created }, func(p *podAccount) *window { return &p.Scheduled },
				func(p *podAccount) *window { return &p.Started }, func(p *podAccount) *window { return &p.Ready },
				func(p *podAccount) *window { return &p.InSlice },
			} {
				x += up(300)
				*f(&exact[i]), *f(&known[i]) = within(x, x), within(x-up(100), x+up(200))
			}
			name = x + up(200)
		}
		began = float64(exact[0].Started.To.Sub(zero)) / 1e6
		w, k := newWorld(exact[0], exact[1]), newWorld(known[0], known[1])
		w.denial = time.Duration(r.IntN(2)) * 500 * time.Millisecond
		k.denial = w.denial
		w.asks("server", "TYPE65280", "NXDOMAIN", name, name)
		w.asks("server", "TYPE65281", "NOERROR", name, name)
		k.asks("server", "TYPE65280", "NXDOMAIN", name-up(300), name)
		k.asks("server", "TYPE65281", "NOERROR", name, name+up(300))
		kept := 0.0
		for asked := began + up(10); ; asked += 1 + up(100) {
			if asked < max(name, kept) {
				if asked >= kept {
					kept = asked + w.denial.Seconds()*1e3
				}
				w.asks("server", "A", "NXDOMAIN", asked, asked)
				k.asks("server", "A", "NXDOMAIN", asked, asked)
				continue
			}
			read, connected := asked+50, asked+150+up(100)
			w.asks("server", "A", "NOERROR", asked, read)
			k.asks("server", "A", "NOERROR", asked, read-up(50))
			w.dials(read, connected, connected)
			k.dials(read+up(50), connected-up(50), connected+up(50))
			break
		}
		happened, have := w.bounds(0, 1), k.bounds(0, 1)
		require.NotNil(t, happened)
		for _, part := range judge.Stages {
			require.Zero(t, happened[part].width(), part)
			require.Zero(t, have[part].off(happened[part].most), "seed %d, %s: %v, known as %v", seed, part, happened[part], have[part])
		}
	}
}
