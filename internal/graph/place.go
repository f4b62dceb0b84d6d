package graph

import (
	"cmp"
	"math"
	"slices"
)

// The gaps of a drawing, in pixels.
const (
	statusGap   = 44 // between two statuses of a rank
	mixedGap    = 26 // between a status and a line that passes
	lineGap     = 16 // between two lines
	rankGap     = 22 // between two ranks, at least
	rankGapMore = 40 // and this much more where lines run far sideways
	labelHeight = 16
)

// place gives every point its coordinates. Sideways it follows U. Brandes and B. Köpf ("Fast and simple horizontal coordinate
// assignment", 2001): four layouts, each as narrow as it can be while points stay in line with a middle neighbour, from above or below,
// from the left or right; every point gets the mean of its two middle ones, which keeps all distances.
func (l *layout) place() {
	if len(l.points) == 0 {
		return
	}
	crossed := l.crossedByLong()
	var all [4][]int
	for k := range all {
		all[k] = l.compact(l.blocks(k >= 2, k%2 == 1, crossed), k%2 == 1)
	}
	l.align(&all)
	for i := range l.points {
		xs := []int{all[0][i], all[1][i], all[2][i], all[3][i]}
		slices.Sort(xs)
		l.points[i].x = (xs[1] + xs[2]) / 2
	}
	l.placeRanks()
}

// align shifts the four layouts so that they can be compared: all to the narrowest, by their left or their right side.
func (l *layout) align(all *[4][]int) {
	var low, high [4]int
	narrowest := 0
	for k, xs := range all {
		low[k], high[k] = math.MaxInt, math.MinInt
		for i, x := range xs {
			low[k], high[k] = min(low[k], x-l.points[i].west), max(high[k], x+l.points[i].east)
		}
		if high[k]-low[k] < high[narrowest]-low[narrowest] {
			narrowest = k
		}
	}
	for k, xs := range all {
		shift := low[narrowest] - low[k]
		if k%2 == 1 {
			shift = high[narrowest] - high[k]
		}
		for i := range xs {
			xs[i] += shift
		}
	}
}

// crossedByLong finds the parts of lines that cross a long line between two of its waypoints: the long one is to stay straight.
func (l *layout) crossedByLong() map[[2]int]bool {
	crossed := map[[2]int]bool{}
	inner := func(i int) int { // the waypoint above a waypoint, or -1
		if l.points[i].line >= 0 && len(l.up[i]) == 1 && l.points[l.up[i][0]].line >= 0 {
			return l.up[i][0]
		}
		return -1
	}
	for r := 1; r < len(l.ranks); r++ {
		before, scanned := -1, 0
		for k, i := range l.ranks[r] {
			above := inner(i)
			if above < 0 && k < len(l.ranks[r])-1 {
				continue
			}
			after := len(l.ranks[r-1])
			if above >= 0 {
				after = l.points[above].order
			}
			for ; scanned <= k; scanned++ {
				low := l.ranks[r][scanned]
				if inner(low) >= 0 {
					continue
				}
				for _, n := range l.up[low] {
					if o := l.points[n].order; o < before || o > after {
						crossed[[2]int{n, low}] = true
					}
				}
			}
			before = after
		}
	}
	return crossed
}

// blocks puts points in line with a middle neighbour and returns, per point, the first of its line. fromBelow and fromRight turn the
// drawing for that.
func (l *layout) blocks(fromBelow, fromRight bool, crossed map[[2]int]bool) []int {
	root, taken := make([]int, len(l.points)), make([]bool, len(l.points))
	for i := range root {
		root[i] = i
	}
	neighbours := l.up
	if fromBelow {
		neighbours = l.down
	}
	pos := func(i int) int {
		if fromRight {
			return len(l.ranks[l.points[i].rank]) - 1 - l.points[i].order
		}
		return l.points[i].order
	}
	for r := range l.ranks {
		if fromBelow {
			r = len(l.ranks) - 1 - r
		}
		last := -1
		for k := range l.ranks[r] {
			if fromRight {
				k = len(l.ranks[r]) - 1 - k
			}
			i := l.ranks[r][k]
			near := slices.Clone(neighbours[i])
			slices.SortStableFunc(near, func(a, b int) int { return cmp.Compare(pos(a), pos(b)) })
			for m := (len(near) - 1) / 2; len(near) > 0 && m <= len(near)/2 && root[i] == i; m++ {
				n := near[m]
				part := [2]int{n, i}
				if fromBelow {
					part = [2]int{i, n}
				}
				if last < pos(n) && !taken[n] && !crossed[part] {
					root[i], taken[n], last = root[n], true, pos(n)
				}
			}
		}
	}
	return root
}

// compact puts the blocks as close together as their points allow, then moves each as far as it can towards what stands behind it.
func (l *layout) compact(root []int, fromRight bool) []int {
	type edge struct{ to, distance int }
	next, before := make([][]edge, len(root)), make([][]edge, len(root))
	targets := make([][]int, len(root))
	for _, rank := range l.ranks {
		for k := 1; k < len(rank); k++ {
			a, b, distance := root[rank[k-1]], root[rank[k]], l.distance(rank[k-1], rank[k])
			if fromRight {
				a, b = b, a
			}
			next[a] = append(next[a], edge{b, distance})
			before[b] = append(before[b], edge{a, distance})
			targets[a] = append(targets[a], b)
		}
	}
	x := make([]int, len(root))
	order := topological(targets)
	for _, i := range order {
		for _, e := range before[i] {
			x[i] = max(x[i], x[e.to]+e.distance)
		}
	}
	for _, i := range slices.Backward(order) {
		room := math.MaxInt
		for _, e := range next[i] {
			room = min(room, x[e.to]-e.distance)
		}
		if room < math.MaxInt {
			x[i] = max(x[i], room)
		}
	}
	out := make([]int, len(root))
	for i := range out {
		if out[i] = x[root[i]]; fromRight {
			out[i] = -out[i]
		}
	}
	return out
}

// distance is how far apart the middles of two neighbours in a rank must be.
func (l *layout) distance(a, b int) int {
	p, q := l.points[a], l.points[b]
	gap := mixedGap
	switch {
	case p.line < 0 && q.line < 0:
		gap = statusGap
	case p.line >= 0 && q.line >= 0:
		gap = lineGap
	}
	return p.east + gap + q.west
}

// placeRanks puts the ranks below each other, farther apart where lines run far sideways.
func (l *layout) placeRanks() {
	y := 0
	l.tops, l.bottoms = make([]int, len(l.ranks)), make([]int, len(l.ranks))
	for r, rank := range l.ranks {
		height, sideways := 0, 0
		for _, i := range rank {
			height = max(height, l.points[i].height)
			for _, n := range l.up[i] {
				sideways = max(sideways, l.points[i].x-l.points[n].x, l.points[n].x-l.points[i].x)
			}
		}
		if r > 0 {
			y += rankGap + min(rankGapMore, sideways/12)
		}
		for _, i := range rank {
			l.points[i].y = y + height/2
		}
		l.tops[r], l.bottoms[r] = y, y+height
		y += height
	}
}
