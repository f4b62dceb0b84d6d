package chart

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
)

// Chart is a picture of one or more panels, one below the other.
type Chart struct {
	Title string
	// Notes stand below the panels, a line each.
	Notes  []string
	Panels []Panel
}

// Panel is a set of bars on one scale, which is logarithmic: a step along it multiplies the value by ten.
type Panel struct {
	Title string
	Bars  []Bar
}

// Bar is one value.
type Bar struct {
	// Group is a heading above the first of the bars that share it.
	Group string
	Label string
	// Class is the bar's colour: ours, limit or peer.
	Class string
	// Value must be positive. Low and High are drawn as a line across the bar's end where they differ.
	Value, Low, High float64
}

// Measures of the picture, in pixels.
const (
	width      = 860
	labelWidth = 270 // the labels end here and the bars begin
	valueWidth = 90  // for the numbers behind the bars
	barHeight  = 18
	barStep    = 25
	groupStep  = 27
	headHeight = 58 // title of a panel, with the scale below it
	margin     = 20
	lineHeight = 17
)

// style gives the colours. Pages that are dark get lighter bars and light text.
const style = `
	text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #1f2328 }
	.title { font-size: 18px; font-weight: 600 }
	.panel { font-size: 14px; font-weight: 600 }
	.group { font-size: 12px; font-weight: 600; fill: #59636e }
	.note, .tick { font-size: 11px; fill: #59636e }
	.label { text-anchor: end }
	.tick { text-anchor: middle }
	.page { fill: #ffffff }
	.grid { stroke: #d1d9e0; stroke-width: 1 }
	.range { stroke: #1f2328; stroke-width: 1.5 }
	.ours { fill: #0969da }
	.limit { fill: #8c959f }
	.peer { fill: #bc4c00 }
	@media (prefers-color-scheme: dark) {
		text { fill: #f0f6fc }
		.group, .note, .tick { fill: #9198a1 }
		.page { fill: #0d1117 }
		.grid { stroke: #3d444d }
		.range { stroke: #f0f6fc }
		.ours { fill: #4493f8 }
		.limit { fill: #6e7681 }
		.peer { fill: #db6d28 }
	}
`

// Write draws the chart.
func Write(w io.Writer, c Chart) error {
	var b strings.Builder
	y := margin + 18
	fmt.Fprintf(&b, `<text class="title" x="%d" y="%d">%s</text>`+"\n", margin, y, html.EscapeString(c.Title))
	y += 16
	for _, p := range c.Panels {
		if len(p.Bars) > 0 {
			y = p.draw(&b, y)
		}
	}
	y += 12
	for _, n := range c.Notes {
		y += lineHeight
		fmt.Fprintf(&b, `<text class="note" x="%d" y="%d">%s</text>`+"\n", margin, y, html.EscapeString(n))
	}
	y += margin
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>%s</style>
<rect class="page" width="%d" height="%d" rx="6"/>
%s</svg>
`, width, y, width, y, html.EscapeString(c.Title), style, width, y, b.String())
	return err
}

// draw draws a panel that begins at y and returns where it ends.
func (p Panel) draw(b *strings.Builder, y int) int {
	s := scaleOf(p.Bars)
	fmt.Fprintf(b, `<text class="panel" x="%d" y="%d">%s</text>`+"\n", margin, y+24, html.EscapeString(p.Title))
	top, bottom := y+headHeight, y+headHeight+p.height()
	for d := s.from; d <= s.to; d++ {
		x := s.x(math.Pow10(d))
		fmt.Fprintf(b, `<line class="grid" x1="%s" x2="%s" y1="%d" y2="%d"/><text class="tick" x="%s" y="%d">%s</text>`+"\n",
			px(x), px(x), top-6, bottom, px(x), top-11, Number(math.Pow10(d)))
	}
	group := ""
	at := top
	for _, bar := range p.Bars {
		if bar.Group != group {
			group = bar.Group
			fmt.Fprintf(b, `<text class="group" x="%d" y="%d">%s</text>`+"\n", margin, at+15, html.EscapeString(group))
			at += groupStep
		}
		bar.draw(b, s, at)
		at += barStep
	}
	return bottom
}

// height is that of the bars with their headings.
func (p Panel) height() int {
	h, group := 0, ""
	for _, bar := range p.Bars {
		if bar.Group != group {
			group = bar.Group
			h += groupStep
		}
		h += barStep
	}
	return h
}

func (bar Bar) draw(b *strings.Builder, s scale, y int) {
	end, middle := s.x(bar.Value), y+barHeight/2
	fmt.Fprintf(b, `<text class="label" x="%d" y="%d">%s</text>`, labelWidth-8, middle+5, html.EscapeString(bar.Label))
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%s" height="%d" rx="2"/>`, html.EscapeString(bar.Class), labelWidth, y, px(end-labelWidth), barHeight)
	last := end
	if bar.Low > 0 && bar.High > bar.Low {
		last = max(end, s.x(bar.High))
		fmt.Fprintf(b, `<line class="range" x1="%s" x2="%s" y1="%d" y2="%d"/>`, px(s.x(bar.Low)), px(s.x(bar.High)), middle, middle)
	}
	fmt.Fprintf(b, `<text x="%s" y="%d">%s</text>`+"\n", px(last+7), middle+5, Number(bar.Value))
}

// scale maps values to pixels. It runs over whole powers of ten.
type scale struct{ from, to int }

func scaleOf(bars []Bar) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, bar := range bars {
		low, high = min(low, bar.Value), max(high, bar.Value, bar.High)
	}
	s := scale{from: int(math.Floor(math.Log10(low))), to: int(math.Ceil(math.Log10(high)))}
	// A bar at the very beginning would not be seen.
	if math.Log10(low)-float64(s.from) < 0.15 {
		s.from--
	}
	return s
}

func (s scale) x(v float64) float64 {
	share := (math.Log10(v) - float64(s.from)) / float64(s.to-s.from)
	return labelWidth + max(0, share)*(width-margin-valueWidth-labelWidth)
}

func px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Number writes a value with about three digits and commas between thousands.
func Number(v float64) string {
	digits := 0
	switch {
	case v < 1:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case v < 10:
		digits = 1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0")
	if strings.Contains(text, ".") {
		return text
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
