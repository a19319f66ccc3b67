package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"

	"headless-job-dns/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// drawn draws the input and returns its files by name.
func drawn(t testing.TB, in Input) map[string][]byte {
	files, err := Draw(in)
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, f := range files {
		out[f.Name] = f.Data
	}
	return out
}

// svgs draws the input as SVG only, which takes a tenth of the time.
func svgs(t testing.TB, in Input) map[string]string {
	out := map[string]string{}
	for i, one := range []func() (*figure, error){in.Joins.figure, in.ECDF.figure, in.Waterfall.figure, in.Effects.figure, in.Injected.figure} {
		f, err := one()
		require.NoError(t, err)
		if f != nil {
			svg, err := f.render("svg")
			require.NoError(t, err)
			out[names[i]] = string(svg)
		}
	}
	return out
}

// structure is what a golden file keeps of an SVG: its texts in the order of
// drawing, and how many shapes it has by kind. Coordinates may move.
func structure(t testing.TB, svg string) string {
	var b strings.Builder
	counts := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range start.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch start.Name.Local {
		case "svg":
			fmt.Fprintf(&b, "size %s x %s\n", attr["width"], attr["height"])
		case "text":
			var text string
			require.NoError(t, d.DecodeElement(&text, &start))
			fmt.Fprintf(&b, "text %q\n", text)
		case "path":
			kind := "line"
			switch data := attr["d"]; {
			case strings.Contains(data, "A"):
				kind = "circle"
			case strings.HasSuffix(data, "Z"):
				kind = fmt.Sprintf("polygon of %d", strings.Count(data, "L")+1)
			}
			if strings.Contains(attr["style"], "stroke:") {
				kind += ", outline"
			}
			counts[kind]++
		}
	}
	var kinds []string
	for k := range counts {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		fmt.Fprintf(&b, "%d of %s\n", counts[k], k)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	files := svgs(t, sample(t))
	require.Len(t, files, len(names))
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			got := structure(t, files[name])
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// The same input has to give the same bytes, so that a report can be made
// again and compared.
func TestDeterministic(t *testing.T) {
	a, b := drawn(t, sample(t)), drawn(t, sample(t))
	require.Equal(t, a, b)
	date := regexp.MustCompile(`20\d\d-\d\d|tIME|tEXt|iTXt`)
	for name, data := range a {
		if strings.HasSuffix(name, ".svg") {
			require.False(t, date.Match(data), name)
			continue
		}
		// Of a PNG's chunks, only those with the picture.
		for at := 8; at < len(data); {
			size := int(data[at])<<24 | int(data[at+1])<<16 | int(data[at+2])<<8 | int(data[at+3])
			require.Contains(t, []string{"IHDR", "IDAT", "IEND"}, string(data[at+4:at+8]), name)
			at += 12 + size
		}
	}
}

func TestPNG(t *testing.T) {
	files := drawn(t, sample(t))
	for name, data := range files {
		if !strings.HasSuffix(name, ".png") {
			continue
		}
		img, err := png.Decode(bytes.NewReader(data))
		require.NoError(t, err, name)
		require.Equal(t, 900, img.Bounds().Dx(), name)
		require.Less(t, len(data), 300_000, "%s is heavy for an issue", name)
		// Black and white: nothing rests on a hue.
		pixels, ok := img.(*image.RGBA)
		require.True(t, ok, "%s: %T", name, img)
		for i := 0; i < len(pixels.Pix); i += 4 {
			if p := pixels.Pix[i : i+4]; p[0] != p[1] || p[1] != p[2] || p[3] != 255 {
				t.Fatalf("%s has a colour, or is not opaque: %v", name, p)
			}
		}
	}
	img, err := png.Decode(bytes.NewReader(files["joins.png"]))
	require.NoError(t, err)
	require.Equal(t, 540, img.Bounds().Dy())
}

// box is a text on the canvas.
type box struct {
	vg.Rectangle
	text string
}

// check draws every figure of the input on a canvas that only takes notes, and
// finds what lies outside of it and texts that cover each other.
func check(t testing.TB, in Input) {
	for i, one := range []func() (*figure, error){in.Joins.figure, in.ECDF.figure, in.Waterfall.figure, in.Effects.figure, in.Injected.figure} {
		f, err := one()
		require.NoError(t, err)
		if f == nil {
			continue
		}
		var notes recorder.Canvas
		f.paint(draw.NewCanvas(&notes, f.width, f.height))
		var texts []box
		turned := 0
		inside := func(p vg.Point) bool {
			const slack = 0.01
			return p.X >= -slack && p.Y >= -slack && p.X <= f.width+slack && p.Y <= f.height+slack
		}
		path := func(p vg.Path) {
			for _, comp := range p {
				if comp.Type != vg.CloseComp && !inside(comp.Pos) {
					t.Fatalf("%s: something at %v", names[i], comp.Pos)
				}
			}
		}
		for _, a := range notes.Actions {
			switch a := a.(type) {
			case *recorder.Push:
				turned++
			case *recorder.Pop:
				turned--
			case *recorder.Stroke:
				path(a.Path)
			case *recorder.Fill:
				path(a.Path)
			case *recorder.FillString:
				if turned > 0 { // the label of a vertical axis
					continue
				}
				s := style(a.Size)
				s.Font = a.Font
				s.Font.Size = a.Size
				e := s.FontExtents()
				b := box{vg.Rectangle{Min: vg.Point{X: a.Point.X, Y: a.Point.Y - e.Descent*0.6}, Max: vg.Point{X: a.Point.X + s.Width(a.String), Y: a.Point.Y + e.Ascent*0.7}}, a.String}
				if !inside(b.Min) || !inside(b.Max) {
					t.Fatalf("%s: %q reaches out to %v", names[i], b.text, b.Rectangle)
				}
				for _, o := range texts {
					if b.Min.X < o.Max.X && o.Min.X < b.Max.X && b.Min.Y < o.Max.Y && o.Min.Y < b.Max.Y {
						t.Fatalf("%s: %q and %q cover each other: %v, %v", names[i], o.text, b.text, o.Rectangle, b.Rectangle)
					}
				}
				texts = append(texts, b)
			}
		}
		require.NotEmpty(t, texts)
	}
}

func TestNothingOutsideOrCovered(t *testing.T) {
	check(t, sample(t))
	in := sample(t)
	long := strings.Repeat("a very long name of something ", 20)
	solid := strings.Repeat("x", 400)
	for _, name := range []string{long, solid, "", "</text><script>&\x00\xff\n\t"} {
		in.Joins.Title, in.Joins.Head, in.Joins.Foot = name, name, name
		in.Joins.Arms = []string{name, name + "2"}
		in.Joins.Names[3] = name
		in.Joins.Panels[0].Name = name
		in.ECDF.Panels[1].Name = name
		in.Waterfall.Trial = name
		in.Waterfall.Pods[0].Name = name
		in.Waterfall.Stages[2] = name
		in.Effects.Rows[0].Name = name
		in.Effects.Rows[1].Name = name
		in.Injected.Points[0].Knob = name
		check(t, in)
		for _, svg := range svgs(t, in) {
			require.NotContains(t, svg, "<script")
			structure(t, svg) // it is XML
		}
	}
}

// Many of everything.
func TestMany(t *testing.T) {
	in := sample(t)
	for n := range 20 {
		p := in.Joins.Panels[0]
		p.Name = fmt.Sprintf("regime %d", n)
		in.Joins.Panels = append(in.Joins.Panels, p)
		in.ECDF.Panels = append(in.ECDF.Panels, in.ECDF.Panels[n%3])
		in.Effects.Rows = append(in.Effects.Rows, in.Effects.Rows...)[:min(60, 2*len(in.Effects.Rows))]
		in.Injected.Points = append(in.Injected.Points, Injection{Knob: fmt.Sprintf("knob %d", n), Injected: 1, Attributed: 1})
	}
	for n := range 300 {
		p := in.Waterfall.Pods[n%2]
		p.Name = fmt.Sprintf("index %d", n+4)
		in.Waterfall.Pods = append(in.Waterfall.Pods, p)
	}
	check(t, in)
	files := svgs(t, in)
	require.Contains(t, files["joins"], "Not drawn: 6 of 21 plots.")
	require.Contains(t, files["ecdf"], "Not drawn: 9 of 24 plots.")
	require.Contains(t, files["effects"], "Not drawn: 30 of 60 contrasts.")
	require.Contains(t, files["injected"], "Not drawn: 14 of 30 kinds of delay.")
	require.Contains(t, files["waterfall"], "The slowest 16 of 304 pods.")
	require.Contains(t, files["waterfall"], ">index 2<", "it is the slowest")
	require.Equal(t, 16, strings.Count(files["waterfall"], ">index "))
}

func TestNothingToDraw(t *testing.T) {
	for _, in := range []Input{
		{},
		{Joins: &Joins{}, ECDF: &ECDF{}, Waterfall: &Waterfall{}, Effects: &Effects{}, Injected: &Injected{}},
		{
			Joins:     &Joins{Names: []string{"none"}, Arms: []string{"a"}, Panels: []JoinsPanel{{Cells: [][]Cell{{{}}}}}},
			ECDF:      &ECDF{Panels: []ECDFPanel{{Name: "solo"}}},
			Waterfall: &Waterfall{Stages: []string{"created"}, Pods: []WaterfallPod{{At: []*stats.Time{nil}}}},
		},
	} {
		files, err := Draw(in)
		require.NoError(t, err)
		require.Empty(t, files)
		dir := filepath.Join(t.TempDir(), "pictures")
		require.NoError(t, Write(dir, in))
		require.NoDirExists(t, dir)
	}
}

func TestOnePoint(t *testing.T) {
	zero := 0.0
	in := Input{
		Joins:     &Joins{Names: []string{"none"}, Arms: []string{"a"}, Panels: []JoinsPanel{{Cells: [][]Cell{{cell(t, at(0))}}}}},
		ECDF:      &ECDF{Panels: []ECDFPanel{{Client: []stats.Time{at(0)}}}},
		Waterfall: &Waterfall{Stages: []string{"created"}, Pods: []WaterfallPod{{Name: "index 0", At: []*stats.Time{known(0)}}}},
		Effects:   &Effects{Rows: []Effect{{Name: "a", Blocks: 1, Shift: &zero, Verdict: "inconclusive"}}},
		Injected:  &Injected{Points: []Injection{{Knob: "nothing"}}},
	}
	check(t, in)
	require.Len(t, drawn(t, in), 10)
}

func TestAllCensored(t *testing.T) {
	end := until(40)
	in := Input{
		Joins:     &Joins{Names: []string{"none"}, Arms: []string{"a"}, Panels: []JoinsPanel{{Cells: [][]Cell{{cell(t, end, end, end)}}}}},
		ECDF:      &ECDF{Panels: []ECDFPanel{{Client: []stats.Time{end, end}, Server: []stats.Time{at(1)}}}},
		Waterfall: &Waterfall{Stages: []string{"created"}, Pods: []WaterfallPod{{Name: "index 0", At: []*stats.Time{&end}}}},
	}
	check(t, in)
	files := svgs(t, in)
	require.Contains(t, files["joins"], "not within this time")
	require.Contains(t, files["ecdf"], "A curve that ends below 1")
	require.Contains(t, files["waterfall"], "&gt;40.00")
	// 3 triangles of the trials and that of the key, no circle but the key's.
	joins := structure(t, files["joins"])
	require.Contains(t, joins, "4 of polygon of 3\n")
	require.Contains(t, joins, "1 of circle\n")
}

func TestRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name string
		edit func(*Input)
		err  string
	}{
		{"time", func(in *Input) { in.Joins.Panels[0].Cells[1][1].Times[2].At = nan }, "picture joins: dns cache-30, names reused, 30 s, member-pod: time 3 is NaN"},
		{"negative", func(in *Input) { in.Joins.Panels[0].Cells[0][0].Times[0].At = -1 }, "none, none: time 1 is -1 s, before its zero"},
		{"infinite", func(in *Input) { in.Joins.Panels[0].Cells[0][0].Times[0].At = inf }, "time 1 is +Inf"},
		{"median", func(in *Input) { in.Joins.Panels[0].Cells[2][0].Median.At = nan }, "10 s, none: median is NaN"},
		{"interval", func(in *Input) { in.Joins.Panels[0].Cells[2][0].Median.Interval.Lo = nan }, "interval is NaN"},
		{"backwards", func(in *Input) { in.Joins.Panels[0].Cells[2][0].Median.Interval.Lo = 100 }, "interval ends before it begins"},
		{"arms", func(in *Input) { in.Joins.Arms = make([]string, 7) }, "7 arms; accepted: at most 6"},
		{"columns", func(in *Input) { in.Joins.Names = in.Joins.Names[1:] }, "12 columns for 11 connect timeouts"},
		{"cells", func(in *Input) { in.Joins.Panels[0].Cells[0] = nil }, "none: 0 columns for 2 arms"},
		{"ecdf", func(in *Input) { in.ECDF.Panels[1].Server[0].At = nan }, "picture ecdf: uncached, fresh, server: time 1 is NaN"},
		{"stage", func(in *Input) { in.Waterfall.Pods[1].At[3].At = inf }, "picture waterfall: index 1: process started is +Inf"},
		{"stages", func(in *Input) { in.Waterfall.Pods[1].At = nil }, "index 1: 0 times for 9 stages"},
		{"too many stages", func(in *Input) { in.Waterfall.Stages = make([]string, 10) }, "10 stages; accepted: at most 9"},
		{"shift", func(in *Input) { *in.Effects.Rows[0].Shift = nan }, "picture effects: member-pod against none: shift is NaN"},
		{"share", func(in *Input) { in.Effects.Rows[0].With.Share = 1.5 }, "share is 1.5"},
		{"margin", func(in *Input) { in.Effects.Margin = -1 }, "margin is -1 s"},
		{"injected", func(in *Input) { in.Injected.Points[0].Injected = -2 }, "picture injected: nothing (A/A): injected is -2 s"},
		{"attributed", func(in *Input) { in.Injected.Points[0].Attributed = nan }, "attributed is NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := sample(t)
			c.edit(&in)
			files, err := Draw(in)
			require.ErrorContains(t, err, c.err)
			require.Nil(t, files)
			dir := t.TempDir()
			require.Error(t, Write(dir, in))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	in := sample(t)
	require.NoError(t, Write(dir, in))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.png"), nil, 0o644))
	in.ECDF = nil
	require.NoError(t, Write(dir, in))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	require.Equal(t, strings.Fields("effects.png effects.svg injected.png injected.svg joins.png joins.svg mine.png waterfall.png waterfall.svg"), left)
	require.ErrorContains(t, Write(filepath.Join(dir, "mine.png"), in), "failed to make a folder for pictures")
}

// Whatever the numbers are, they are refused or drawn within the canvas.
func TestAnyNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() float64 {
		x := math.Pow(10, r.Float64()*12-6)
		switch r.IntN(6) {
		case 0:
			return 0
		case 1:
			return math.Round(x)
		}
		return x
	}
	sign := func() float64 { return number() * float64(1-2*r.IntN(2)) }
	some := func() []stats.Time {
		out := make([]stats.Time, r.IntN(12))
		for i := range out {
			out[i] = stats.Time{At: number(), Censored: r.IntN(4) == 0}
		}
		return out
	}
	for range 30 {
		in := Input{Joins: &Joins{}, ECDF: &ECDF{}, Waterfall: &Waterfall{}, Effects: &Effects{Margin: number()}, Injected: &Injected{Tolerance: number()}}
		for i := range 1 + r.IntN(6) {
			in.Joins.Arms = append(in.Joins.Arms, fmt.Sprintf("arm %d", i))
		}
		for i := range 1 + r.IntN(12) {
			in.Joins.Names = append(in.Joins.Names, fmt.Sprintf("%d s", i))
		}
		for i := range 1 + r.IntN(5) {
			p := JoinsPanel{Name: fmt.Sprintf("regime %d", i)}
			for range in.Joins.Names {
				var cells []Cell
				for range in.Joins.Arms {
					cells = append(cells, cell(t, some()...))
				}
				p.Cells = append(p.Cells, cells)
			}
			in.Joins.Panels = append(in.Joins.Panels, p)
			in.ECDF.Panels = append(in.ECDF.Panels, ECDFPanel{fmt.Sprintf("regime %d", i), some(), some()})
		}
		in.Waterfall.Stages = []string{"created", "scheduled", "ready", "connected"}
		for i := range 1 + r.IntN(40) {
			p := WaterfallPod{Name: fmt.Sprintf("index %d", i), At: make([]*stats.Time, 4)}
			for k := range p.At {
				if r.IntN(5) > 0 {
					p.At[k] = &stats.Time{At: number() * 1e-3, Censored: r.IntN(9) == 0}
				}
			}
			in.Waterfall.Pods = append(in.Waterfall.Pods, p)
		}
		for i := range 1 + r.IntN(20) {
			e := Effect{Name: fmt.Sprintf("contrast %d", i), Blocks: r.IntN(12), Verdict: "differs"}
			if x := sign(); r.IntN(4) > 0 {
				e.Shift, e.Interval = &x, &stats.Interval{Lo: x - number(), Hi: x + number()}
			}
			if e.Interval != nil && r.IntN(4) == 0 {
				e.Interval.Lo = math.Inf(-1)
			}
			if e.Interval != nil && r.IntN(4) == 0 {
				e.Interval.Hi = math.Inf(1)
			}
			in.Effects.Rows = append(in.Effects.Rows, e)
		}
		for range r.IntN(40) {
			d := number()
			in.Injected.Points = append(in.Injected.Points, Injection{fmt.Sprintf("knob %d", r.IntN(5)), d, d + sign()})
		}
		check(t, in)
		for _, svg := range svgs(t, in) {
			require.NotContains(t, svg, "NaN")
			require.NotContains(t, svg, "Inf")
		}
	}
}
