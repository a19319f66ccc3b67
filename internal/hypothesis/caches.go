package hypothesis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
)

// totals are the numbers of several trials.
type totals struct {
	trials, delayed      int // delayed: trials
	pairs                int // delayed ones
	unsplit              int // of these
	held, open           [parts]int
	heldIn               [parts]int // trials
	longest              [parts]time.Duration
	stale, staleIn       int
	denials, proven      int
	timedOut, silent     int
	connected            int
	onServer, onServerNo []time.Duration // known; censored
}

func sum(trials []trial) totals {
	s := totals{trials: len(trials)}
	for _, t := range trials {
		if t.delayed > 0 {
			s.delayed++
		}
		s.pairs += t.delayed
		s.unsplit += t.unsplit
		for k := range parts {
			s.held[k] += t.held[k]
			s.open[k] += t.open[k]
			if t.held[k] > 0 {
				s.heldIn[k]++
			}
			s.longest[k] = max(s.longest[k], t.longest[k])
		}
		s.stale += t.stale
		if t.stale > 0 {
			s.staleIn++
		}
		s.denials += t.denials
		s.proven += t.proven
		s.timedOut += t.timedOut
		s.silent += t.silent
		s.connected += t.connected
		switch o := t.onServer; {
		case !o.Known():
		case o.Censored:
			s.onServerNo = append(s.onServerNo, o.Value)
		default:
			s.onServer = append(s.onServer, o.Value)
		}
	}
	return s
}

// delays is "2 of 3 trials delayed".
func (s totals) delays() string {
	return fmt.Sprintf("%d of %s delayed", s.delayed, some(s.trials, "trial"))
}

// holds says of how many delayed pairs a part, called by its subject, held the
// wait.
func (s totals) holds(subject string, k part) string {
	split := s.pairs - s.unsplit
	var text []string
	switch {
	case s.pairs == 0:
		text = append(text, subject+" held no wait, as no pair was delayed")
	case split > 0 && s.held[k] == 0:
		text = append(text, fmt.Sprintf("%s held the wait of none of %s (longest %s)", subject, some(split, "delayed pair"), seconds(s.longest[k])))
	case split > 0:
		text = append(text, fmt.Sprintf("%s held the wait of %d of %s in %s (longest %s)", subject, s.held[k], some(split, "delayed pair"), some(s.heldIn[k], "trial"), seconds(s.longest[k])))
	}
	if s.unsplit > 0 {
		text = append(text, "where the time went is not known of "+some(s.unsplit, "delayed pair"))
	}
	return strings.Join(text, "; ")
}

// caches tells how a configuration caches, and whether that was found out.
func (in *Input) caches(d plan.DNS) (environment.CachingFacts, bool) {
	f, ok := in.env.Caching[d]
	return f, ok
}

const (
	notSplit  = "where the time of delayed pairs went is not known"
	notProven = "whether this DNS keeps what it was asked was not found out"
)

// staleRecord decides H1 for one configuration.
func (in *Input) staleRecord(d plan.DNS) finding {
	on := func(a plan.Arm) bool { return a.DNS == d && throughDNS(a) }
	reused := in.valid(all(on, names(plan.Reused)))
	if len(reused) == 0 {
		return untestable("", "no trial with reused names")
	}
	var alive, expired []trial
	var left []time.Duration
	for _, t := range reused {
		switch is, known := t.alive(); {
		case is:
			alive = append(alive, t)
		case known:
			expired = append(expired, t)
		}
		for _, l := range t.left {
			left = append(left, time.Duration(l.Longest*float64(time.Second)))
		}
	}
	s, out := sum(reused), sum(expired)
	held := s.heldIn[stale] - out.heldIn[stale]
	seen := fmt.Sprintf("reused names: %s, ", s.delays())
	if s.stale == 0 {
		seen += "no old address answered"
	} else {
		seen += fmt.Sprintf("an old address answered in %d (%s); %s", s.staleIn, some(s.stale, "time"), s.holds("it", stale))
	}
	if len(left) > 0 {
		seen += fmt.Sprintf("; at the first question the old record's TTL had %s left", extent(left))
	}
	if fresh := sum(in.valid(all(on, names(plan.Fresh)))); fresh.trials > 0 {
		seen += fmt.Sprintf("; fresh names: %s, an old address answered in %d", fresh.delays(), fresh.staleIn)
	}
	facts, checked := in.caches(d)
	switch {
	case held > 0 && checked && !facts.Positive:
		return finding{status: Supported, seen: seen, why: "the check of this DNS saw no addresses kept: something else than its cache kept them"}
	case held > 0:
		return support(seen)
	case s.open[stale] > 0:
		return untestable(seen, notSplit)
	case out.heldIn[stale] > 0:
		return untestable(seen, "the address was answered after its record had expired: something else than its time to live kept it")
	case checked && !facts.Positive:
		return refute(seen, "this DNS keeps no addresses")
	case len(alive) == 0 && len(expired) > 0:
		return untestable(seen, "every record of the previous pods had expired at the first question")
	case len(alive) == 0:
		return untestable(seen, "what the previous pods had left in the DNS is not known")
	case !checked:
		return untestable(seen, notProven)
	}
	return refute(seen, "")
}

