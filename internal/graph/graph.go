package graph

import (
	"cmp"
	"slices"
)

// Kind says what makes a run take an edge. The zero value is Step.
type Kind int

// The kinds of edges.
const (
	// Step is taken by the engine as soon as a run is in the status.
	Step Kind = iota
	// Callback is taken when somebody outside calls.
	Callback
	// Timeout is taken when a timer is due.
	Timeout
	// Signal is taken when a signal was sent to the run.
	Signal
)

// String returns the kind's name in lower case.
func (k Kind) String() string {
	names := [...]string{"step", "callback", "timeout", "signal"}
	if k >= 0 && int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// FromOutside reports whether somebody outside has to say something for the edge to be taken.
func (k Kind) FromOutside() bool { return k == Callback || k == Signal }

// Edge is one declared move.
type Edge struct {
	From, To int
	Kind     Kind
}

// Graph is the graph of one workflow's statuses. Make it with New. Filling it is for one goroutine; a filled Graph is safe
// for concurrent use.
type Graph struct {
	statuses []int       // in declaration order
	index    map[int]int // status -> its place in statuses
	next     [][]int     // per place: the places that an edge leads to, each once
	entered  []bool      // per place: an edge from another status leads to it
	waits    []bool      // per place: a run may wait in it for something from outside
	edges    map[Edge]struct{}
	moves    map[[2]int]struct{}
	marked   map[int]struct{}
}

// New returns an empty graph.
func New() *Graph {
	return &Graph{
		index:  make(map[int]int),
		edges:  make(map[Edge]struct{}),
		moves:  make(map[[2]int]struct{}),
		marked: make(map[int]struct{}),
	}
}

// AddNode declares a status. A status that is there already keeps its place.
func (g *Graph) AddNode(status int) { g.place(status) }

// AddEdge declares a move, and both statuses where they are new. The same move may be declared several times, by different
// kinds too.
func (g *Graph) AddEdge(from, to int, how Kind) {
	f, t := g.place(from), g.place(to)
	g.edges[Edge{From: from, To: to, Kind: how}] = struct{}{}
	if how != Step {
		g.waits[f] = true
	}
	if f != t {
		g.entered[t] = true
	}
	move := [2]int{from, to}
	if _, known := g.moves[move]; !known {
		g.moves[move] = struct{}{}
		g.next[f] = append(g.next[f], t)
	}
}

// MarkStart declares that runs are also started in this status, although edges may lead to it.
func (g *Graph) MarkStart(status int) {
	g.place(status)
	g.marked[status] = struct{}{}
}

// MarkWaits declares that a run in this status may wait for something that no edge shows, such as a callback that may
// only cancel.
func (g *Graph) MarkWaits(status int) { g.waits[g.place(status)] = true }

// Statuses returns every status in declaration order.
func (g *Graph) Statuses() []int { return slices.Clone(g.statuses) }

// Edges returns every edge once, sorted by where it starts, where it leads and its kind.
func (g *Graph) Edges() []Edge {
	edges := make([]Edge, 0, len(g.edges))
	for e := range g.edges {
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return edges
}

// Starts returns the statuses in which runs start: in declaration order those that no other status leads to, or the first
// declared where there is none; behind them, in declaration order, the other ones that MarkStart named. The first is where a
// run starts when nothing else is said. Only an empty graph has none.
func (g *Graph) Starts() []int {
	var starts, named []int
	for i, s := range g.statuses {
		if !g.entered[i] {
			starts = append(starts, s)
		} else if _, ok := g.marked[s]; ok {
			named = append(named, s)
		}
	}
	if len(starts) == 0 && len(g.statuses) > 0 {
		first := g.statuses[0]
		starts = []int{first}
		named = slices.DeleteFunc(named, func(s int) bool { return s == first })
	}
	return append(starts, named...)
}

// Terminals returns the statuses without outgoing edges, in declaration order.
func (g *Graph) Terminals() []int {
	var ends []int
	for i, s := range g.statuses {
		if len(g.next[i]) == 0 {
			ends = append(ends, s)
		}
	}
	return ends
}

// Has reports whether the status was declared.
func (g *Graph) Has(status int) bool {
	_, ok := g.index[status]
	return ok
}

// Declared reports whether a move between the two statuses was declared, by any kind of edge. A move that stays where it
// is has to be declared like any other.
func (g *Graph) Declared(from, to int) bool {
	_, ok := g.moves[[2]int{from, to}]
	return ok
}

// Terminal reports whether the status was declared and nothing leads out of it. An edge back to itself leads out.
func (g *Graph) Terminal(status int) bool {
	i, ok := g.index[status]
	return ok && len(g.next[i]) == 0
}

// Reachable reports whether a run that is in one status can come to the other, or is there already. It is false where
// either status was never declared.
func (g *Graph) Reachable(from, to int) bool {
	f, okFrom := g.index[from]
	t, okTo := g.index[to]
	return okFrom && okTo && g.reach(f)[t]
}

// place returns the status's place in declaration order, making it on first sight.
func (g *Graph) place(status int) int {
	if i, ok := g.index[status]; ok {
		return i
	}
	i := len(g.statuses)
	g.index[status] = i
	g.statuses = append(g.statuses, status)
	g.next = append(g.next, nil)
	g.entered = append(g.entered, false)
	g.waits = append(g.waits, false)
	return i
}

// reach returns, per place, whether it can be reached from one of the given places. A place reaches itself.
func (g *Graph) reach(from ...int) []bool {
	seen := make([]bool, len(g.statuses))
	todo := make([]int, 0, len(g.statuses))
	visit := func(i int) {
		if !seen[i] {
			seen[i] = true
			todo = append(todo, i)
		}
	}
	for _, i := range from {
		visit(i)
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, n := range g.next[i] {
			visit(n)
		}
	}
	return seen
}
