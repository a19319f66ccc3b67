// Package plot draws what package analysis found, as SVG: one dot a trial, one
// trial's clients over time, and joins by connect timeout. It computes nothing
// but places: every number is analysis'. Pictures are 800 px wide, have a ground
// of their own, say nothing by colour alone, and leave text a fifth more room
// than a wide font takes, for it is not known with which they are shown. What
// pods and a cluster said is escaped.
package plot

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	width  = 800.0
	margin = 10.0
	// line is the height of one line of text in px.
	line = 19.0
	// fontSize is in px; letter is how wide a letter may be: Verdana's and DejaVu
	// Sans' are 0.57 of the size on average, and a fifth more is left.
	fontSize = 13.0
	letter   = 0.68 * fontSize
)

// The colours are Okabe and Ito's, which differ for the colour-blind too.
const (
	ink    = "#222"
	faint  = "#ddd"
	orange = "#e69f00"
	red    = "#d55e00"
	green  = "#009e73"
	grey   = "#bbb"
)

// canvas collects a picture's elements.
type canvas struct{ b strings.Builder }

func (c *canvas) add(format string, a ...any) { fmt.Fprintf(&c.b, format+"\n", a...) }

func (c *canvas) rect(x, y, w, h float64, fill, stroke string) {
	c.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" stroke="%s"/>`, x, y, max(w, 0), h, fill, stroke)
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke string) {
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`, x1, y1, x2, y2, stroke)
}

// anchor is which part of a text is at its place.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// text writes at most so much text as there is room for, in px.
func (c *canvas) text(x, y float64, at anchor, room float64, s string) {
	c.write(x, y, at, "normal", fit(s, room))
}

// heading writes lines of their own, in bold, the last one at y and returned: a
// text that is too long goes on below, after a comma.
func (c *canvas) heading(y float64, s string) float64 {
	room := (width - 2*margin) / 1.1 // bold letters are a tenth wider
	for {
		at := len(s)
		if most := int(room / letter); len(s) > most {
			at = strings.LastIndex(s[:most], ", ") + 1
		}
		if at < 1 || at == len(s) {
			c.write(margin, y, start, "bold", fit(s, room))
			return y
		}
		c.write(margin, y, start, "bold", s[:at])
		s, y = s[at+1:], y+line
	}
}

func (c *canvas) write(x, y float64, at anchor, weight, s string) {
	c.add(`<text x="%.1f" y="%.1f" text-anchor="%s" font-weight="%s">%s</text>`, x, y, at, weight, escape(s))
}

// fit cuts a text to the room that it has.
func fit(s string, room float64) string {
	if most := max(int(room/letter), 1); utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most-1]) + "…"
	}
	return s
}

// escape makes text safe in XML, without what would hide or reorder other text.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// mark is a shape that stands for one value.
type mark int

const (
	circle mark = iota // hollow
	disc
	square // hollow
	diamond
	cross
	arrow // points right: later than that
	upward
)

// radius is a mark's in px.
const radius = 4.0

func (c *canvas) mark(m mark, x, y float64) {
	const r = radius
	shape := func(fill string, points ...float64) {
		var list []string
		for i := 0; i < len(points); i += 2 {
			list = append(list, fmt.Sprintf("%.1f,%.1f", x+points[i], y+points[i+1]))
		}
		c.add(`<polygon points="%s" fill="%s" stroke="%s"/>`, strings.Join(list, " "), fill, ink)
	}
	switch m {
	case circle:
		c.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="#fff" stroke="%s"/>`, x, y, r, ink)
	case disc:
		c.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s" stroke="#fff"/>`, x, y, r, ink)
	case square:
		shape("#fff", -r, -r, r, -r, r, r, -r, r)
	case diamond:
		shape(orange, 0, -r-1, r+1, 0, 0, r+1, -r-1, 0)
	case cross:
		c.line(x-r, y-r, x+r, y+r, ink)
		c.line(x-r, y+r, x+r, y-r, ink)
	case arrow:
		shape(red, -r, -r-1, r+2, 0, -r, r+1)
	case upward:
		shape(red, -r-1, r, 0, -r-2, r+1, r)
	}
}

// legend explains marks from y on, in as many lines as it takes, and returns where
// the last one is.
func (c *canvas) legend(x, y float64, marks []mark, texts []string) float64 {
	left := x
	for i, m := range marks {
		room := float64(utf8.RuneCountInString(texts[i])) * letter
		if x > left && x+4*radius+room > width-margin {
			x, y = left, y+line
		}
		c.mark(m, x+radius, y-radius)
		c.text(x+4*radius, y, start, width-margin-x-4*radius, texts[i])
		x += room + 6*radius
	}
	return y
}

// svg is the picture, so many px high.
func (c *canvas) svg(height float64, title string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" `+
		`font-family="sans-serif" font-size="%.0f" fill="%s">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#fff"/>
%s</svg>
`, width, height, width, height, fontSize, ink, escape(title), c.b.String())
}