// cachedDenial decides H4 for one configuration.
func (in *Input) cachedDenial(d plan.DNS) finding {
	trials := in.valid(func(a plan.Arm) bool { return a.DNS == d && throughDNS(a) })
	if len(trials) == 0 {
		return untestable("", "no trial")
	}
	s := sum(trials)
	seen := s.delays() + ", "
	if s.denials == 0 {
		seen += "no question denied"
	} else {
		seen += fmt.Sprintf("%s, %d provably from a cache; %s", some(s.denials, "denial"), s.proven, s.holds("they", denial))
	}
	if n := s.onServer; len(n) > 0 {
		seen += fmt.Sprintf("; the DNS servers themselves had every name after %s (%s)", extent(n), some(len(n), "trial"))
	}
	if n := s.onServerNo; len(n) > 0 {
		seen += fmt.Sprintf("; they did not have every name within %s (%s)", extent(n), some(len(n), "trial"))
	}
	var looked, tardy int // trials whose denials were told from a server's lateness; with a late server
	for _, t := range trials {
		if t.held[denial] > 0 && t.onServer.Known() {
			looked++
		}
		if yes, _ := later(t.onServer, Late); yes {
			tardy++
		}
	}
	facts, checked := in.caches(d)
	kept := s.proven > 0 || checked && facts.Negative
	switch {
	case s.heldIn[denial] > 0 && kept && looked == 0 && tardy > 0:
		return untestable(seen, fmt.Sprintf("the DNS servers themselves were late in %s, and where denials held the wait nobody looked at them", some(tardy, "trial")))
	case s.heldIn[denial] > 0 && kept:
		return support(seen)
	case s.heldIn[denial] > 0 && checked:
		return refute(seen, "the denials were the servers' own: this DNS keeps none")
	case s.heldIn[denial] > 0:
		return untestable(seen, notProven)
	case s.open[denial] > 0:
		return untestable(seen, notSplit)
	case checked && !facts.Negative:
		return refute(seen, "this DNS keeps no denials")
	case s.denials == 0:
		return untestable(seen, "no question was denied: none came before its name")
	case !kept:
		return untestable(seen, notProven)
	}
	return refute(seen, "")
}

// replicasDisagree decides H5 for one configuration.
func (in *Input) replicasDisagree(d plan.DNS) finding {
	trials := in.valid(func(a plan.Arm) bool { return a.DNS == d && throughDNS(a) })
	var both, differing, apart, differ, looked int
	var widest time.Duration
	servers := in.replicas(d)
	s := sum(trials)
	for _, t := range trials {
		for _, server := range t.servers {
			if !slices.Contains(servers, server) {
				servers = append(servers, server)
			}
		}
		if len(t.servers) > 1 {
			looked++
		}
		widest = max(widest, t.apart)
		if t.delayed == 0 {
			continue
		}
		// Where the deletion was not waited for, a server itself goes from the
		// old address to a denial.
		_, noWait := in.plan.GapOf(t.arm)
		told := t.both > 0 && !noWait
		if told {
			both++
		}
		if t.leftDiffers {
			differing++
		}
		if t.apart > Late {
			apart++
		}
		if told || t.leftDiffers || t.apart > Late {
			differ++
		}
	}
	if s.delayed == 0 {
		f := finding{status: NotTestable, why: "no trial was delayed", idle: true}
		if widest > Late {
			f.seen = "replicas had a name up to " + seconds(widest) + " apart"
		}
		return f
	}
	seen := fmt.Sprintf("%s; of these in %d a pod was told both an old address and that the name does not exist, in %d two replicas held one each", s.delays(), both, differing)
	if looked > 0 {
		seen += fmt.Sprintf(", in %d they had a name more than %s apart (widest %s)", apart, setting(Late), seconds(widest))
	}
	switch {
	case differ > 0:
		return support(seen)
	case len(servers) == 0:
		return untestable(seen, "how many replicas there are is not known")
	case len(servers) == 1:
		return refute(seen, "there is one replica")
	}
	return refute(seen, "")
}

// replicas are those of a configuration as far as the environment names them.
func (in *Input) replicas(d plan.DNS) []string {
	var out []string
	if d == plan.ClusterDNS {
		out = slices.Clone(in.env.DNS.Replicas)
	}
	facts, _ := in.caches(d)
	for _, s := range facts.Servers {
		if !s.Resolver && !slices.Contains(out, s.Server) {
			out = append(out, s.Server)
		}
	}
	return out
}
