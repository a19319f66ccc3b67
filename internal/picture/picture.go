// Package picture draws what trials show, as SVG and PNG that keep their
// meaning in black and white and at half their size. It estimates nothing but
// the ECDF's curves: what goes in is drawn, or refused. The same input gives
// the same bytes.
//
// In every picture what never happened is an open or filled triangle at the
// time until which it had not, and every axis names its zero and its unit.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"headless-job-dns/internal/stats"
)

// Folder is where a results folder keeps its pictures.
const Folder = "pictures"

// Input is what to draw; what is nil or empty is left out.
type Input struct {
	Joins     *Joins
	ECDF      *ECDF
	Waterfall *Waterfall
	Effects   *Effects
	Injected  *Injected
}

// File is a picture in one format.
type File struct {
	Name string // e.g. "joins.svg"
	Data []byte
}

// names are those of the pictures, in Input's order.
var names = []string{"joins", "ecdf", "waterfall", "effects", "injected"}

// Write draws the input into dir, which is made if need be, and takes away
// pictures of an earlier input that this one does not have: beside another
// report they would lie. It fails as Draw does, before anything is written.
func Write(dir string, in Input) error {
	files, err := Draw(in)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("failed to make a folder for pictures: %w", err)
		}
	}
	drawn := map[string]bool{}
	for _, f := range files {
		drawn[f.Name] = true
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
			return fmt.Errorf("failed to write a picture: %w", err)
		}
	}
	for _, name := range names {
		for _, format := range []string{".svg", ".png"} {
			if drawn[name+format] {
				continue
			}
			if err := os.Remove(filepath.Join(dir, name+format)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("failed to remove an old picture: %w", err)
			}
		}
	}
	return nil
}

// Draw draws the input: each picture as SVG and as PNG. It fails where a
// number cannot be drawn (not finite, or negative where a time is meant), and
// names the picture and the number.
func Draw(in Input) ([]File, error) {
	var figures []*figure // nil: nothing to draw
	for i, one := range []func() (*figure, error){in.Joins.figure, in.ECDF.figure, in.Waterfall.figure, in.Effects.figure, in.Injected.figure} {
		f, err := one()
		if err != nil {
			return nil, fmt.Errorf("picture %s: %w", names[i], err)
		}
		figures = append(figures, f)
	}
	var files []File
	for i, f := range figures {
		if f == nil {
			continue
		}
		for _, format := range []string{"svg", "png"} {
			data, err := f.render(format)
			if err != nil {
				return nil, fmt.Errorf("picture %s.%s: %w", names[i], format, err)
			}
			files = append(files, File{names[i] + "." + format, data})
		}
	}
	return files, nil
}

// render makes a file of a figure.
func (f *figure) render(format string) ([]byte, error) {
	var c vg.CanvasWriterTo
	if format == "svg" {
		c = vgsvg.New(f.width, f.height)
	} else {
		c = vgimg.PngCanvas{Canvas: vgimg.New(f.width, f.height)}
	}
	f.paint(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	if format == "svg" {
		// Without the fonts that were measured with, a reader's program would
		// take one with serifs and other widths; these have the same widths.
		return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"),
			[]byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif;")), nil
	}
	return b.Bytes(), nil
}

// checkTime refuses what is no time in seconds.
func checkTime(what string, t float64) error {
	if err := checkFinite(what, t); err != nil {
		return err
	}
	if t < 0 {
		return fmt.Errorf("%s is %v s, before its zero", what, t)
	}
	return nil
}

func checkFinite(what string, x float64) error {
	// Beyond this there are no times, and sums of coordinates overflow.
	const most = 1e9
	if math.IsNaN(x) || math.Abs(x) > most {
		return fmt.Errorf("%s is %v", what, x)
	}
	return nil
}

func checkTimes(what string, times []stats.Time) error {
	for i, t := range times {
		if err := checkTime(fmt.Sprintf("%s: time %d", what, i+1), t.At); err != nil {
			return err
		}
	}
	return nil
}

// checkInterval allows sides without a bound, but no others that are not
// numbers.
func checkInterval(what string, i stats.Interval) error {
	for _, side := range []float64{i.Lo, i.Hi} {
		if !math.IsInf(side, 0) {
			if err := checkFinite(what, side); err != nil {
				return err
			}
		}
	}
	if i.Lo > i.Hi {
		return fmt.Errorf("%s ends before it begins: %v to %v", what, i.Lo, i.Hi)
	}
	return nil
}
