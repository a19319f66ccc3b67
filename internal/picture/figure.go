package picture

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// figure is a whole picture: a title, what its zero and n are, a key, plots,
// and how to read it.
type figure struct {
	width, height vg.Length
	title         string
	head          string // zero and n
	key           []keyItem
	foot          string
	draw          func(c draw.Canvas)
}

// keyItem is one entry of the key: what is drawn, in a box of keyWidth, and
// what it stands for.
type keyItem struct {
	mark func(c *draw.Canvas, at vg.Point)
	text string
}

const keyWidth vg.Length = 18

// glyphItem is a key item for a point's shape.
func glyphItem(s shape, text string) keyItem {
	return keyItem{func(c *draw.Canvas, at vg.Point) { glyph(c, s, radius*1.15, at) }, text}
}

func (f *figure) paint(c draw.Canvas) {
	c.FillPolygon(white, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c = draw.Crop(c, margin, -margin, margin, -margin)
	room := c.Max.X - c.Min.X
	block := func(size vg.Length, heavy bool, txt string, lines int) {
		s := style(size)
		if heavy {
			s = bold(size)
		}
		s.YAlign = draw.YTop
		for _, l := range wrap(s, txt, room, lines) {
			c.FillText(s, vg.Point{X: c.Min.X, Y: c.Max.Y}, l)
			c.Max.Y -= size * 1.25
		}
	}
	block(big, true, f.title, 2)
	c.Max.Y -= 1
	if f.head != "" {
		block(normal, false, f.head, 3)
	}
	f.paintKey(&c)
	if f.foot != "" {
		s := aligned(style(small), draw.XLeft, draw.YBottom)
		lines := wrap(s, f.foot, room, 4)
		for i, l := range lines {
			c.FillText(s, vg.Point{X: c.Min.X, Y: c.Min.Y + vg.Length(len(lines)-1-i)*small*1.2}, l)
		}
		c.Min.Y += vg.Length(len(lines))*small*1.2 + 3
	}
	c.Max.Y -= 5
	f.draw(c)
}

// paintKey draws the key below the head, in as many rows as it takes.
func (f *figure) paintKey(c *draw.Canvas) {
	if len(f.key) == 0 {
		return
	}
	s := style(normal)
	const rowHeight = 15
	c.Max.Y -= 3
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - rowHeight/2}
	for _, item := range f.key {
		txt := wrap(s, item.text, c.Max.X-c.Min.X-keyWidth-4, 1)
		if len(txt) == 0 {
			continue
		}
		w := keyWidth + 4 + s.Width(txt[0])
		if at.X > c.Min.X && at.X+w > c.Max.X {
			at.X = c.Min.X
			at.Y -= rowHeight
		}
		item.mark(c, vg.Point{X: at.X + keyWidth/2, Y: at.Y})
		c.FillText(s, vg.Point{X: at.X + keyWidth + 4, Y: at.Y}, txt[0])
		at.X += w + 12
	}
	c.Max.Y = at.Y - rowHeight/2
}

// gutter is between plots that stand beside each other.
const gutter vg.Length = 14

// tiles draws plots in rows, their data areas aligned.
func tiles(c draw.Canvas, plots []*plot.Plot, columns int) {
	rows := (len(plots) + columns - 1) / columns
	table := make([][]*plot.Plot, rows)
	for r := range table {
		table[r] = make([]*plot.Plot, columns)
		for k := range table[r] {
			if i := r*columns + k; i < len(plots) {
				table[r][k] = plots[i]
			}
		}
	}
	places := plot.Align(table, draw.Tiles{Cols: columns, Rows: rows, PadX: gutter, PadY: 10}, c)
	for r, row := range table {
		for k, p := range row {
			if p != nil {
				p.Draw(places[r][k])
			}
		}
	}
}

// mostPanels is how many plots a figure has: it is about as long as a page then.
const mostPanels = 15

// panelled is the height of a figure with so many plots of at least a width,
// and in how many columns they stand.
func panelled(panels int, least vg.Length) (h vg.Length, columns int) {
	columns = 3
	if panels < 3 || panels == 4 {
		columns = min(panels, 2)
	}
	columns = max(1, min(columns, int((width-2*margin)/least)))
	rows := (panels + columns - 1) / columns
	if rows == 1 {
		return height, columns
	}
	const row = 195 // with axis and title; the first has room for the head
	return 120 + vg.Length(rows)*row, columns
}
