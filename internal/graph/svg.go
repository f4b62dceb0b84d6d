package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SVGOptions says what a drawing shows beside the graph. The zero value is ready to use.
type SVGOptions struct {
	// Title is the drawing's accessible name; empty is "Status graph".
	Title string
	// Label names a status; nil shows its number. A long one is cut in the box and whole in the tooltip.
	Label func(status int) string
	// Notes are short texts beside the names, such as how many runs are there.
	Notes map[int]string
	// Class adds CSS classes to statuses, separated by spaces; characters other than letters, digits, "-" and "_" are dropped. The drawing has
	// colours for active, done, paused, failed and muted.
	Class map[int]string
}

// SVG draws the graph as an SVG document: from top to bottom, a start with a dot, a terminal status with a ring and a double border, moves
// with their kind where they are no plain step, and moves that lead back with dashes. It holds no script and no ids, so that several can
// stand in one page; its colours follow prefers-color-scheme; status groups carry data-status, lines data-from and data-to. Any text is
// escaped. The same graph and options always give the same bytes.
func (g *Graph) SVG(opts SVGOptions) []byte {
	if opts.Label == nil {
		opts.Label = strconv.Itoa
	}
	if opts.Title == "" {
		opts.Title = "Status graph"
	}
	d := drawing{g: g, opts: opts, loops: map[int]string{}, starts: map[int]bool{}, layout: newLayout(g)}
	for _, s := range g.Starts() {
		d.starts[g.index[s]] = true
	}
	for i := range d.layout.lines {
		if ln := &d.layout.lines[i]; ln.loop() {
			d.loops[ln.from] = ln.label()
		}
	}
	for i, s := range g.statuses {
		d.boxes = append(d.boxes, d.newBox(i, s))
	}
	d.layout.arrange(d.size, func(label string) int { return textWidth(label, labelSize) + 10 })
	d.findPorts()
	d.write()
	return d.out.Bytes()
}

// drawing is one SVG in the making.
type drawing struct {
	g      *Graph
	opts   SVGOptions
	boxes  []box          // per place
	loops  map[int]string // place -> the label of its move to itself
	starts map[int]bool
	layout *layout
	ports  map[[2]int]int // line and 0 for its upper, 1 for its lower end -> x
	out    bytes.Buffer
}

const (
	boxHeight = 36
	boxMin    = 84
	padding   = 15 // beside what a box holds
	markRoom  = 18 // for the dot or ring of a start or a terminal status
	badgePad  = 7
	loopRoom  = 30
	portGap   = 14 // between the ends of two lines at a box
	portsMost = 40 // more of them do not widen a box further
	margin    = 20
	arrow     = 8

	nameSize  = 13
	labelSize = 11
	nameMost  = 36
	noteMost  = 24
)

// box is what a status looks like.
type box struct {
	name, note      string
	width, badge    int // of the whole and of the note
	nameAt, badgeAt int // from the left side: the middle of the name, where the note begins
	start, terminal bool
}

func (d *drawing) newBox(place, status int) box {
	b := box{
		name:  clip(oneLine(d.opts.Label(status)), nameMost),
		note:  clip(oneLine(d.opts.Notes[status]), noteMost),
		start: d.starts[place], terminal: d.g.Terminal(status),
	}
	name := textWidth(b.name, nameSize)
	inner := name
	if b.start || b.terminal {
		inner += markRoom
	}
	if b.start && b.terminal {
		inner += markRoom
	}
	if b.note != "" {
		b.badge = max(20, textWidth(b.note, labelSize)+2*badgePad)
		inner += b.badge + 9
	}
	b.width = even(max(boxMin, inner+2*padding))
	left := (b.width - inner) / 2
	b.nameAt = left
	if b.start {
		b.nameAt += markRoom
	}
	if b.terminal {
		b.nameAt += markRoom
	}
	b.badgeAt = b.nameAt + name + 9
	b.nameAt += name / 2
	return b
}

// size says how much room a status needs: its box, wide enough for the lines that end at one side of it, and the loop beside it.
func (d *drawing) size(place, ends int) (west, east, height int) {
	if b := &d.boxes[place]; ends > 1 {
		more := max(0, min(ends, portsMost)*portGap+2*padding-b.width)
		b.width, b.nameAt, b.badgeAt = even(b.width+more), b.nameAt+more/2, b.badgeAt+more/2
	}
	half := d.boxes[place].width / 2
	east = half
	if label, ok := d.loops[place]; ok {
		east += loopRoom
		if label != "" {
			east += textWidth(label, labelSize) + 8
		}
	}
	return half, east, boxHeight
}

