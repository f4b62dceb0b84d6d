package graph_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stillwater-go/workflow/internal/graph"
)

// naive is the same graph, answered from a closed table of who reaches whom.
type naive struct {
	order []int
	edges []graph.Edge
	start map[int]bool
	waits map[int]bool
	reach map[[2]int]bool
}

func (n *naive) node(s int) {
	if !slices.Contains(n.order, s) {
		n.order = append(n.order, s)
	}
}

// close computes by Warshall's rule who reaches whom in one move or more.
func (n *naive) close() {
	n.reach = map[[2]int]bool{}
	for _, e := range n.edges {
		n.reach[[2]int{e.From, e.To}] = true
	}
	for _, k := range n.order {
		for _, i := range n.order {
			for _, j := range n.order {
				if n.reach[[2]int{i, k}] && n.reach[[2]int{k, j}] {
					n.reach[[2]int{i, j}] = true
				}
			}
		}
	}
}

func (n *naive) starts() []int {
	var natural, named []int
	for _, s := range n.order {
		if slices.ContainsFunc(n.edges, func(e graph.Edge) bool { return e.To == s && e.From != s }) {
			if n.start[s] {
				named = append(named, s)
			}
			continue
		}
		natural = append(natural, s)
	}
	if natural == nil && len(n.order) > 0 {
		natural = n.order[:1:1]
		named = slices.DeleteFunc(named, func(s int) bool { return s == n.order[0] })
	}
	return append(natural, named...)
}

func (n *naive) problems() []graph.Problem {
	var problems []graph.Problem
	starts := n.starts()
	for _, s := range n.order {
		if !slices.ContainsFunc(starts, func(from int) bool { return from == s || n.reach[[2]int{from, s}] }) {
			problems = append(problems, unreachable(s))
		}
	}
	grouped := map[int]bool{}
	for _, s := range n.order {
		if grouped[s] || !n.reach[[2]int{s, s}] { // on no circle: it leads somewhere else or ends
			continue
		}
		var group []int
		trapped := true
		for _, o := range n.order {
			if n.reach[[2]int{s, o}] && n.reach[[2]int{o, s}] {
				group = append(group, o)
				grouped[o] = true
				trapped = trapped && !n.waits[o]
			}
		}
		for _, e := range n.edges {
			if slices.Contains(group, e.From) && (e.Kind != graph.Step || !slices.Contains(group, e.To)) {
				trapped = false
			}
		}
		if trapped {
			problems = append(problems, noWayOut(group...))
		}
	}
	return problems
}

// FuzzAgainstNaive reads the bytes as declarations (an operation, two statuses) and compares every answer with the naive one.
func FuzzAgainstNaive(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 2, 1})
	f.Add([]byte{0, 1, 2, 0, 2, 3, 0, 3, 2, 1, 3, 4})
	f.Add([]byte{0, 1, 1, 5, 1, 0})
	f.Add([]byte{0, 1, 2, 0, 8, 9, 0, 9, 8, 4, 9, 0})
	f.Add([]byte{6, 0, 0, 0, 5, 6, 0, 6, 7, 0, 7, 5, 2, 6, 5, 3, 1, 1})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 150 {
			return
		}
		g := graph.New()
		n := &naive{start: map[int]bool{}, waits: map[int]bool{}}
		for ; len(program) >= 3; program = program[3:] {
			from, to := int(program[1]%12)-1, int(program[2]%12)-1
			switch op := program[0] % 7; op {
			case 4:
				g.MarkStart(from)
				n.node(from)
				n.start[from] = true
			case 5:
				g.MarkWaits(from)
				n.node(from)
				n.waits[from] = true
			case 6:
				g.AddNode(from)
				n.node(from)
			default:
				e := graph.Edge{From: from, To: to, Kind: graph.Kind(op)}
				g.AddEdge(e.From, e.To, e.Kind)
				n.node(from)
				n.node(to)
				n.edges = append(n.edges, e)
			}
		}
		n.close()
		compare(t, g, n)
	})
}

func compare(t *testing.T, g *graph.Graph, n *naive) {
	t.Helper()
	if got := g.Statuses(); !slices.Equal(got, n.order) {
		t.Fatalf("Statuses() = %v, want %v", got, n.order)
	}
	if got, want := g.Starts(), n.starts(); !slices.Equal(got, want) {
		t.Errorf("Starts() = %v, want %v", got, want)
	}
	if got, want := g.Problems(), n.problems(); !reflect.DeepEqual(got, want) {
		t.Errorf("Problems() = %v, want %v (edges %v)", got, want, g.Edges())
	}
	var ends []int
	for i := -2; i < 13; i++ {
		has := slices.Contains(n.order, i)
		leaves := slices.ContainsFunc(n.edges, func(e graph.Edge) bool { return e.From == i })
		if has && !leaves {
			ends = append(ends, i)
		}
		if g.Has(i) != has || g.Terminal(i) != (has && !leaves) {
			t.Errorf("status %d: Has %v, Terminal %v; want %v, %v", i, g.Has(i), g.Terminal(i), has, has && !leaves)
		}
		for j := -2; j < 13; j++ {
			declared := slices.ContainsFunc(n.edges, func(e graph.Edge) bool { return e.From == i && e.To == j })
			if got := g.Declared(i, j); got != declared {
				t.Errorf("Declared(%d, %d) = %v, want %v", i, j, got, declared)
			}
			reachable := n.reach[[2]int{i, j}] || (i == j && has)
			if got := g.Reachable(i, j); got != reachable {
				t.Errorf("Reachable(%d, %d) = %v, want %v", i, j, got, reachable)
			}
		}
	}
	got := g.Terminals()
	slices.Sort(got)
	if !slices.Equal(got, ends) {
		t.Errorf("Terminals() = %v, want %v", got, ends)
	}
}
