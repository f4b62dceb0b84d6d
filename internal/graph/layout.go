package graph

import (
	"cmp"
	"slices"
)

// maxWaypoints bounds the bends that all lines of one drawing have together. What goes beyond is left out, the longest lines first, and the
// drawing says so.
const maxWaypoints = 20_000

// layout is a layered drawing after K. Sugiyama, S. Tagawa and M. Toda ("Methods for visual understanding of hierarchical system
// structures", 1981): ranks from top to bottom, an order within each rank that keeps lines from crossing, then coordinates. All of it
// is whole numbers, so that it comes out alike on every machine.
//
// Statuses stand on even ranks. A line that is longer than one rank is a chain of waypoints, one per rank, so that room is kept for it
// everywhere; the one in its middle carries its label.
type layout struct {
	points  []point
	lines   []line
	ranks   [][]int // per rank: its points from left to right
	tops    []int   // per rank: where it begins and ends
	bottoms []int
	up      [][]int // per point: its neighbours on the rank above, and below
	down    [][]int
	left    int   // lines that were left out
	mean    []int // per point, while a rank is sorted
}

// point is a status, or a waypoint of a line. The statuses come first, at their place in the graph.
type point struct {
	rank, order int
	line        int // the line that a waypoint belongs to, or -1
	west, east  int // the room it needs on both sides of x
	height      int
	x, y        int // the middle
}

// line is what is drawn between two statuses: all edges from one to the other.
type line struct {
	from, to int // places
	kinds    []Kind
	back     bool  // it was turned round to break a circle, and leads up
	chain    []int // points from the upper end to the lower one
}

func (ln *line) label() string {
	if len(ln.kinds) == 1 && ln.kinds[0] == Step {
		return ""
	}
	text := ""
	for i, k := range ln.kinds {
		if i > 0 {
			text += ", "
		}
		text += k.String()
	}
	return text
}

func (ln *line) loop() bool { return ln.from == ln.to }

// newLayout makes the lines and breaks the circles.
func newLayout(g *Graph) *layout {
	l := &layout{points: make([]point, len(g.statuses))}
	l.gather(g)
	l.breakCircles(g)
	return l
}

// arrange gives everything its place. size says what a status needs to its left and right, and its height, when so many lines end at one
// side of it; room is the width of a label.
func (l *layout) arrange(size func(place, ends int) (west, east, height int), room func(label string) int) {
	l.rank()
	above, below := make([]int, len(l.points)), make([]int, len(l.points))
	for i := range l.lines {
		if ln := &l.lines[i]; !ln.loop() {
			above[ln.lower()]++
			below[ln.upper()]++
		}
	}
	for i := range l.points {
		p := &l.points[i]
		p.line = -1
		p.west, p.east, p.height = size(i, max(above[i], below[i]))
		p.rank *= 2
	}
	l.layWaypoints(room)
	l.sort()
	l.place()
}

