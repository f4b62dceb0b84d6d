package graph

import (
	"cmp"
	"slices"
)

// sort finds an order within the ranks that has few crossings: it starts with the order in which the statuses are met, then moves
// every point to the middle of its neighbours, rank by rank, down and up in turn, and keeps the best it has seen.
func (l *layout) sort() {
	l.firstOrder()
	sweeps := 24
	if len(l.points) > 2000 {
		sweeps = 4
	}
	best, fewest := l.snapshot(), l.crossings()
	for i := 0; i < sweeps && fewest > 0; i++ {
		if i%2 == 0 {
			for r := 1; r < len(l.ranks); r++ {
				l.pull(r, l.up)
			}
		} else {
			for r := len(l.ranks) - 2; r >= 0; r-- {
				l.pull(r, l.down)
			}
		}
		l.swapNeighbours()
		if n := l.crossings(); n < fewest {
			best, fewest = l.snapshot(), n
		}
	}
	for r := range l.ranks {
		l.ranks[r] = best[r]
		l.number(r)
	}
}

// firstOrder puts the points in their ranks in the order of a walk along the lines from the top.
func (l *layout) firstOrder() {
	seen := make([]bool, len(l.points))
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		r := l.points[i].rank
		l.points[i].order = len(l.ranks[r])
		l.ranks[r] = append(l.ranks[r], i)
		for _, n := range l.down[i] {
			visit(n)
		}
	}
	byRank := make([]int, len(l.points))
	for i := range byRank {
		byRank[i] = i
	}
	slices.SortStableFunc(byRank, func(a, b int) int { return cmp.Compare(l.points[a].rank, l.points[b].rank) })
	for _, i := range byRank {
		visit(i)
	}
}

func (l *layout) snapshot() [][]int {
	ranks := make([][]int, len(l.ranks))
	for r := range ranks {
		ranks[r] = slices.Clone(l.ranks[r])
	}
	return ranks
}

// number notes where the points of a rank stand.
func (l *layout) number(r int) {
	for k, i := range l.ranks[r] {
		l.points[i].order = k
	}
}

// pull sorts a rank by the mean place of each point's neighbours; one without any stays.
func (l *layout) pull(r int, neighbours [][]int) {
	const scale = 1000
	if l.mean == nil {
		l.mean = make([]int, len(l.points))
	}
	mean := l.mean
	for _, i := range l.ranks[r] {
		sum := 0
		for _, n := range neighbours[i] {
			sum += l.points[n].order
		}
		if k := len(neighbours[i]); k > 0 {
			mean[i] = sum * scale / k
		} else {
			mean[i] = l.points[i].order * scale
		}
	}
	slices.SortStableFunc(l.ranks[r], func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
	l.number(r)
}

// swapNeighbours exchanges points that stand side by side while that takes crossings away.
func (l *layout) swapNeighbours() {
	if len(l.points) > 2000 {
		return // too slow for what it brings there
	}
	const rounds = 4
	for range rounds {
		better := false
		for r := range l.ranks {
			for k := 1; k < len(l.ranks[r]); k++ {
				a, b := l.ranks[r][k-1], l.ranks[r][k]
				now := l.pairCrossings(a, b, l.up) + l.pairCrossings(a, b, l.down)
				then := l.pairCrossings(b, a, l.up) + l.pairCrossings(b, a, l.down)
				if then < now {
					l.ranks[r][k-1], l.ranks[r][k] = b, a
					l.points[a].order, l.points[b].order = k, k-1
					better = true
				}
			}
		}
		if !better {
			return
		}
	}
}

// pairCrossings counts how often the lines of a cross those of b on one side, when a stands left of b.
func (l *layout) pairCrossings(a, b int, neighbours [][]int) int {
	n := 0
	for _, x := range neighbours[a] {
		for _, y := range neighbours[b] {
			if l.points[x].order > l.points[y].order {
				n++
			}
		}
	}
	return n
}

// crossings counts all of them: per pair of ranks, the inversions among the lower ends (W. Barth, M. Jünger, P. Mutzel, "Simple and
// efficient bilayer cross counting", 2002).
func (l *layout) crossings() int {
	total := 0
	for r := 1; r < len(l.ranks); r++ {
		var ends []int
		for _, i := range l.ranks[r-1] {
			from := len(ends)
			for _, n := range l.down[i] {
				ends = append(ends, l.points[n].order)
			}
			slices.Sort(ends[from:])
		}
		total += inversions(ends, len(l.ranks[r]))
	}
	return total
}

// inversions counts the pairs that stand in the wrong order. Values are below limit.
func inversions(values []int, limit int) int {
	tree := make([]int, limit+1) // sums over halves of halves (P. Fenwick, 1994)
	n := 0
	for k, v := range values {
		notAbove := 0
		for i := v + 1; i > 0; i -= i & -i {
			notAbove += tree[i]
		}
		n += k - notAbove
		for i := v + 1; i <= limit; i += i & -i {
			tree[i]++
		}
	}
	return n
}