// findPorts spreads the ends of lines along the upper and lower sides of boxes, each as close below or above its next bend as the others
// let it.
func (d *drawing) findPorts() {
	type end struct{ line, side, order, x int }
	above, below := make([][]end, len(d.boxes)), make([][]end, len(d.boxes))
	for i, ln := range d.layout.lines {
		if n := len(ln.chain); n > 1 {
			next, prev := d.layout.points[ln.chain[1]], d.layout.points[ln.chain[n-2]]
			below[ln.upper()] = append(below[ln.upper()], end{i, 0, next.order, next.x})
			above[ln.lower()] = append(above[ln.lower()], end{i, 1, prev.order, prev.x})
		}
	}
	d.ports = map[[2]int]int{}
	for _, sides := range [][][]end{above, below} {
		for place, ends := range sides {
			slices.SortStableFunc(ends, func(a, b end) int { return a.order - b.order })
			wanted := make([]int, len(ends))
			for k, e := range ends {
				wanted[k] = e.x
			}
			half := d.boxes[place].width/2 - 16
			spread(wanted, d.layout.points[place].x-half, d.layout.points[place].x+half)
			for k, e := range ends {
				d.ports[[2]int{e.line, e.side}] = wanted[k]
			}
		}
	}
}

// spread moves sorted places as little as it takes to keep them apart and between low and high.
func spread(at []int, low, high int) {
	if len(at) == 0 {
		return
	}
	apart := portGap
	if len(at) > 1 {
		apart = min(apart, (high-low)/(len(at)-1))
	}
	for i := range at {
		at[i] = max(at[i], low+i*apart)
		if i > 0 {
			at[i] = max(at[i], at[i-1]+apart)
		}
	}
	for i := len(at) - 1; i >= 0; i-- {
		at[i] = min(at[i], high-(len(at)-1-i)*apart)
		if i < len(at)-1 {
			at[i] = min(at[i], at[i+1]-apart)
		}
	}
}

// write writes the document.
func (d *drawing) write() {
	left, right, bottom := 0, boxMin, 0
	for i, p := range d.layout.points {
		if i == 0 {
			left, right = p.x-p.west, p.x+p.east
		}
		left, right, bottom = min(left, p.x-p.west), max(right, p.x+p.east), max(bottom, p.y+p.height/2)
	}
	left, right, top, bottom := left-margin, right+margin, -margin, bottom+margin
	missing := ""
	if d.layout.left > 0 {
		missing = fmt.Sprintf("%d of %d moves are not drawn", d.layout.left, len(d.layout.lines))
		bottom += 20
		right = max(right, left+2*margin+textWidth(missing, labelSize))
	}
	width, height := right-left, bottom-top
	title := escape(oneLine(d.opts.Title))
	fmt.Fprintf(&d.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wf-graph\" role=\"img\" aria-label=\"%s\" width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\">\n",
		title, width, height, left, top, width, height)
	fmt.Fprintf(&d.out, "<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", title, escape(d.describe()), svgStyle)
	fmt.Fprintf(&d.out, "<rect class=\"ground\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", left, top, width, height)
	for i := range d.layout.lines {
		d.writeLine(i)
	}
	for i := range d.layout.lines {
		d.writeLabel(i)
	}
	for i := range d.boxes {
		d.writeBox(i)
	}
	if missing != "" {
		fmt.Fprintf(&d.out, "<text class=\"missing\" x=\"%d\" y=\"%d\">%s</text>\n", left+margin, bottom-margin, missing)
	}
	d.out.WriteString("</svg>\n")
}

// writeLine draws a line and its arrow head.
func (d *drawing) writeLine(i int) {
	ln := &d.layout.lines[i]
	kind := ln.kinds[len(ln.kinds)-1].String()
	class := "line " + kind
	if ln.back {
		class += " back"
	}
	var path, head string
	switch {
	case ln.loop():
		p := d.layout.points[ln.from]
		x, y := p.x+d.boxes[ln.from].width/2, p.y
		path = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x, y-8, x+28, y-16, x+28, y+16, x+arrow-1, y+8)
		head = fmt.Sprintf("M%d %dl%d -5v10z", x, y+8, arrow)
	case ln.chain == nil:
		return
	default:
		path, head = d.route(i)
	}
	from, to := d.g.statuses[ln.from], d.g.statuses[ln.to]
	fmt.Fprintf(&d.out, "<g class=\"%s\" data-from=\"%d\" data-to=\"%d\"><path class=\"way\" d=\"%s\"/><path class=\"head\" d=\"%s\"/></g>\n",
		class, from, to, path, head)
}

// route is the way of a line from box to box: straight through the ranks that it passes, curved between them.
func (d *drawing) route(i int) (path, head string) {
	l := d.layout
	ln := &l.lines[i]
	x := d.ports[[2]int{i, 0}]
	y := l.points[ln.chain[0]].y + boxHeight/2
	var b strings.Builder
	if ln.back {
		head = fmt.Sprintf("M%d %dl-5 %dh10z", x, y, arrow)
		y += arrow - 1
	}
	fmt.Fprintf(&b, "M%d %d", x, y)
	for k := 1; k < len(ln.chain); k++ {
		p := l.points[ln.chain[k]]
		toX, toY, last := p.x, l.tops[p.rank], k == len(ln.chain)-1
		if !last && toY == l.bottoms[p.rank] {
			continue // there is nothing to pass
		}
		if last {
			toX, toY = d.ports[[2]int{i, 1}], p.y-boxHeight/2
			if !ln.back {
				head = fmt.Sprintf("M%d %dl-5 -%dh10z", toX, toY, arrow)
				toY -= arrow - 1
			}
		}
		if toX == x {
			fmt.Fprintf(&b, "V%d", toY)
		} else {
			middle := (y + toY) / 2
			fmt.Fprintf(&b, "C%d %d %d %d %d %d", x, middle, toX, middle, toX, toY)
		}
		x, y = toX, toY
		if bottom := l.bottoms[p.rank]; !last && bottom > y {
			fmt.Fprintf(&b, "V%d", bottom)
			y = bottom
		}
	}
	return b.String(), head
}

