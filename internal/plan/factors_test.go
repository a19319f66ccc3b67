package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// build makes a named plan with its own settings and blocks, changed.
func build(t *testing.T, name string, change func(*Options)) (Plan, error) {
	t.Helper()
	o := Options{Name: name, Run: "r", Seed: 1}
	o.Settings, o.Blocks = Preset(name)
	if change != nil {
		change(&o)
	}
	p, err := Build(o)
	if err == nil {
		require.NoError(t, Check(p), "what is built is whole")
	}
	return p, err
}

func names(arms []Arm) (out []string) {
	for _, a := range arms {
		out = append(out, a.String())
	}
	return out
}

func TestFactorsAreCrossedWhereTheyApply(t *testing.T) {
	s := func(d int) Duration { return Duration(time.Duration(d) * time.Second) }
	base := func(o *Options) {
		o.DNS, o.Names, o.Extras, o.Observers = []DNS{Cache30}, []Names{Reused}, []Extra{ExtraNone}, []record.Observer{record.Solo}
	}
	for name, tc := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"defaults leave no trace": {func(o *Options) {
			o.Publish, o.Orders = []bool{false}, []Order{ServiceFirst}
			o.First, o.Gaps = []Duration{0}, []Gap{"2s"}
		}, []string{"cache-30/reused/none/solo"}},
		"gaps": {func(o *Options) { o.Gaps = []Gap{"0s", "2s", "35s", NoWait} }, []string{
			"cache-30/reused/none/solo/gap=0s", "cache-30/reused/none/solo",
			"cache-30/reused/none/solo/gap=35s", "cache-30/reused/none/solo/gap=no-wait"}},
		"a gap is of reused names": {func(o *Options) { o.Names, o.Gaps = AllNames, []Gap{"2s", "10s"} }, []string{
			"cache-30/fresh/none/solo", "cache-30/reused/none/solo", "cache-30/reused/none/solo/gap=10s"}},
		"all that is left": {func(o *Options) {
			o.Publish, o.Orders, o.First = []bool{false, true}, []Order{JobFirst}, []Duration{0, s(5)}
		}, []string{
			"cache-30/reused/none/solo/job-first", "cache-30/reused/none/solo/job-first/first=5s",
			"cache-30/reused/none/solo/publish-not-ready/job-first", "cache-30/reused/none/solo/publish-not-ready/job-first/first=5s"}},
		"one gap and one delay are settings": {func(o *Options) { o.Gaps, o.First = []Gap{"10s"}, []Duration{s(5)} }, []string{
			"cache-30/reused/none/solo"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := build(t, "private", func(o *Options) { base(o); tc.change(o) })
			require.NoError(t, err)
			require.Equal(t, tc.want, names(p.Arms))
			for _, a := range p.Arms {
				back, err := ParseArm(a.String())
				require.NoError(t, err)
				require.Equal(t, a, back)
			}
		})
	}
}

func TestOneLevelIsASetting(t *testing.T) {
	p, err := build(t, "private", func(o *Options) {
		o.Gaps, o.First = []Gap{"10s"}, []Duration{Duration(time.Second)}
	})
	require.NoError(t, err)
	gap, noWait := p.GapOf(p.Arms[0])
	require.Equal(t, 10*time.Second, gap)
	require.False(t, noWait)
	require.Equal(t, time.Second, p.FirstQuery(p.Arms[0]))
	p, err = build(t, "private", func(o *Options) { o.Gaps = []Gap{NoWait} })
	require.NoError(t, err)
	_, noWait = p.GapOf(p.Arms[0])
	require.True(t, noWait)
}

// TestEveryLevelIsRead: what help and errors list is accepted.
func TestEveryLevelIsRead(t *testing.T) {
	for _, d := range AllDNS {
		got, err := ParseDNS(string(d))
		require.NoError(t, err)
		require.Equal(t, []DNS{d}, got)
	}
	first, err := ParseFirst("0s,1s, 5s,35s,1s")
	require.NoError(t, err)
	require.Equal(t, []Duration{0, Duration(time.Second), Duration(5 * time.Second), Duration(35 * time.Second)}, first)
	gaps, err := ParseGaps("0,2s,2000ms,no-wait,90s,1.5s")
	require.NoError(t, err)
	require.Equal(t, []Gap{"0s", "2s", NoWait, "90s", "1.5s"}, gaps, "one spelling each")
	publish, err := ParsePublish("false,true")
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, publish)
	orders, err := ParseOrders("job-first,service-first")
	require.NoError(t, err)
	require.Equal(t, []Order{JobFirst, ServiceFirst}, orders)
	for _, empty := range []func(string) (int, error){
		func(s string) (int, error) { l, err := ParseGaps(s); return len(l), err },
		func(s string) (int, error) { l, err := ParseFirst(s); return len(l), err },
		func(s string) (int, error) { l, err := ParsePublish(s); return len(l), err },
		func(s string) (int, error) { l, err := ParseOrders(s); return len(l), err },
	} {
		n, err := empty("")
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = empty(",")
		require.Error(t, err)
		_, err = empty("x")
		require.Error(t, err)
	}
}

func TestParseArmRefuses(t *testing.T) {
	for arm, want := range map[string]string{
		"":                                      "is too short",
		"cache-30/reused/none":                  "is too short",
		"bind/reused/none/solo":                 `dns "bind" is not known`,
		"cluster/old/none/solo":                 `names "old" is not known`,
		"cluster/fresh/nginx/solo":              `extra "nginx" is not known`,
		"cluster/fresh/none/all":                `observer "all" is not known`,
		"cluster/fresh/none/solo/first=0s":      `"first=0s" is not known`,
		"cluster/fresh/none/solo/first=5s,6s":   `"first=5s,6s" is not known`,
		"cluster/fresh/none/solo/gap=2s":        `gap with names "fresh" is not known; accepted: reused`,
		"cluster/reused/none/solo/gap=-2s":      `"gap=-2s" is not known`,
		"cluster/reused/none/solo/again/again":  `"again" is there twice`,
		"cluster/reused/none/solo/late\n":       `"late\n" is not known; accepted: publish-not-ready`,
		"cluster/reused/none/solo/by-telephone": `"by-telephone" is not known`,
	} {
		_, err := ParseArm(arm)
		require.ErrorContains(t, err, want, "%q", arm)
		require.NotContains(t, err.Error(), "\n")
	}
}
