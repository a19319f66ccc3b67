package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlanFile(t *testing.T) {
	path := filepath.Join("..", "..", "records", "providers.yaml")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	o, err := ParseFile(path, b)
	require.NoError(t, err)
	o.Run, o.Seed = "r", 1
	p, err := Build(o)
	require.NoError(t, err)
	require.NoError(t, Check(p))
	require.Equal(t, "providers", p.Name)
	require.Len(t, p.Arms, 8)
	require.Equal(t, "fresh against reused names (kube-dns)", p.Primary.Name)
	require.Len(t, p.Secondary, 4)
	_, second := p.SmallestP()
	require.Less(t, second, 0.05)
	require.Less(t, p.Expected(), 30*time.Minute)

	list, err := ParseFile("plan.json", []byte(`{
  "name": "mine", "blocks": 2,
  "settings": {"pods": 3, "connect_timeouts": ["none", "1500ms"], "gap": "0s", "deadline": "1m"},
  "arms": ["cluster/fresh/none/solo", "cluster/reused/none/solo/gap=35s"]
}`))
	require.NoError(t, err)
	want := Defaults()
	want.Pods, want.ConnectTimeouts, want.Gap, want.Deadline = 3, []Duration{0, Duration(1500 * time.Millisecond)}, 0, Duration(time.Minute)
	require.Equal(t, want, list.Settings)
	require.Equal(t, []string{"cluster/fresh/none/solo", "cluster/reused/none/solo/gap=35s"}, names(list.Arms))
	list.Run = "r"
	p, err = Build(list)
	require.NoError(t, err)
	require.False(t, p.Declares(), "what is not said is not tested")
}

func TestPlanFileRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":            {"", "p.yaml: is empty"},
		"comment":          {"# nothing\n", "p.yaml: is empty"},
		"no YAML":          {"a: [", "p.yaml: is neither YAML nor JSON"},
		"list":             {"- a\n", "p.yaml:1: something else stands where a mapping is wanted"},
		"unknown field":    {"name: x\n\nblock: 3\n", `p.yaml:3: field "block" is not known; accepted: name, blocks,`},
		"unknown setting":  {"name: x\nsettings:\n  pods: 3\n  speed: 4\n", `p.yaml:4: field "speed" is not known; accepted: pods,`},
		"in JSON":          {"{\"name\": \"x\",\n\"arm\": []}", `p.yaml:2: field "arm" is not known`},
		"twice":            {"name: x\nname: y\n", `p.yaml:2: field "name" is there twice`},
		"number":           {"name: x\nblocks: six\n", `p.yaml:2: "six" is no whole number`},
		"bool":             {"settings:\n  no_wait: perhaps\n", `p.yaml:2: "perhaps" is no true or false`},
		"duration":         {"settings:\n  gap: long\n", `p.yaml:2: time: invalid duration "long"`},
		"timeout":          {"settings:\n  connect_timeouts: [none, 0s]\n", `p.yaml:2: "0s" is no connect timeout`},
		"list for one":     {"name: [x]\n", "p.yaml:1: a list or mapping stands where one value is wanted"},
		"one for a list":   {"arms: x\n", "p.yaml:1: one value stands where a list is wanted"},
		"anchor":           {"name: &a x\nblocks: 1\n", "p.yaml:1: anchors and aliases are not read"},
		"alias":            {"arms: [*a]\n", "p.yaml: is neither"},
		"no name":          {"arms: [cluster/fresh/none/solo]\n", `p.yaml: name "" cannot be a plan's`},
		"a name of ours":   {"name: standard\narms: [cluster/fresh/none/solo]\n", `p.yaml: name "standard" is that of a named plan`},
		"no arms":          {"name: x\n", "p.yaml: neither arms nor factors are given"},
		"both":             {"name: x\narms: [cluster/fresh/none/solo]\nfactors: {dns: [cluster]}\n", "p.yaml: both arms and factors are given"},
		"unknown arm":      {"name: x\narms: [bind/fresh/none/solo]\n", `p.yaml: arm "bind/fresh/none/solo": dns "bind" is not known`},
		"unknown level":    {"name: x\nfactors: {dns: [bind]}\n", `p.yaml: --dns "bind" is not known`},
		"unknown control":  {"name: x\narms: [cluster/fresh/none/solo]\nprimary: {name: p, control: x, with: y, of: joined}\n", `p.yaml: contrast "p": arm "x" is too short`},
		"several errors":   {"\tname: x\n\tblocks: 1\n", "p.yaml: is neither YAML nor JSON"},
		"control sequence": {"name: \"\\e[31m\"\narms: [cluster/fresh/none/solo]\n", `name "\x1b[31m" cannot be`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseFile("p.yaml", []byte(tc.text))
			var in *InputError
			require.ErrorAs(t, err, &in)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// FuzzPlanFile: whatever a plan file holds, it becomes a plan that can be
// printed and checked, or one line that names the file.
func FuzzPlanFile(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("..", "..", "records", "providers.yaml"))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"name":"x","blocks":6,"arms":["cluster/reused/none/solo/gap=no-wait","cluster/reused/member-pod/solo/again"],` +
		`"primary":{"name":"p","control":"cluster/reused/none/solo/gap=no-wait","with":"cluster/reused/member-pod/solo/again","of":"joined","timeout":"none","control_timeout":"5s"}}`))
	f.Add([]byte("name: x\nfactors: {dns: [all], gap: [0s, 0s], first_query_after: [1h], again: true}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		refused := func(err error) {
			var in *InputError
			if !errors.As(err, &in) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("not one line: %q", err)
			}
		}
		o, err := ParseFile("p", text)
		if err != nil {
			refused(err)
			return
		}
		o.Run, o.Seed = "r", 1
		p, err := Build(o)
		if err != nil {
			refused(err)
			return
		}
		if err := Check(p); err != nil {
			t.Fatalf("what was built does not pass: %v", err)
		}
		if d := p.Describe(); strings.ContainsAny(d, "\r\x1b") {
			t.Fatalf("printed: %q", d)
		}
	})
}
