package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
)

// A factor is one thing in which arms differ. Flags list its levels ("--gap 2s,35s"),
// and the name of an arm has one of them ("cache-30/reused/none/solo/gap=35s").
type factor struct {
	name     string
	key      string // in an arm's name, before "=" and the level; "": the level alone
	alone    string // the level that key alone stands for
	accepted string // levels, for errors

	get func(Arm) string             // the arm's level
	set func(*Arm, string) (ok bool) // not ok: there is no such level
}

// factors lists what arms may differ in. Names of arms begin with the first four,
// whatever their level; of the others they have what is not the default.
var factors = []factor{
	words("dns", func(a *Arm) *DNS { return &a.DNS }, AllDNS),
	words("names", func(a *Arm) *Names { return &a.Names }, AllNames),
	words("extra", func(a *Arm) *Extra { return &a.Extra }, Extras),
	words("observer", func(a *Arm) *record.Observer { return &a.Observer }, Observers),
	words("publish-not-ready", func(a *Arm) *bool { return &a.Publish }, []bool{false, true}).
		as("publish-not-ready", "true"),
	words("order", func(a *Arm) *Order { return &a.Order }, []Order{ServiceFirst, JobFirst}, "service-first"),
	times("first-query-after", func(a *Arm) *Duration { return &a.First }).as("first", ""),
	words("previous", func(a *Arm) *Previous { return &a.Previous }, []Previous{Primed, Ran}, "primed"),
	times("delete-after", func(a *Arm) *Duration { return &a.DeleteAfter }),
	times("workers-outlive", func(a *Arm) *Duration { return &a.Outlive }),
	{name: "gap", key: "gap", accepted: gapsAccepted, get: func(a Arm) string { return string(a.Gap) }, set: setGap},
	words("copy", func(a *Arm) *int { return &a.Copy }, []int{0, 2}, "1").as("again", "2"),
}

const (
	inEveryName     = 4
	gapsAccepted    = "no-wait and durations such as 0s, 2s or 35s"
	inNamesAccepted = "publish-not-ready, job-first, first=5s, ran, delete-after=2s, workers-outlive=3s, gap=35s, " +
		"again, each once"
)

// words is a factor whose levels are a few words. The zero value may be spelled.
func words[T comparable](name string, of func(*Arm) *T, levels []T, zero ...string) factor {
	spelled := make([]string, len(levels))
	for i, l := range levels {
		spelled[i] = fmt.Sprint(l)
	}
	copy(spelled, zero)
	return factor{
		name: name, accepted: strings.Join(spelled, ", "),
		get: func(a Arm) string {
			if i := slices.Index(levels, *of(&a)); i >= 0 {
				return spelled[i]
			}
			return fmt.Sprint(*of(&a))
		},
		set: func(a *Arm, level string) bool {
			i := slices.Index(spelled, level)
			if i >= 0 {
				*of(a) = levels[i]
			}
			return i >= 0
		},
	}
}

// times is a factor whose levels are durations.
func times(name string, of func(*Arm) *Duration) factor {
	return factor{
		name: name, key: name, accepted: "durations such as 0s, 1s or 5s",
		get: func(a Arm) string { return durationName(*of(&a)) },
		set: func(a *Arm, level string) bool {
			d, err := time.ParseDuration(level)
			*of(a) = Duration(d)
			return err == nil && d >= 0 && d <= maxTime
		},
	}
}

// as says how names of arms spell the factor.
func (f factor) as(key, alone string) factor {
	f.key, f.alone = key, alone
	return f
}

func setGap(a *Arm, level string) bool {
	d, err := time.ParseDuration(level)
	a.Gap = Gap(level)
	if level == "" || a.Gap == NoWait {
		return true
	}
	if err == nil {
		a.Gap = gapLevel(Duration(d))
	}
	return err == nil && d >= 0 && d <= maxTime
}

func (f factor) unknown(level string) error {
	return Inputf("%s %.*q is not known; accepted: %s", f.name, maxText, level, f.accepted)
}

// String names the arm as progress lines and reports do: the four factors that
// every arm has, then what is not the default.
func (a Arm) String() string {
	var parts []string
	for i, f := range factors {
		switch level := f.get(a); {
		case i < inEveryName:
			parts = append(parts, level)
		case level == f.get(Arm{}):
		case f.key == "":
			parts = append(parts, level)
		case level == f.alone:
			parts = append(parts, f.key)
		default:
			parts = append(parts, f.key+"="+level)
		}
	}
	return strings.Join(parts, "/")
}

// ParseArm reads an arm as Arm.String writes it.
func ParseArm(s string) (Arm, error) {
	parts := strings.Split(s, "/")
	if len(parts) < inEveryName {
		return Arm{}, Inputf("arm %q is too short; accepted: dns/names/extra/observer, then what is not the default, "+
			"e.g. cache-30/reused/none/solo/gap=35s", s)
	}
	var a Arm
	for i, f := range factors[:inEveryName] {
		if !f.set(&a, parts[i]) {
			return Arm{}, Inputf("arm %.*q: %w", maxText, s, f.unknown(parts[i]))
		}
	}
	for _, part := range parts[inEveryName:] {
		key, level, valued := strings.Cut(part, "=")
		before := a
		for _, f := range factors[inEveryName:] {
			switch {
			case f.key == "":
				f.set(&a, part)
			case f.key != key || valued == (f.alone != ""):
			case f.alone != "":
				f.set(&a, f.alone)
			case !f.set(&a, level):
				a = before
			}
		}
		if a == before {
			return Arm{}, Inputf("arm %q: %q is not known, or is there twice; accepted: %s", s, part, inNamesAccepted)
		}
	}
	return a, a.check()
}

