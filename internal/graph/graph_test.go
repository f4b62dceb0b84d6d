package graph_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow/internal/graph"
)

// build makes a graph of steps from pairs, in the order given.
func build(moves ...[2]int) *graph.Graph {
	g := graph.New()
	for _, m := range moves {
		g.AddEdge(m[0], m[1], graph.Step)
	}
	return g
}

func TestStartsAndTerminals(t *testing.T) {
	tests := []struct {
		name      string
		g         *graph.Graph
		starts    []int
		terminals []int
	}{
		{"empty", graph.New(), nil, nil},
		{"line", build([2]int{1, 2}, [2]int{2, 3}), []int{1}, []int{3}},
		{"declared backwards", build([2]int{2, 3}, [2]int{1, 2}), []int{1}, []int{3}},
		{"two starts in declaration order", build([2]int{5, 9}, [2]int{1, 9}), []int{5, 1}, []int{9}},
		{"two ends in declaration order", build([2]int{1, 9}, [2]int{1, 2}), []int{1}, []int{9, 2}},
		{"status zero", build([2]int{0, 1}), []int{0}, []int{1}},
		{"into status zero", build([2]int{1, 0}), []int{1}, []int{0}},
		{"extreme statuses", build([2]int{math.MinInt, math.MaxInt}), []int{math.MinInt}, []int{math.MaxInt}},
		{"back to the start", build([2]int{1, 2}, [2]int{2, 1}, [2]int{2, 3}), []int{1}, []int{3}},
		{"circle without an end", build([2]int{3, 1}, [2]int{1, 3}), []int{3}, nil},
		{"start that may stay", build([2]int{1, 1}, [2]int{1, 2}), []int{1}, []int{2}},
		{"two starts that may stay", build([2]int{1, 1}, [2]int{1, 3}, [2]int{2, 2}, [2]int{2, 3}), []int{1, 2}, []int{3}},
		{"a status that only stays is no end", build([2]int{1, 2}, [2]int{2, 2}), []int{1}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.g.Starts(); !slices.Equal(got, tt.starts) {
				t.Errorf("Starts() = %v, want %v", got, tt.starts)
			}
			if got := tt.g.Terminals(); !slices.Equal(got, tt.terminals) {
				t.Errorf("Terminals() = %v, want %v", got, tt.terminals)
			}
			for _, s := range tt.g.Statuses() {
				if got, want := tt.g.Terminal(s), slices.Contains(tt.terminals, s); got != want {
					t.Errorf("Terminal(%d) = %v, want %v", s, got, want)
				}
			}
		})
	}
}

