package plan

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Parse reads a plan file, in YAML or JSON. What it leaves out has the value
// of Defaults, and one block. A field that is not known, or is there twice, is
// an error. Its errors are InputErrors of one line that begin with the path.
//
// A plan.json that a run has written is a plan file. Its run and its trials
// are left out: they follow from the rest and from a new run's id.
func Parse(path string, text []byte) (Plan, error) {
	p := Plan{Blocks: 1, Settings: Defaults()}
	if len(bytes.TrimSpace(text)) == 0 {
		return Plan{}, Inputf("%s: is empty; accepted: a plan, see --help", path)
	}
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		why := err.Error()
		why = why[strings.LastIndex(why, "JSON: ")+1:]
		return Plan{}, Inputf("%s: is no plan: %s", path, oneLine(strings.TrimPrefix(why, "SON: ")))
	}
	switch {
	case p.V != 0 && p.V != PlanVersion:
		return Plan{}, Inputf("%s: the plan has version %d; accepted: %d", path, p.V, PlanVersion)
	case len(p.Arms) == 0:
		return Plan{}, Inputf("%s: the plan has no arms; accepted: at least one", path)
	}
	if err := p.checkName(); err != nil {
		return Plan{}, Inputf("%s: %w", path, err)
	}
	p.V, p.Run, p.Trials = PlanVersion, "", nil
	if p.Declares() && p.Margin == 0 {
		p.Margin = DefaultMargin
	}
	if err := p.checkContrasts(); err != nil {
		return Plan{}, Inputf("%s: %w", path, err)
	}
	return p, nil
}

// oneLine makes one printable line of a text that may hold anything.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// contrastFile is a Contrast as files hold it: arms by their names.
type contrastFile struct {
	Name    string  `json:"name"`
	Control string  `json:"control"`
	With    string  `json:"with"`
	Outcome Outcome `json:"metric"`
	Remedy  string  `json:"remedy,omitempty"`
}

// MarshalJSON writes the arms by their names.
func (c Contrast) MarshalJSON() ([]byte, error) {
	return json.Marshal(contrastFile{c.Name, c.Control.String(), c.With.String(), c.Outcome, c.Remedy})
}

// UnmarshalJSON reads what MarshalJSON writes, and no unknown field.
func (c *Contrast) UnmarshalJSON(text []byte) error {
	var f contrastFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return err
	}
	control, err := ParseArm(f.Control)
	if err != nil {
		return Inputf("contrast %q: %w", f.Name, err)
	}
	with, err := ParseArm(f.With)
	if err != nil {
		return Inputf("contrast %q: %w", f.Name, err)
	}
	*c = Contrast{Name: f.Name, Control: control, With: with, Outcome: f.Outcome, Remedy: f.Remedy}
	return nil
}