// Levels take the place of the arms' own: by factor, separated by commas.
type Levels map[string]string

// override puts the levels in the place of the arms' own: each arm is repeated for
// every level of each factor, and arms that are the same then are there once. One
// gap or one delay of the first question is a setting, so that arms keep their names.
func (p *Plan) override(levels Levels) error {
	for name := range levels {
		if !slices.ContainsFunc(factors, func(f factor) bool { return f.name == name }) {
			return Inputf("factor %q is not known", name)
		}
	}
	changed := false
	for _, f := range factors {
		list := levels[f.name]
		switch {
		case list == "":
			continue
		case list == "all" && f.name == "extra":
			list = f.accepted
		}
		var asked []func(*Arm)
		for _, level := range slices.Compact(strings.Split(strings.ReplaceAll(list, " ", ""), ",")) {
			if level == "" || !f.set(&Arm{}, level) {
				return Inputf("--%w", f.unknown(level))
			}
			asked = append(asked, func(a *Arm) { f.set(a, level) })
		}
		if len(asked) == 1 && p.Settings.take(f, asked[0]) {
			continue
		}
		if f.name == "gap" && !slices.ContainsFunc(p.Arms, func(a Arm) bool { return a.Names == Reused }) {
			return Inputf("--gap changes none of the plan's arms; accepted: with --names reused")
		}
		var arms []Arm
		for _, a := range p.Arms {
			for _, set := range asked {
				set(&a)
				arms = append(arms, a)
			}
		}
		p.Arms, changed = arms, true
	}
	if changed {
		p.Arms = p.Settings.distinct(p.Arms)
		p.keepContrasts(func(c *Contrast) bool {
			return slices.Contains(p.Arms, c.Control) && slices.Contains(p.Arms, c.With)
		})
	}
	return nil
}

// take makes a setting of the only level of a factor; false: it is none of these.
func (s *Settings) take(f factor, set func(*Arm)) bool {
	var a Arm
	set(&a)
	switch f.name {
	case "first-query-after":
		s.FirstQueryAfter = a.First
	case "gap":
		if s.NoWait = a.Gap == NoWait; !s.NoWait {
			gap, _ := time.ParseDuration(string(a.Gap)) // set has parsed it
			s.Gap = Duration(gap)
		}
	default:
		return false
	}
	return true
}

// distinct gives arms that are the same in effect one name and returns each once.
func (s Settings) distinct(arms []Arm) []Arm {
	setting := gapLevel(s.Gap)
	if s.NoWait {
		setting = NoWait
	}
	var out []Arm
	for _, a := range arms {
		if a.Names != Reused || a.Observer != record.Solo {
			a.Previous = Primed
		}
		if a.Previous != Ran {
			a.DeleteAfter, a.Outlive = 0, 0
		}
		if a.Names != Reused || a.Gap == setting {
			a.Gap = ""
		}
		if a.First == s.FirstQueryAfter {
			a.First = 0
		}
		// Of two that differ in how often they are due, the more frequent stays.
		same := slices.IndexFunc(out, func(b Arm) bool { b.Every = a.Every; return a == b })
		if same < 0 {
			out = append(out, a)
		} else {
			out[same].Every = min(out[same].Every, a.Every)
		}
	}
	return out
}

// Join lists factor levels as help and errors show them.
func Join[T ~string](levels []T) string {
	s := make([]string, len(levels))
	for i, l := range levels {
		s[i] = string(l)
	}
	return strings.Join(s, ", ")
}

// Timeouts are connect timeouts; 0 leaves one to the kernel and is written none. It
// is the value of a flag.
type Timeouts []Duration

// String lists the timeouts as Set reads them.
func (t Timeouts) String() string {
	s := make([]string, len(t))
	for i, d := range t {
		s[i] = TimeoutName(d)
	}
	return strings.Join(s, ",")
}

// Set reads a list such as none,30s,5s,1s.
func (t *Timeouts) Set(list string) error {
	var out Timeouts
	for _, v := range strings.Split(list, ",") {
		v = strings.TrimSpace(v)
		d, err := time.ParseDuration(v)
		if v != "none" && (err != nil || d <= 0) {
			return Inputf("holds %q; accepted: none and positive durations, e.g. none,30s,5s,1s", v)
		}
		out = append(out, Duration(d))
	}
	*t = out
	return nil
}

// Type names the value in --help.
func (*Timeouts) Type() string { return "durations" }

// TimeoutName names a connect timeout as flags and reports do.
func TimeoutName(t Duration) string {
	if t == 0 {
		return "none"
	}
	return durationName(t)
}

// durationName writes whole seconds as such ("90s").
func durationName(d Duration) string {
	if t := time.Duration(d); t%time.Second == 0 {
		return fmt.Sprintf("%ds", t/time.Second)
	}
	return time.Duration(d).String()
}

// gapLevel is the one spelling of a gap.
func gapLevel(d Duration) Gap { return Gap(durationName(d)) }