func TestMarkStartComesBehindTheNaturalStarts(t *testing.T) {
	tests := []struct {
		name  string
		moves [][2]int
		mark  []int
		want  []int
	}{
		{"in the middle", [][2]int{{1, 2}, {2, 3}}, []int{2}, []int{1, 2}},
		{"declared before the natural start", [][2]int{{2, 3}, {1, 2}}, []int{2}, []int{1, 2}},
		{"the natural start itself", [][2]int{{1, 2}}, []int{1}, []int{1}},
		{"the first of a circle", [][2]int{{1, 2}, {2, 1}}, []int{1}, []int{1}},
		{"another one of a circle", [][2]int{{1, 2}, {2, 1}}, []int{2}, []int{1, 2}},
		{"several, twice", [][2]int{{1, 2}, {2, 3}, {3, 4}}, []int{3, 2, 3}, []int{1, 2, 3}},
		{"a new status", [][2]int{{1, 2}}, []int{7}, []int{1, 7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := build(tt.moves...)
			for _, s := range tt.mark {
				g.MarkStart(s)
			}
			if got := g.Starts(); !slices.Equal(got, tt.want) {
				t.Errorf("Starts() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDeclaredAndHas(t *testing.T) {
	g := graph.New()
	g.AddNode(4)
	g.AddEdge(0, 1, graph.Callback)
	g.AddEdge(1, 1, graph.Step)
	g.AddEdge(1, 2, graph.Timeout)
	for _, tt := range []struct {
		from, to int
		want     bool
	}{
		{0, 1, true}, {1, 1, true}, {1, 2, true},
		{1, 0, false}, {0, 0, false}, {0, 2, false}, {2, 2, false}, {4, 4, false}, {4, 0, false}, {9, 9, false}, {0, 9, false}, {9, 0, false},
	} {
		if got := g.Declared(tt.from, tt.to); got != tt.want {
			t.Errorf("Declared(%d, %d) = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
	for status, want := range map[int]bool{0: true, 1: true, 2: true, 4: true, 3: false, -1: false} {
		if got := g.Has(status); got != want {
			t.Errorf("Has(%d) = %v, want %v", status, got, want)
		}
	}
	if g.Terminal(9) {
		t.Error("Terminal(9) = true for a status that was never declared")
	}
	if !g.Terminal(4) {
		t.Error("Terminal(4) = false for a status without edges")
	}
}

func TestReachable(t *testing.T) {
	g := build([2]int{1, 2}, [2]int{2, 3}, [2]int{3, 2}, [2]int{3, 4}, [2]int{8, 9})
	for _, tt := range []struct {
		from, to int
		want     bool
	}{
		{1, 4, true}, {2, 3, true}, {3, 2, true}, {8, 9, true},
		{1, 1, true}, {4, 4, true}, // it is there already
		{2, 1, false}, {4, 1, false}, {1, 9, false}, {9, 8, false},
		{7, 7, false}, {1, 7, false}, {7, 1, false}, // never declared
	} {
		if got := g.Reachable(tt.from, tt.to); got != tt.want {
			t.Errorf("Reachable(%d, %d) = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestStatusesAndEdgesAreStable(t *testing.T) {
	g := graph.New()
	g.AddEdge(7, 3, graph.Timeout)
	g.AddEdge(7, 3, graph.Step)
	g.AddNode(1)
	g.AddEdge(3, 1, graph.Signal)
	g.AddEdge(7, 1, graph.Callback)
	g.AddEdge(7, 3, graph.Timeout) // again
	if got, want := g.Statuses(), []int{7, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("Statuses() = %v, want %v", got, want)
	}
	want := []graph.Edge{{3, 1, graph.Signal}, {7, 1, graph.Callback}, {7, 3, graph.Step}, {7, 3, graph.Timeout}}
	for range 20 { // the edges come out of a map
		if got := g.Edges(); !slices.Equal(got, want) {
			t.Fatalf("Edges() = %v, want %v", got, want)
		}
	}
	g.Statuses()[0] = 99
	if got := g.Statuses()[0]; got != 7 {
		t.Errorf("a caller changed the graph through Statuses: first is %d", got)
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[graph.Kind]string{
		graph.Step: "step", graph.Callback: "callback", graph.Timeout: "timeout", graph.Signal: "signal", -1: "unknown", 4: "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d).String() = %q, want %q", int(kind), got, want)
		}
	}
}

func TestAFilledGraphIsReadByMany(t *testing.T) {
	g := build([2]int{1, 2}, [2]int{2, 1}, [2]int{2, 3})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if !g.Reachable(1, 3) || g.Terminal(1) || !g.Declared(2, 1) || len(g.Problems()) != 0 || len(g.Edges()) != 3 {
					t.Error("a concurrent reader saw another graph")
				}
			}
		})
	}
	wg.Wait()
}

func ExampleGraph_Problems() {
	g := graph.New()
	g.AddEdge(1, 2, graph.Step)
	g.AddEdge(2, 2, graph.Step)
	g.AddEdge(3, 4, graph.Step)
	g.AddEdge(4, 3, graph.Step)
	for _, p := range g.Problems() {
		fmt.Println(p.Describe(func(s int) string { return fmt.Sprint(s) }))
	}
	// Output:
	// status 3 is reachable from no start
	// status 4 is reachable from no start
	// status 2 leads only to itself, and no callback, signal or timeout ends it
	// statuses 3, 4 lead only to each other, and no callback, signal or timeout ends it
}