// writeLabel writes a line's kind on it.
func (d *drawing) writeLabel(i int) {
	ln := &d.layout.lines[i]
	label := ln.label()
	if label == "" {
		return
	}
	kind := ln.kinds[len(ln.kinds)-1].String()
	if ln.loop() {
		p := d.layout.points[ln.from]
		fmt.Fprintf(&d.out, "<text class=\"kind beside %s\" x=\"%d\" y=\"%d\">%s</text>\n", kind, p.x+d.boxes[ln.from].width/2+loopRoom-3, p.y+4, label)
		return
	}
	for _, c := range ln.chain {
		if p := d.layout.points[c]; p.line == i && p.height > 0 {
			fmt.Fprintf(&d.out, "<rect class=\"plate\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/><text class=\"kind %s\" x=\"%d\" y=\"%d\">%s</text>\n",
				p.x-p.west, p.y-labelHeight/2, p.west+p.east, labelHeight, kind, p.x, p.y+4, label)
		}
	}
}

// writeBox draws a status.
func (d *drawing) writeBox(place int) {
	b, p, status := d.boxes[place], d.layout.points[place], d.g.statuses[place]
	class := "status"
	if b.start {
		class += " start"
	}
	if b.terminal {
		class += " terminal"
	}
	if more := classes(d.opts.Class[status]); more != "" {
		class += " " + more
	}
	x, y := p.x-b.width/2, p.y-boxHeight/2
	tip := fmt.Sprintf("%s (%d)", oneLine(d.opts.Label(status)), status)
	if note := oneLine(d.opts.Notes[status]); note != "" {
		tip += ": " + note
	}
	round := 7
	if b.start {
		round = boxHeight / 2
	}
	fmt.Fprintf(&d.out, "<g class=\"%s\" data-status=\"%d\"><title>%s</title><rect class=\"box\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
		class, status, escape(tip), x, y, b.width, boxHeight, round)
	if b.terminal {
		fmt.Fprintf(&d.out, "<rect class=\"inner\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>", x+3, y+3, b.width-6, boxHeight-6, round-3)
	}
	mark := x + b.nameAt - textWidth(b.name, nameSize)/2 - markRoom + 5
	if b.terminal {
		fmt.Fprintf(&d.out, "<circle class=\"ring\" cx=\"%d\" cy=\"%d\" r=\"5\"/><circle class=\"dot\" cx=\"%d\" cy=\"%d\" r=\"2.5\"/>", mark, p.y, mark, p.y)
		mark -= markRoom
	}
	if b.start {
		fmt.Fprintf(&d.out, "<circle class=\"dot\" cx=\"%d\" cy=\"%d\" r=\"5\"/>", mark, p.y)
	}
	fmt.Fprintf(&d.out, "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text>", x+b.nameAt, p.y+5, escape(b.name))
	if b.note != "" {
		fmt.Fprintf(&d.out, "<rect class=\"badge\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"18\" rx=\"9\"/><text class=\"note\" x=\"%d\" y=\"%d\">%s</text>",
			x+b.badgeAt, p.y-9, b.badge, x+b.badgeAt+b.badge/2, p.y+4, escape(b.note))
	}
	d.out.WriteString("</g>\n")
}

// describe says in words what the drawing shows.
func (d *drawing) describe() string {
	name := func(s int) string { return oneLine(d.opts.Label(s)) }
	names := func(statuses []int) string {
		if len(statuses) == 0 {
			return "nowhere"
		}
		var all []string
		for _, s := range statuses {
			all = append(all, name(s))
		}
		return strings.Join(all, ", ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Statuses: %d. Starts: %s. Ends: %s.", len(d.g.statuses), names(d.g.Starts()), names(d.g.Terminals()))
	for _, s := range d.g.statuses {
		if note := oneLine(d.opts.Notes[s]); note != "" {
			b.WriteString(" " + name(s) + ": " + note + ".")
		}
	}
	for i := range d.layout.lines {
		ln := &d.layout.lines[i]
		fmt.Fprintf(&b, " %s to %s", name(d.g.statuses[ln.from]), name(d.g.statuses[ln.to]))
		if label := ln.label(); label != "" {
			b.WriteString(" by " + label)
		}
		b.WriteByte('.')
	}
	return b.String()
}

func escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}