// gather makes the lines of the edges.
func (l *layout) gather(g *Graph) {
	for _, e := range g.Edges() {
		from, to := g.index[e.From], g.index[e.To]
		if n := len(l.lines); n > 0 && l.lines[n-1].from == from && l.lines[n-1].to == to {
			l.lines[n-1].kinds = append(l.lines[n-1].kinds, e.Kind)
			continue
		}
		l.lines = append(l.lines, line{from: from, to: to, kinds: []Kind{e.Kind}})
	}
	slices.SortStableFunc(l.lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
}

// breakCircles turns the lines that lead back to a status on the way from the starts.
func (l *layout) breakCircles(g *Graph) {
	out := make([][]int, len(l.points)) // lines by where they start
	for i, ln := range l.lines {
		if !ln.loop() {
			out[ln.from] = append(out[ln.from], i)
		}
	}
	const unseen, open, done = 0, 1, 2
	state := make([]int, len(l.points))
	var visit func(place int)
	visit = func(place int) {
		state[place] = open
		for _, i := range out[place] {
			switch to := l.lines[i].to; state[to] {
			case open:
				l.lines[i].back = true
			case unseen:
				visit(to)
			}
		}
		state[place] = done
	}
	for _, s := range append(g.Starts(), g.statuses...) {
		if place := g.index[s]; state[place] == unseen {
			visit(place)
		}
	}
}

// upper and lower are a line's ends once no circle is left.
func (ln *line) upper() int {
	if ln.back {
		return ln.to
	}
	return ln.from
}

func (ln *line) lower() int {
	if ln.back {
		return ln.from
	}
	return ln.to
}

// rank gives every status the length of the longest way to it, then moves those that have more lines below than above as far down as
// they can go: a second start belongs near to where it leads.
func (l *layout) rank() {
	above, below := make([][]int, len(l.points)), make([][]int, len(l.points))
	for i := range l.lines {
		if ln := &l.lines[i]; !ln.loop() {
			above[ln.lower()] = append(above[ln.lower()], ln.upper())
			below[ln.upper()] = append(below[ln.upper()], ln.lower())
		}
	}
	order := topological(below)
	for _, i := range order {
		for _, n := range below[i] {
			l.points[n].rank = max(l.points[n].rank, l.points[i].rank+1)
		}
	}
	for _, i := range slices.Backward(order) {
		if len(below[i]) <= len(above[i]) {
			continue
		}
		lowest := l.points[below[i][0]].rank
		for _, n := range below[i] {
			lowest = min(lowest, l.points[n].rank)
		}
		l.points[i].rank = lowest - 1
	}
	if len(l.points) == 0 {
		return
	}
	top := slices.MinFunc(l.points, func(a, b point) int { return cmp.Compare(a.rank, b.rank) }).rank
	for i := range l.points {
		l.points[i].rank -= top
	}
}

// topological returns the places so that each comes before those that it leads to. The graph has no circles.
func topological(next [][]int) []int {
	waits := make([]int, len(next))
	for _, to := range next {
		for _, n := range to {
			waits[n]++
		}
	}
	var order []int
	for i := range next {
		if waits[i] == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, n := range next[order[k]] {
			if waits[n]--; waits[n] == 0 {
				order = append(order, n)
			}
		}
	}
	return order
}

// layWaypoints makes the chain of every line, the short ones first, and the neighbours.
func (l *layout) layWaypoints(room func(string) int) {
	byLength := make([]int, 0, len(l.lines))
	length := func(i int) int { return l.points[l.lines[i].lower()].rank - l.points[l.lines[i].upper()].rank }
	for i := range l.lines {
		if !l.lines[i].loop() {
			byLength = append(byLength, i)
		}
	}
	slices.SortStableFunc(byLength, func(a, b int) int { return cmp.Compare(length(a), length(b)) })
	total := 0
	for k, i := range byLength {
		if total += length(i) - 1; total > maxWaypoints {
			l.left = len(byLength) - k
			break
		}
		l.lay(i, room)
	}
	l.up, l.down = make([][]int, len(l.points)), make([][]int, len(l.points))
	highest := 0
	for _, ln := range l.lines {
		for k := 1; k < len(ln.chain); k++ {
			above, below := ln.chain[k-1], ln.chain[k]
			l.down[above] = append(l.down[above], below)
			l.up[below] = append(l.up[below], above)
		}
	}
	for _, p := range l.points {
		highest = max(highest, p.rank)
	}
	l.ranks = make([][]int, highest+1)
}

// lay makes the chain of one line.
func (l *layout) lay(i int, room func(string) int) {
	ln := &l.lines[i]
	first, last := l.points[ln.upper()].rank, l.points[ln.lower()].rank
	ln.chain = append(ln.chain, ln.upper())
	for r := first + 1; r < last; r++ {
		p := point{rank: r, line: i}
		if label := ln.label(); label != "" && r == l.labelRank(ln) {
			p.west = room(label) / 2
			p.east, p.height = p.west, labelHeight
		}
		ln.chain = append(ln.chain, len(l.points))
		l.points = append(l.points, p)
	}
	ln.chain = append(ln.chain, ln.lower())
}

// labelRank is the rank of a line's label: behind the status that the move starts in, where one looks for it.
func (l *layout) labelRank(ln *line) int {
	if ln.back {
		return l.points[ln.from].rank - 1
	}
	return l.points[ln.from].rank + 1
}
