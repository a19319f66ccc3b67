package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRecordedPlansPass: plans of earlier versions are still whole, so their
// order of trials has not changed either. The standard plan's has gaps: its ten
// trials that connected by address were taken out of the record.
func TestRecordedPlansPass(t *testing.T) {
	for _, name := range []string{"default", "extras", "timeouts", "standard"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "records", name, "plan.json"))
		require.NoError(t, err)
		var p Plan
		require.NoError(t, json.Unmarshal(b, &p))
		again, err := Parse("plan.json", b)
		require.NoError(t, err)
		again.Run = p.Run
		q, err := Build(again, nil)
		require.NoError(t, err)
		if name == "standard" {
			require.ElementsMatch(t, p.Arms, q.Arms)
			continue
		}
		require.NoError(t, Check(p), name)
		require.Equal(t, order(p), order(q))
	}
}

func TestCheckRefuses(t *testing.T) {
	five := Duration(5 * time.Second)
	for name, tc := range map[string]struct {
		change func(*Plan)
		want   string
	}{
		"version":           {func(p *Plan) { p.V = 2 }, "the plan has version 2; accepted: 1"},
		"run":               {func(p *Plan) { p.Run = "../x" }, `--run-id "../x" cannot be part of a name`},
		"no run":            {func(p *Plan) { p.Run = "" }, `--run-id "" cannot be part of a name`},
		"name":              {func(p *Plan) { p.Name = "a\nb" }, `name "a\nb" cannot be a plan's`},
		"no interval":       {func(p *Plan) { p.Settings.Interval = 0 }, "interval is 0s"},
		"a year":            {func(p *Plan) { p.Settings.Gap = Duration(9000 * time.Hour) }, "--gap 9000h0m0s is not possible; accepted: 0s to 24h0m0s"},
		"a long connect":    {func(p *Plan) { p.Settings.ConnectTimeouts[0] = Duration(25 * time.Hour) }, "--connect-timeouts holds 25h0m0s"},
		"many timeouts":     {func(p *Plan) { p.Settings.ConnectTimeouts = make([]Duration, 1001) }, "--connect-timeouts holds 1001; accepted: 1 to 1000"},
		"qps":               {func(p *Plan) { p.Settings.QPS = 1 << 40 }, "accepted: 1 to 1000000"},
		"pods":              {func(p *Plan) { p.Settings.Pods = -1 << 62 }, "accepted: 2 to 1000"},
		"blocks":            {func(p *Plan) { p.Blocks = 1 << 40 }, "accepted: 1 to 1000"},
		"no blocks":         {func(p *Plan) { p.Blocks = 0 }, "--blocks 0 is not possible"},
		"no arms":           {func(p *Plan) { p.Arms = nil }, "has no arms"},
		"many trials":       {func(p *Plan) { p.Blocks = 1000 }, "are too many trials; accepted: up to 10000"},
		"arm twice":         {func(p *Plan) { p.Arms[1] = p.Arms[0] }, "is there twice; accepted: each once"},
		"unknown arm":       {func(p *Plan) { p.Arms[0].DNS = "bind\n" }, `dns "bind\n" is not known`},
		"long level":        {func(p *Plan) { p.Arms[0].Extra = Extra(strings.Repeat("x", 1<<20)) }, "is not known"},
		"negative delay":    {func(p *Plan) { p.Arms[0].First = -five }, "first"},
		"late question":     {func(p *Plan) { p.Arms[0].First = Duration(time.Hour) }, "--first-query-after 1h0m0s is not before the deadline"},
		"third copy":        {func(p *Plan) { p.Arms[0].Copy = 3 }, `copy "3" is not known; accepted: 1, 2`},
		"order":             {func(p *Plan) { p.Arms[0].Order = "random" }, `order "random" is not known`},
		"gap":               {func(p *Plan) { p.Arms[0].Gap = "forever" }, `gap "forever" is not known`},
		"trial missing":     {func(p *Plan) { p.Trials = p.Trials[1:] }, "the plan has 159 trials; accepted: 160, for 16 arms in 10 blocks"},
		"another order":     {func(p *Plan) { p.Trials[0], p.Trials[1] = p.Trials[1], p.Trials[0] }, "trial 1 of the plan does not follow from its seed"},
		"another seed":      {func(p *Plan) { p.Seed++ }, "of the plan does not follow from its seed"},
		"another job":       {func(p *Plan) { p.Trials[3].Job = "kube-dns" }, "trial 4 of the plan does not follow"},
		"another deadline":  {func(p *Plan) { p.Trials[3].Deadline = 1 }, "trial 4 of the plan does not follow"},
		"endless trial":     {func(p *Plan) { p.Trials[3].Expected = 1 << 62 }, "is expected to take"},
		"negative trial":    {func(p *Plan) { p.Trials[3].Expected = -1 }, "is expected to take"},
		"no margin":         {func(p *Plan) { p.Margin = 0 }, "--margin 0s is not positive"},
		"nameless contrast": {func(p *Plan) { p.Secondary[0].Name = "" }, "is no short text"},
		"two lines":         {func(p *Plan) { p.Secondary[0].Name = "a\nb" }, "is no short text"},
		"remedy":            {func(p *Plan) { p.Secondary[0].Remedy = "a\x1bb" }, "is no short text"},
		"same name":         {func(p *Plan) { p.Secondary[1].Name = p.Secondary[0].Name }, "is there twice; accepted: a name of its own"},
		"unknown control":   {func(p *Plan) { p.Primary.Control.Extra = "pod\n" }, "is not among the plan's arms"},
		"unknown treated":   {func(p *Plan) { p.Primary.With.Extra = "pod" }, "is not among the plan's"},
		"outcome":           {func(p *Plan) { p.Primary.Outcome.Of = "happy" }, `outcome "happy" is not known; accepted: resolved, on-server, connected, joined`},
		"not looked at":     {func(p *Plan) { p.Primary.Outcome = Outcome{Of: OnServer} }, `outcome "on-server" is seen by observer peers+server only`},
		"no worker":         {func(p *Plan) { p.Primary.Outcome.Timeout = Duration(7 * time.Second) }, "no worker has the connect timeout 7s; accepted: 30s,5s,2s,1s"},
		"timeout of no one": {func(p *Plan) { p.Primary.Outcome = Outcome{Of: Resolved, Timeout: five} }, `outcome "resolved" has no connect timeout`},
		"itself":            {func(p *Plan) { p.Primary.With = p.Primary.Control }, "it compares an arm with itself"},
		"itself, a worker":  {func(p *Plan) { p.Primary.With, p.Primary.Outcome.ControlTimeout = p.Primary.Control, &five }, "it compares an arm with itself"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := build(t, "standard", nil, nil)
			require.NoError(t, err)
			tc.change(&p)
			err = Check(p)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 2000)
		})
	}
}

func TestWithout(t *testing.T) {
	standard, err := build(t, "standard", nil, nil)
	require.NoError(t, err)
	without := func(d DNS) bool { return d.Facts().ClusterRole }
	p, err := standard.Without(func(d DNS) bool { return d == Uncached })
	require.NoError(t, err)
	require.NoError(t, Check(p))
	require.NotContains(t, p.PrivateDNS(), Uncached)
	require.Len(t, p.Trials, p.Blocks*len(p.Arms))
	require.NotNil(t, p.Primary)
	for _, c := range p.Secondary {
		require.Contains(t, p.Arms, c.Control)
		require.Contains(t, p.Arms, c.With)
	}
	same, err := standard.Without(func(DNS) bool { return false })
	require.NoError(t, err)
	require.Equal(t, standard, same)

	only, err := build(t, "private", Levels{"dns": "uncached"}, func(p *Plan) { p.Blocks = 6 })
	require.NoError(t, err)
	_, err = only.Without(without)
	require.ErrorContains(t, err, "none of its arms can be had here")
}
