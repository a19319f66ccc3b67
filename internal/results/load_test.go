package results

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
)

func line(t testing.TB, id string, change ...func(*Trial)) string {
	tr := testTrial(id)
	tr.V = Version
	for _, c := range change {
		c(&tr)
	}
	b, err := json.Marshal(tr)
	require.NoError(t, err)
	return string(b) + "\n"
}

func TestTrials(t *testing.T) {
	one, two := line(t, "t001"), line(t, "t002")
	invalid := line(t, "t001", func(tr *Trial) { tr.Status = Invalid })
	for _, tc := range []struct {
		name    string
		file    string
		trials  int
		warning string
		err     string
	}{
		{name: "empty"},
		{name: "two", file: one + two, trials: 2},
		{name: "last newline missing", file: one + strings.TrimSuffix(two, "\n"), trials: 1, warning: "line 2 of trials.jsonl is incomplete"},
		{name: "windows line ends", file: strings.ReplaceAll(one+two, "\n", "\r\n"), trials: 2},
		{name: "cut off", file: one + two[:len(two)/2], trials: 1, warning: "line 2 of trials.jsonl is incomplete: 1 trial"},
		{name: "cut off after one byte", file: one + "{", trials: 1, warning: "1 trial is left out"},
		{name: "a foreign file with zero bytes", file: "\x7fELF\x00\x00\n", err: ":1: is not a trial"},
		{name: "zero bytes after power failure", file: one + "\x00\x00", trials: 1, warning: "incomplete"},
		{name: "again after an invalid one", file: invalid + one, trials: 2},
		{name: "twice", file: one + one, trials: 1, err: `:2: trial "t001" is here twice`},
		{name: "not in the plan", file: line(t, "t009"), err: `:1: trial "t009" is not in the plan`},
		{name: "another arm", file: line(t, "t001", func(tr *Trial) { tr.Plan.Arm.Extra = "pod" }), err: `:1: trial "t001" is of arm`},
		{name: "another sample", file: line(t, "t001", func(tr *Trial) { tr.Plan.Sample.Peers = 3 }), err: `:1: trial "t001" asked for a sample of 3 peers from seed 0, the plan says 0 from 0`},
		{name: "cut off in the middle", file: two[:len(two)/2] + "\n" + one, err: ":1: is not a trial"},
		{name: "newer version", file: one + `{"v":2,"plan":[]}` + "\n", trials: 1, err: ":2: has version 2; accepted: a trial of plan.json once"},
		{name: "newer record", file: line(t, "t001", func(tr *Trial) { tr.Run.Pods[0].Lines[0].V = 2 }), err: "probe record of version 2"},
		{name: "other JSON", file: `{"foo":1}` + "\n", err: ":1: has version 0"},
		{name: "text", file: "hello\n", err: ":1: is not a trial"},
		{name: "array", file: "[1,2]\n", err: ":1: is not a trial"},
		{name: "null", file: "null\n", err: ":1: has version 0"},
		{name: "two on a line", file: strings.TrimSuffix(one, "\n") + two, err: ":1: is not a trial"},
		{name: "unknown status", file: line(t, "t001", func(tr *Trial) { tr.Status = "fine" }), err: `has status "fine"`},
		{name: "no id", file: line(t, ""), err: "has no trial id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := holding(t, []byte(tc.file))
			path := filepath.Join(dir, TrialsFile)
			trials, warnings, err := collect(t, dir)
			require.Len(t, trials, tc.trials)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				var input *plan.InputError
				require.ErrorAs(t, err, &input)
				require.ErrorContains(t, err, path)
				require.ErrorContains(t, err, tc.err)
				require.Contains(t, err.Error(), "accepted: ")
				require.NotContains(t, err.Error(), "\n")
			}
			if tc.warning == "" {
				require.Empty(t, warnings)
			} else {
				require.Len(t, warnings, 1)
				require.Contains(t, warnings[0], tc.warning)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, tc.file, string(after), "reading modified the file")
		})
	}
}

func TestLoadRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		plan string
		env  string
		want string
	}{
		{name: "no plan", want: "no such file"},
		{name: "foreign plan", plan: "[]", want: "plan.json: json: cannot unmarshal array"},
		{name: "other version", plan: `{"v":2}`, want: "has version 2"},
		{name: "cut off environment", plan: `{"v":1}`, env: `{"a":`, want: "is not JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if tc.plan != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), []byte(tc.plan), 0o644))
			}
			if tc.env != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, EnvironmentFile), []byte(tc.env), 0o644))
			}
			_, err := Load(dir)
			var input *plan.InputError
			require.ErrorAs(t, err, &input)
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := Load(filepath.Join(t.TempDir(), "absent"))
	var input *plan.InputError
	require.ErrorAs(t, err, &input)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(filepath.Join(t.TempDir(), "absent"))
	require.ErrorAs(t, err, &input)
}

// Lines of several MB must come through whole.
func TestLongLines(t *testing.T) {
	long := line(t, "t001", func(tr *Trial) { tr.Reason, tr.Status = strings.Repeat("x", 5<<20), Invalid })
	dir := holding(t, []byte(long+long))
	trials, _, err := collect(t, dir)
	require.NoError(t, err)
	require.Len(t, trials, 2)
	require.Len(t, trials[1].Reason, 5<<20)
}

// holding makes a results folder with a trials.jsonl.
func holding(t testing.TB, trials []byte) string {
	dir := t.TempDir()
	text, err := json.Marshal(testPlan("t001", "t002"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, TrialsFile), trials, 0o600))
	return dir
}

// Whatever the bytes, the reader neither panics nor invents trials; and a
// file of ours that is cut anywhere gives all its whole lines, never an error.
func FuzzReadTrials(f *testing.F) {
	ours := []byte(line(f, "t001") + line(f, "t002"))
	f.Add([]byte(""), 10)
	f.Add(ours, len(ours)-3)
	f.Add([]byte("{\"v\":1}\n{"), 5)
	f.Add([]byte("\x00\n\x00"), 0)
	f.Add([]byte(`{"v":2,"plan":1}`), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		trials, _, err := collect(t, holding(t, b))
		for _, tr := range trials {
			if tr.V != Version || tr.Plan.ID == "" {
				t.Errorf("trial %+v", tr.Plan)
			}
		}
		if most := bytes.Count(b, []byte("\n")) + 1; len(trials) > most {
			t.Errorf("%d trials in %d lines", len(trials), most)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error of several lines: %q", err)
		}

		cut = min(max(cut, 0), len(ours))
		trials, warnings, err := collect(t, holding(t, ours[:cut]))
		require.NoError(t, err)
		whole := bytes.Count(ours[:cut], []byte("\n"))
		if len(trials) != whole || len(warnings) > 1 {
			t.Errorf("cut at %d: %d trials of %d whole lines, warnings %q", cut, len(trials), whole, warnings)
		}
	})
}
