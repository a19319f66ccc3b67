package picture

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// hatch is the distance between the lines of a fill.
const hatch vg.Length = 4

// draw fills a rectangle and outlines it.
func (f fill) draw(c *draw.Canvas, r vg.Rectangle) {
	pts := corners(r)
	c.FillPolygon(color.Gray{f.grey}, pts)
	inside := draw.Canvas{Canvas: c.Canvas, Rectangle: r}
	h := r.Max.Y - r.Min.Y
	style := draw.LineStyle{Color: black, Width: 0.6}
	// Lines begin at multiples of hatch of the whole picture, so that those of
	// neighbours meet.
	for x := vg.Length(int((r.Min.X-h)/hatch)) * hatch; x < r.Max.X+h; x += hatch {
		var lines [][]vg.Point
		if f.rising {
			lines = append(lines, []vg.Point{{X: x, Y: r.Min.Y}, {X: x + h, Y: r.Max.Y}})
		}
		if f.raking {
			lines = append(lines, []vg.Point{{X: x, Y: r.Min.Y}, {X: x - h, Y: r.Max.Y}})
		}
		if f.upright {
			lines = append(lines, []vg.Point{{X: x, Y: r.Min.Y}, {X: x, Y: r.Max.Y}})
		}
		c.StrokeLines(style, inside.ClipLinesX(lines...)...)
	}
	line(c, black, 0.6, nil, slices.Concat(pts, pts[:1])...)
}
