package graph

import (
	"slices"
	"strings"
)

// ProblemKind says what is wrong.
type ProblemKind int

// The kinds of problems.
const (
	// Unreachable: no run ever comes to the status.
	Unreachable ProblemKind = iota + 1
	// NoWayOut: steps lead round these statuses for ever, and nothing from outside can end it.
	NoWayOut
)

// Problem is something in the graph that can never work.
type Problem struct {
	Kind ProblemKind
	// Statuses are those concerned, in declaration order: exactly one for Unreachable, one or more for NoWayOut.
	Statuses []int
}

// Describe puts the problem in one sentence. label names a status.
func (p Problem) Describe(label func(int) string) string {
	names := make([]string, len(p.Statuses))
	for i, s := range p.Statuses {
		names[i] = label(s)
	}
	list := strings.Join(names, ", ")
	switch {
	case p.Kind == Unreachable:
		return "status " + list + " is reachable from no start"
	case len(names) == 1:
		return "status " + list + " leads only to itself, and no callback, signal or timeout ends it"
	default:
		return "statuses " + list + " lead only to each other, and no callback, signal or timeout ends it"
	}
}

// Problems returns what can never work: first the statuses that no start leads to, in declaration order, then the groups
// without a way out, in the order of their first status. A graph without problems returns none.
func (g *Graph) Problems() []Problem {
	var problems []Problem
	var starts []int
	for _, s := range g.Starts() {
		starts = append(starts, g.index[s])
	}
	for i, reached := range g.reach(starts...) {
		if !reached {
			problems = append(problems, Problem{Kind: Unreachable, Statuses: []int{g.statuses[i]}})
		}
	}
	for _, group := range g.groups() {
		if g.trapped(group) {
			statuses := make([]int, len(group))
			for i, place := range group {
				statuses[i] = g.statuses[place]
			}
			problems = append(problems, Problem{Kind: NoWayOut, Statuses: statuses})
		}
	}
	return problems
}

// trapped reports whether a run that came into the group moves in it for ever. A single status counts only when it leads to
// itself: without an edge it is terminal.
func (g *Graph) trapped(group []int) bool {
	edges := 0
	for _, i := range group {
		if g.waits[i] {
			return false
		}
		for _, n := range g.next[i] {
			if !slices.Contains(group, n) {
				return false
			}
			edges++
		}
	}
	return edges > 0
}

// groups returns the strongly connected components (R. Tarjan, "Depth-first search and linear graph algorithms", 1972): the
// largest sets of places that all lead to each other. Each is sorted, and they are in the order of their first place.
func (g *Graph) groups() [][]int {
	t := tarjan{g: g, number: make([]int, len(g.statuses)), low: make([]int, len(g.statuses)), open: make([]bool, len(g.statuses))}
	for i := range g.statuses {
		if t.number[i] == 0 {
			t.visit(i)
		}
	}
	slices.SortFunc(t.groups, func(a, b []int) int { return a[0] - b[0] })
	return t.groups
}

// tarjan is the state of one search for groups.
type tarjan struct {
	g      *Graph
	count  int
	number []int // order of the first visit, from 1; zero means not visited
	low    []int // the smallest number known to be in the same group
	open   []bool
	stack  []int
	groups [][]int
}

func (t *tarjan) visit(i int) {
	t.count++
	t.number[i], t.low[i] = t.count, t.count
	t.stack, t.open[i] = append(t.stack, i), true
	for _, n := range t.g.next[i] {
		if t.number[n] == 0 {
			t.visit(n)
			t.low[i] = min(t.low[i], t.low[n])
		} else if t.open[n] {
			t.low[i] = min(t.low[i], t.number[n])
		}
	}
	if t.low[i] != t.number[i] {
		return
	}
	first := len(t.stack) - 1
	for t.stack[first] != i {
		first--
	}
	group := slices.Clone(t.stack[first:])
	t.stack = t.stack[:first]
	for _, n := range group {
		t.open[n] = false
	}
	slices.Sort(group)
	t.groups = append(t.groups, group)
}
