package plan

import (
	"encoding/json"
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
	p, err := Parse(path, b)
	require.NoError(t, err)
	p.Run, p.Seed = "r", 1
	p, err = Build(p, nil)
	require.NoError(t, err)
	require.NoError(t, Check(p))
	require.Equal(t, "providers", p.Name)
	require.Len(t, p.Arms, 8)
	require.Equal(t, "fresh against reused names (kube-dns)", p.Primary.Name)
	require.Len(t, p.Secondary, 4)
	_, second := p.SmallestP()
	require.Less(t, second, 0.05)
	require.Less(t, p.Expected(), 30*time.Minute)

	list, err := Parse("plan.json", []byte(`{
  "name": "mine", "blocks": 2,
  "settings": {"pods": 3, "connect_timeouts": ["none", "1500ms"], "gap": "0s", "deadline": "1m"},
  "arms": [{"dns": "cluster", "names": "fresh", "extra": "none", "observer": "solo"},
    {"dns": "cluster", "names": "reused", "extra": "none", "observer": "solo", "gap": "35s"}]
}`))
	require.NoError(t, err)
	want := Defaults()
	want.Pods, want.ConnectTimeouts, want.Gap, want.Deadline = 3, Timeouts{0, Duration(1500 * time.Millisecond)}, 0, Duration(time.Minute)
	require.Equal(t, want, list.Settings)
	require.Equal(t, []string{"cluster/fresh/none/solo", "cluster/reused/none/solo/gap=35s"}, names(list.Arms))
	require.False(t, list.Declares(), "what is not said is not tested")
}

// TestPlanJSONIsAPlanFile: it repeats the run with its seed, under a new id.
func TestPlanJSONIsAPlanFile(t *testing.T) {
	for _, name := range planNames() {
		first, err := build(t, name, nil, func(p *Plan) { p.Seed = 117819 })
		require.NoError(t, err)
		text, err := json.Marshal(first)
		require.NoError(t, err)
		p, err := Parse("plan.json", text)
		require.NoError(t, err)
		require.Empty(t, p.Run)
		p.Run = first.Run
		again, err := Build(p, nil)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func TestPlanFileRefuses(t *testing.T) {
	const arm = "{dns: cluster, names: fresh, extra: none, observer: solo}"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                   {"", "p.yaml: is empty"},
		"comment":                 {"# nothing\n", "p.yaml: the plan has no arms"},
		"no YAML":                 {"a: [", "p.yaml: is no plan: "},
		"list":                    {"- a\n", "p.yaml: is no plan: "},
		"unknown field":           {"name: x\n\nblock: 3\n", `unknown field "block"`},
		"unknown setting":         {"name: x\nsettings:\n  pods: 3\n  speed: 4\n", `unknown field "speed"`},
		"unknown in a comparison": {"name: x\nprimary: {speed: 4}\n", `unknown field "speed"`},
		"twice":                   {"name: x\nname: y\n", `line 2: key "name" already set`},
		"number":                  {"name: x\nblocks: six\n", "cannot unmarshal string into Go struct field Plan.blocks of type int"},
		"duration":                {"settings:\n  gap: long\n", `invalid duration "long"`},
		"another version":         {"v: 7\nname: x\narms: [" + arm + "]\n", "the plan has version 7; accepted: 1"},
		"no name":                 {"arms: [" + arm + "]\n", `p.yaml: name "" cannot be a plan's`},
		"no arms":                 {"name: x\n", "p.yaml: the plan has no arms"},
		"unknown control":         {"name: x\narms: [" + arm + "]\nprimary: {name: p, control: x, with: z, metric: {of: joined}}\n", `contrast "p": arm "x" is too short`},
		"control elsewhere":       {"name: x\narms: [" + arm + "]\nprimary: {name: p, control: cluster/fresh/none/solo, with: cluster/fresh/pod/solo, metric: {of: connected}}\n", "is not among the plan's"},
		"control sequence":        {"name: \"\\e[31m\"\narms: [" + arm + "]\n", `name "\x1b[31m" cannot be`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(tc.text))
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
	for _, name := range planNames() {
		text, err := plans.ReadFile("plans/" + name + ".yaml")
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		refused := func(err error) {
			var in *InputError
			if !errors.As(err, &in) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("not one line: %q", err)
			}
		}
		p, err := Parse("p", text)
		if err != nil {
			refused(err)
			return
		}
		p.Run, p.Seed = "r", 1
		p, err = Build(p, nil)
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
