package plan

import (
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// Summaries are the named plans, as --help lists them.
var Summaries = []struct{ Name, Text string }{
	{"quick", "none, service; fresh names; both private DNS (under 3 minutes)"},
	{"default", "none, service, member-pod; fresh and reused names; both private DNS (10 minutes)"},
	{"extras", "all six extras; fresh names; cache-30; solo (4 minutes)"},
	{"timeouts", "the original sweep: 12 connect timeouts, none and member-pod, 10 blocks (20 minutes)"},
	{"standard", "what helps and why: a list of arms, remedies among them, 10 blocks (50 minutes)"},
}

// planNames lists the named plans for messages.
func planNames() []string {
	names := make([]string, len(Summaries))
	for i, s := range Summaries {
		names[i] = s.Name
	}
	return names
}

// Defaults returns the settings that need no thought.
func Defaults() Settings {
	return Settings{
		// One leader and four workers: none, 30 s (what the original called
		// "no timeout set"), 5 s (the operator's default since) and 1 s.
		Pods:            5,
		ConnectTimeouts: []Duration{0, Duration(30 * time.Second), Duration(5 * time.Second), Duration(time.Second)},
		QPS:             1000,
		Gap:             Duration(2 * time.Second),
		// Above cacheTTL plus a dial and its pause, so that what a cache did
		// is over by then.
		Deadline: Duration(40 * time.Second),
		// Above kernelGivesUp.
		Follow: Duration(150 * time.Second),
	}
}

// Deadlines of plans in which only the worker without a connect timeout is to
// be censored, or none is. With the gap of 2 s up to 28 s are left of a stale
// record's 30, during which a worker dials again and again, each time for its
// timeout and a pause of up to 0.2 s.
const (
	// In the sweep the worker of 9 s is the last: four dials and pauses, if it
	// is unlucky, end at 36.8 s.
	sweepDeadline = Duration(40 * time.Second)
	// The worker of 5 s is the last of the shorter list: six end at 31.2 s.
	listDeadline = Duration(36 * time.Second)
)

// declaredBlocks is how often plans that are about tests repeat their arms.
// With 10 blocks up to 25 secondary contrasts can reach p < 0.05 after Holm,
// and 12 can in which a block was lost; with 6 blocks not two could.
const declaredBlocks = 10

// Preset returns what a named plan sets beside its arms: its settings and how
// many blocks it has. Other names get the defaults and one block.
func Preset(name string) (Settings, int) {
	s := Defaults()
	switch name {
	case "timeouts":
		// The leader and a worker for each: none and the original's sweep.
		s.Pods = 13
		s.ConnectTimeouts = []Duration{0, Duration(30 * time.Second)}
		for t := 10 * time.Second; t > 0; t -= time.Second {
			s.ConnectTimeouts = append(s.ConnectTimeouts, Duration(t))
		}
		s.Deadline = sweepDeadline
		return s, declaredBlocks
	case "standard":
		s.ConnectTimeouts = []Duration{Duration(30 * time.Second), Duration(5 * time.Second), Duration(2 * time.Second), Duration(time.Second)}
		s.Deadline = listDeadline
		return s, declaredBlocks
	}
	return s, 1
}

// standard is the list of arms that answers which stage holds the time, which
// explanation survives and what helps. A full cross would take hours. What a
// block of them costs is in testdata/standard.golden; left out for their cost
// are the extra "service", the observer "peers", the gap of 10 s, and a second
// look at reused names under nodelocal and kube-dns (40 s each).
var standard = []Arm{
	// The workload as reported: the control of the primary contrast and of
	// what helps against stale addresses.
	{DNS: Cache30, Names: Reused, Extra: ExtraNone, Observer: record.Solo},
	// The primary contrast: what the original's "service" was.
	{DNS: Cache30, Names: Reused, Extra: ExtraMemberPod, Observer: record.Solo},
	// Remedies against stale addresses.
	{DNS: Cache30, Names: Reused, Extra: ExtraNone, Observer: record.Solo, Gap: "35s"},
	{DNS: NoSuccessCache, Names: Reused, Extra: ExtraNone, Observer: record.Solo},
	{DNS: Uncached, Names: Reused, Extra: ExtraNone, Observer: record.Solo},
	// Fresh names: a remedy, and the control of what helps against denials.
	{DNS: Cache30, Names: Fresh, Extra: ExtraNone, Observer: record.Solo},
	// Remedies against denials, with peers: a lone worker meets a denial in
	// half the trials, and 10 blocks cannot tell 5 late ones from none.
	{DNS: NoDenialCache, Names: Fresh, Extra: ExtraNone, Observer: record.PeersServer},
	{DNS: Cache30, Names: Fresh, Extra: ExtraNone, Observer: record.PeersServer, Publish: true},
	{DNS: Cache30, Names: Fresh, Extra: ExtraNone, Observer: record.PeersServer, First: Duration(5 * time.Second)},
	// And what the lone worker sees of it.
	{DNS: Uncached, Names: Fresh, Extra: ExtraNone, Observer: record.Solo},
	// The same again: what the procedure says where nothing differs. Outcomes
	// that are 0 or 30 s it could not call equivalent, and a block would be
	// longer by 20 to 30 s.
	{DNS: Uncached, Names: Fresh, Extra: ExtraNone, Observer: record.Solo, Copy: 2},
	// Without DNS: what pod start and network cost alone.
	{DNS: Cache30, Names: Fresh, Extra: ExtraNone, Observer: record.Solo, Connect: ByAddress},
	// What our own asking does, and when the servers had the records.
	{DNS: Cache30, Names: Fresh, Extra: ExtraNone, Observer: record.PeersServer},
	{DNS: Uncached, Names: Fresh, Extra: ExtraNone, Observer: record.PeersServer},
	// The order of creation, where no cache hides tenths of a second behind
	// 30 s of luck.
	{DNS: Uncached, Names: Fresh, Extra: ExtraNone, Observer: record.Solo, Order: JobFirst},
	// The other providers of the original report.
	{DNS: NodeLocalUncached, Names: Fresh, Extra: ExtraNone, Observer: record.Solo},
	{DNS: KubeDNS, Names: Fresh, Extra: ExtraNone, Observer: record.Solo},
}

// named returns the arms of a named plan in their canonical order.
func named(o Options) ([]Arm, error) {
	both := []DNS{Cache30, Uncached}
	switch o.Name {
	case "quick":
		o.preset(both, []Names{Fresh}, []Extra{ExtraNone, ExtraService})
	case "default":
		o.preset(both, AllNames, []Extra{ExtraNone, ExtraService, ExtraMemberPod})
	case "extras":
		o.preset(both[:1], []Names{Fresh}, Extras, record.Solo)
	case "timeouts":
		o.preset(both[:1], []Names{Reused}, []Extra{ExtraNone, ExtraMemberPod}, record.Solo)
	case "standard":
		if o.picky() {
			return nil, Inputf("--plan standard is a list of arms; accepted beside it: no factor flags (--plan default takes them, and a plan file any list)")
		}
		return slices.Clone(standard), nil
	default:
		return nil, Inputf("--plan %q is not known; accepted: %s, or a file that ends in .json, .yaml or .yml", o.Name, Join(planNames()))
	}
	return o.cross()
}

// preset fills in a named plan's own factors where none are asked for.
func (o *Options) preset(dns []DNS, names []Names, extras []Extra, observers ...record.Observer) {
	or(&o.DNS, dns)
	or(&o.Names, names)
	or(&o.Extras, extras)
	or(&o.Observers, observers)
}

func or[T any](have *[]T, def []T) {
	if len(*have) == 0 {
		*have = def
	}
}

// picky tells whether any factor was asked for.
func (o Options) picky() bool {
	return len(o.DNS)+len(o.Names)+len(o.Extras)+len(o.Observers)+len(o.Publish)+
		len(o.Orders)+len(o.First)+len(o.Gaps)+len(o.Connects) > 0 || o.Again
}

// cross returns every combination of the factors, each once, leaving out what
// does not apply: a gap belongs to reused names, connecting by address to solo
// workers.
func (o Options) cross() ([]Arm, error) {
	or(&o.Publish, []bool{false})
	or(&o.Orders, []Order{ServiceFirst})
	or(&o.First, []Duration{o.Settings.FirstQueryAfter})
	or(&o.Gaps, []Gap{""})
	or(&o.Connects, []Connect{ByName})
	var arms []Arm
	add := func(a Arm) {
		if a.Names != Reused || a.Gap == o.settingGap() {
			a.Gap = ""
		}
		if a.First == o.Settings.FirstQueryAfter {
			a.First = 0
		}
		if a.Observer != record.Solo {
			a.Connect = ByName
		}
		if !slices.Contains(arms, a) {
			arms = append(arms, a)
		}
	}
	for _, d := range o.DNS {
		for _, n := range o.Names {
			for _, e := range o.Extras {
				for _, ob := range observersOf(o.Observers, n) {
					for _, further := range o.further() {
						further.DNS, further.Names, further.Extra, further.Observer = d, n, e, ob
						add(further)
					}
				}
			}
		}
	}
	for _, f := range []struct {
		flag  string
		asked bool
		does  func(Arm) bool
		want  string
	}{
		{"gap", len(o.Gaps) > 1, func(a Arm) bool { return a.Names == Reused }, "--names reused"},
		{"connect", slices.Contains(o.Connects, ByAddress), func(a Arm) bool { return a.Observer == record.Solo }, "--observer solo"},
	} {
		if f.asked && !slices.ContainsFunc(arms, f.does) {
			return nil, Inputf("--%s changes none of the plan's arms; accepted: with %s", f.flag, f.want)
		}
	}
	if o.Again {
		control := firstReference(arms)
		if control == nil {
			return nil, Inputf("--again needs a control arm to repeat: extra none and nothing else but DNS, names and observer varied; accepted: with --extra none among others")
		}
		again := *control
		again.Copy = 2
		arms = append(arms, again)
	}
	return arms, nil
}

// settingGap is the gap that an arm gets which names none.
func (o Options) settingGap() Gap {
	if o.Settings.NoWait {
		return NoWait
	}
	return gapLevel(time.Duration(o.Settings.Gap))
}

// further returns every combination of the factors beside the first four.
func (o Options) further() []Arm {
	var out []Arm
	for _, p := range o.Publish {
		for _, or := range o.Orders {
			for _, f := range o.First {
				for _, g := range o.Gaps {
					for _, c := range o.Connects {
						out = append(out, Arm{Publish: p, Order: or, First: f, Gap: g, Connect: c})
					}
				}
			}
		}
	}
	return out
}

// observersOf gives each arm its headline (solo) and, for fresh names, the
// time at which the DNS servers had the records. Reused names are about what
// solo's client did with a stale record: a second observer would double the
// longest trials to learn little. Asking for observers overrides this.
func observersOf(asked []record.Observer, n Names) []record.Observer {
	switch {
	case len(asked) > 0:
		return asked
	case n == Reused:
		return []record.Observer{record.Solo}
	}
	return []record.Observer{record.PeersServer, record.Solo}
}
