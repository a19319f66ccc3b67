package plan

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"headless-job-dns/internal/record"
)

// planFile is a plan as a user writes it, in YAML or JSON. What is left out has
// the default plan's value.
type planFile struct {
	Name      string         `json:"name"`
	Blocks    int            `json:"blocks"`
	Settings  fileSettings   `json:"settings"`
	Arms      []string       `json:"arms"`    // as Arm.String writes them, or
	Factors   *fileFactors   `json:"factors"` // lists to be crossed
	Primary   *fileContrast  `json:"primary"`
	Secondary []fileContrast `json:"secondary"`
	Margin    Duration       `json:"margin"`
}

type fileSettings struct {
	Pods            int       `json:"pods"`
	Peers           int       `json:"peers"`
	ConnectTimeouts []timeout `json:"connect_timeouts"`
	QPS             int       `json:"qps"`
	Interval        Duration  `json:"interval"`
	Gap             Duration  `json:"gap"`
	NoWait          bool      `json:"no_wait"`
	FirstQueryAfter Duration  `json:"first_query_after"`
	Deadline        Duration  `json:"deadline"`
	Follow          Duration  `json:"follow"`
}

// fileFactors are lists of levels, written as the flags' are.
type fileFactors struct {
	DNS      []DNS             `json:"dns"`
	Names    []Names           `json:"names"`
	Extra    []Extra           `json:"extra"`
	Observer []record.Observer `json:"observer"`
	Publish  []string          `json:"publish_not_ready"`
	Order    []string          `json:"order"`
	First    []string          `json:"first_query_after"`
	Gap      []string          `json:"gap"`
	Connect  []string          `json:"connect"`
	Again    bool              `json:"again"`
}

type fileContrast struct {
	Name           string   `json:"name"`
	Control        string   `json:"control"` // an arm
	With           string   `json:"with"`
	Of             Moment   `json:"of"`
	Timeout        timeout  `json:"timeout"`
	ControlTimeout *timeout `json:"control_timeout"`
	Remedy         string   `json:"remedy"`
}

// timeout is a connect timeout as flags write it: none or a duration.
type timeout Duration

func (t *timeout) UnmarshalText(b []byte) error {
	ts, err := ParseTimeouts(string(b))
	if err != nil || len(ts) != 1 {
		return fmt.Errorf("%q is no connect timeout; accepted: none or a positive duration such as 5s", b)
	}
	*t = timeout(ts[0])
	return nil
}

// ParseFile reads a plan file and returns what it asks for, ready for Build
// once a run id and a seed are set. Errors are InputErrors that begin with the
// path and, where there is one, the line.
func ParseFile(path string, text []byte) (Options, error) {
	o, err := parseFile(text)
	if err != nil {
		return Options{}, Inputf("%s:%w", path, err)
	}
	return o, nil
}

// lineError is a mistake in one line; 0: in the whole.
func lineError(line int, format string, a ...any) error {
	if line == 0 {
		return fmt.Errorf(" "+format, a...)
	}
	return fmt.Errorf(strconv.Itoa(line)+": "+format, a...)
}

func parseFile(text []byte) (Options, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		// The library's text names the line and may have several of its own.
		first, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), "\n")
		return Options{}, lineError(0, "is neither YAML nor JSON: %s", strconv.Quote(first))
	}
	if len(doc.Content) != 1 {
		return Options{}, lineError(0, "is empty; accepted: a plan, see --help")
	}
	def := Defaults()
	f := planFile{Blocks: 1, Settings: fileSettings{
		Pods: def.Pods, QPS: def.QPS, Gap: def.Gap, Deadline: def.Deadline, Follow: def.Follow,
	}}
	for _, t := range def.ConnectTimeouts {
		f.Settings.ConnectTimeouts = append(f.Settings.ConnectTimeouts, timeout(t))
	}
	if err := decode(doc.Content[0], reflect.ValueOf(&f).Elem()); err != nil {
		return Options{}, err
	}
	o, err := f.options()
	if err != nil {
		return Options{}, lineError(0, "%w", err)
	}
	return o, nil
}

