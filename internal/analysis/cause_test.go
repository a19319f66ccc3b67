package analysis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// TestCause: each regime is told by what was measured in it.
func TestCause(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		world synth.World
		late  bool
		want  Cause
	}{
		"a denial kept, by all":                  {synth.Denied("t", record.PeersServer, 3), true, KeptDenial},
		"a denial kept, by pod 0's":              {synth.Denied("t", record.Solo, 3), true, KeptDenial},
		"a denial kept on the node":              {synth.NodeLocal("t", record.PeersServer, 3), true, KeptDenial},
		"an old address kept":                    {synth.Stale("t", plan.Cache30, s, 5*s), true, KeptAddress},
		"an old address kept, asked for once":    {synth.Stale("t", plan.Cache30, 30*s), true, KeptAddress},
		"questions lost":                         {synth.Failing("t", record.PeersServer, 3, 8*s), true, Lost},
		"connects dropped":                       {synth.Dropped("t", record.Solo, 3, 8*s), true, Connecting},
		"published late":                         {synth.SliceLate("t", record.PeersServer, 3, 5*s), true, LatePublish},
		"a replica is behind, the other answers": {synth.Apart("t", record.PeersServer, 3, 5*s), false, ""},
		"late Service": {
			synth.ServiceLate("t", plan.Uncached, record.PeersServer, 3, 6*s), true, LatePublish,
		},
		// The lag begins when the peer is Ready: a late one is pod start.
		"Ready late": {synth.ReadyLate("t", record.PeersServer, 3, 5*s), false, ""},
		"well":       {synth.Prompt("t", record.PeersServer, 3), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewTrial(judge.Judge(c.world.Trial().End()))
			late, known := got.Late()
			require.True(t, known)
			require.Equal(t, c.late, late, got.Connected)
			require.Equal(t, c.want, got.Cause)
		})
	}
}

// TestOldAddress: what was fetched before the pod was gone is a cache's.
func TestOldAddress(t *testing.T) {
	for name, c := range map[string]struct {
		age  [2]float64 // TTL used up when first and last seen, seconds
		over float64    // between the two
		gone float64    // the pod had been gone for so long when it was first seen
		want Cause
	}{
		"its TTL is not known":                     {[2]float64{-1, 0}, 60, 0, OldAddress},
		"seen once, with a full TTL":               {[2]float64{0, 0}, 0, 0, OldAddress},
		"seen once, with a full TTL, soon":         {[2]float64{0, 0}, 0, 2, OldAddress},
		"seen once, with a full TTL, later":        {[2]float64{0, 0}, 0, 10, OldRecord},
		"its TTL falls":                            {[2]float64{3, 29}, 26, 2, KeptAddress},
		"its TTL falls, seen once":                 {[2]float64{5, 5}, 0, 2, KeptAddress},
		"its TTL does not fall":                    {[2]float64{0, 0}, 3, 0, OldRecord},
		"its TTL falls and begins anew: outlived":  {[2]float64{5, 10}, 35, 2, OldRecord},
		"two replicas that fetched it apart":       {[2]float64{20, 12}, 3, 2, KeptAddress},
		"the pod was there when it was seen first": {[2]float64{0, 4}, 4, -6, KeptAddress},
	} {
		s := judge.StageTime{Age: c.age, Over: time.Duration(c.over * float64(time.Second))}
		require.Equal(t, c.want, oldAddress(s, c.gone), name)
	}
}