func (f planFile) options() (Options, error) {
	s := f.Settings
	o := Options{Name: f.Name, Blocks: f.Blocks, Margin: f.Margin, Settings: Settings{
		Pods: s.Pods, Peers: s.Peers, QPS: s.QPS, Interval: s.Interval, Gap: s.Gap, NoWait: s.NoWait,
		FirstQueryAfter: s.FirstQueryAfter, Deadline: s.Deadline, Follow: s.Follow,
	}}
	for _, t := range s.ConnectTimeouts {
		o.Settings.ConnectTimeouts = append(o.Settings.ConnectTimeouts, Duration(t))
	}
	if err := (Plan{Name: f.Name}).checkName(); err != nil {
		return o, err
	}
	for _, known := range planNames() {
		if f.Name == known {
			return o, fmt.Errorf("name %q is that of a named plan; accepted: another", f.Name)
		}
	}
	var err error
	switch {
	case len(f.Arms) > 0 && f.Factors != nil:
		return o, fmt.Errorf("both arms and factors are given; accepted: one of them")
	case f.Factors != nil:
		o.Arms, err = f.Factors.arms(&o)
	case len(f.Arms) > 0:
		o.Arms, err = parseArms(f.Arms)
	default:
		return o, fmt.Errorf("neither arms nor factors are given; accepted: one of them")
	}
	if err != nil {
		return o, err
	}
	if f.Primary != nil {
		c, err := f.Primary.contrast()
		if err != nil {
			return o, err
		}
		o.Primary = &c
	}
	for _, s := range f.Secondary {
		c, err := s.contrast()
		if err != nil {
			return o, err
		}
		o.Secondary = append(o.Secondary, c)
	}
	return o, nil
}

func parseArms(list []string) ([]Arm, error) {
	var out []Arm
	for _, s := range list {
		a, err := ParseArm(s)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// arms crosses the factors as flags do.
func (f fileFactors) arms(plan *Options) ([]Arm, error) {
	o := *plan
	var errs [9]error
	o.DNS, errs[0] = levels("dns", Join(f.DNS), AllDNS)
	o.Names, errs[1] = levels("names", Join(f.Names), AllNames)
	o.Extras, errs[2] = ParseExtras(Join(f.Extra))
	o.Observers, errs[3] = levels("observer", Join(f.Observer), Observers)
	o.Publish, errs[4] = ParsePublish(Join(f.Publish))
	o.Orders, errs[5] = ParseOrders(Join(f.Order))
	o.First, errs[6] = ParseFirst(Join(f.First))
	o.Gaps, errs[7] = ParseGaps(Join(f.Gap))
	o.Connects, errs[8] = ParseConnects(Join(f.Connect))
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	o.Again = f.Again
	if err := o.settle(); err != nil {
		return nil, err
	}
	o.preset([]DNS{Cache30, Uncached}, AllNames, []Extra{ExtraNone})
	plan.Settings = o.Settings
	return o.cross()
}

func (f fileContrast) contrast() (Contrast, error) {
	c := Contrast{Name: f.Name, Outcome: Outcome{Of: f.Of, Timeout: Duration(f.Timeout)}, Remedy: f.Remedy}
	if f.ControlTimeout != nil {
		c.Outcome.ControlTimeout = (*Duration)(f.ControlTimeout)
	}
	var err error
	if c.Control, err = ParseArm(f.Control); err == nil {
		c.With, err = ParseArm(f.With)
	}
	if err != nil {
		return c, fmt.Errorf("contrast %q: %w", f.Name, err)
	}
	return c, nil
}

// decode puts a YAML node into a value by its json tags. Nothing is guessed: a
// field that is not known, or is there twice, is an error of its line.
func decode(n *yaml.Node, v reflect.Value) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return lineError(n.Line, "anchors and aliases are not read; accepted: plain values")
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Kind != yaml.ScalarNode {
			return lineError(n.Line, "a list or mapping stands where one value is wanted")
		}
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			return lineError(n.Line, "%s", err)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(n, v.Elem())
	case reflect.Struct:
		return decodeFields(n, v)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return lineError(n.Line, "one value stands where a list is wanted")
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			if err := decode(c, list.Index(i)); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	if n.Kind != yaml.ScalarNode {
		return lineError(n.Line, "a list or mapping stands where one value is wanted")
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(n.Value)
		v.SetBool(b)
	case reflect.Int:
		var i int
		i, err = strconv.Atoi(n.Value)
		v.SetInt(int64(i))
	default:
		panic("a plan file has no fields of " + v.Kind().String())
	}
	if err != nil {
		return lineError(n.Line, "%q is no %s", n.Value, map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int: "whole number"}[v.Kind()])
	}
	return nil
}

func decodeFields(n *yaml.Node, v reflect.Value) error {
	if n.Kind != yaml.MappingNode {
		return lineError(n.Line, "something else stands where a mapping is wanted")
	}
	names := make([]string, v.NumField())
	for i := range names {
		names[i] = v.Type().Field(i).Tag.Get("json")
	}
	seen := map[int]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		field := -1
		for f, name := range names {
			if key.Kind == yaml.ScalarNode && key.Value == name {
				field = f
			}
		}
		switch {
		case field < 0:
			return lineError(key.Line, "field %q is not known; accepted: %s", key.Value, strings.Join(names, ", "))
		case seen[field]:
			return lineError(key.Line, "field %q is there twice", key.Value)
		}
		seen[field] = true
		if err := decode(n.Content[i+1], v.Field(field)); err != nil {
			return err
		}
	}
	return nil
}
