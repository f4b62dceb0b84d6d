package graph_test

import (
	"reflect"
	"strconv"
	"testing"

	"github.com/stillwater-go/workflow/internal/graph"
)

func unreachable(status int) graph.Problem {
	return graph.Problem{Kind: graph.Unreachable, Statuses: []int{status}}
}

func noWayOut(statuses ...int) graph.Problem {
	return graph.Problem{Kind: graph.NoWayOut, Statuses: statuses}
}

func TestProblems(t *testing.T) {
	type edge = graph.Edge
	const step, callback, timeout, signal = graph.Step, graph.Callback, graph.Timeout, graph.Signal
	tests := []struct {
		name  string
		edges []edge
		start []int
		waits []int
		want  []graph.Problem
	}{
		{name: "empty"},
		{name: "line", edges: []edge{{1, 2, step}, {2, 3, step}}},
		{name: "circle with an exit", edges: []edge{{1, 2, step}, {2, 1, step}, {2, 3, step}}},
		{name: "back to the very start", edges: []edge{{1, 2, step}, {2, 3, step}, {3, 1, step}, {3, 4, step}}},
		{name: "stay with an exit", edges: []edge{{1, 1, step}, {1, 2, step}}},

		{name: "stay without an exit", edges: []edge{{1, 1, step}}, want: []graph.Problem{noWayOut(1)}},
		{name: "stay by callback", edges: []edge{{1, 1, callback}}},
		{name: "stay by timeout", edges: []edge{{1, 1, timeout}}},
		{name: "stay by signal", edges: []edge{{1, 1, signal}}},
		{name: "stay by step and by callback", edges: []edge{{1, 1, step}, {1, 1, callback}}},
		{name: "stay, waiting", edges: []edge{{1, 1, step}}, waits: []int{1}},

		{name: "circle of steps", edges: []edge{{1, 2, step}, {2, 1, step}}, want: []graph.Problem{noWayOut(1, 2)}},
		{name: "circle in declaration order", edges: []edge{{1, 2, step}, {3, 1, step}, {2, 4, step}, {4, 3, step}}, want: []graph.Problem{noWayOut(1, 2, 3, 4)}},
		{name: "circle with a callback", edges: []edge{{1, 2, step}, {2, 1, callback}}},
		{name: "circle with a timeout", edges: []edge{{1, 2, timeout}, {2, 1, step}}},
		{name: "circle with a signal", edges: []edge{{1, 2, signal}, {2, 1, step}}},
		{name: "circle that waits", edges: []edge{{1, 2, step}, {2, 1, step}}, waits: []int{2}},
		{name: "a wait outside the circle does not help", edges: []edge{{0, 1, step}, {1, 2, step}, {2, 1, step}}, waits: []int{0}, want: []graph.Problem{noWayOut(1, 2)}},
		{name: "a callback into the circle does not help", edges: []edge{{0, 1, callback}, {1, 2, step}, {2, 1, step}}, want: []graph.Problem{noWayOut(1, 2)}},
		{name: "two circles, the first leads to the second", edges: []edge{{1, 2, step}, {2, 1, step}, {2, 3, step}, {3, 4, step}, {4, 3, step}}, want: []graph.Problem{noWayOut(3, 4)}},
		{name: "two traps in declaration order", edges: []edge{{0, 9, step}, {0, 1, step}, {9, 9, step}, {1, 1, step}}, want: []graph.Problem{noWayOut(9), noWayOut(1)}},

		{name: "an island of a circle", edges: []edge{{1, 2, step}, {8, 9, step}, {9, 8, step}, {9, 7, step}}, want: []graph.Problem{unreachable(8), unreachable(9), unreachable(7)}},
		{name: "an island that is a named start", edges: []edge{{1, 2, step}, {8, 9, step}, {9, 8, step}, {9, 7, step}}, start: []int{9}},
		{name: "an island with a start of its own", edges: []edge{{1, 2, step}, {8, 9, step}}},
		{name: "an island that is a trap too", edges: []edge{{1, 2, step}, {8, 9, step}, {9, 8, step}}, want: []graph.Problem{unreachable(8), unreachable(9), noWayOut(8, 9)}},
		{name: "a circle that the first declared leads to not", edges: []edge{{1, 2, callback}, {2, 1, step}, {3, 4, step}, {4, 3, callback}}, want: []graph.Problem{unreachable(3), unreachable(4)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := graph.New()
			for _, e := range tt.edges {
				g.AddEdge(e.From, e.To, e.Kind)
			}
			for _, s := range tt.start {
				g.MarkStart(s)
			}
			for _, s := range tt.waits {
				g.MarkWaits(s)
			}
			if got := g.Problems(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Problems() = %v, want %v", got, tt.want)
			}
		})
	}
}

// A long line makes the search for groups as deep as the graph is long.
func TestProblemsOfALongLine(t *testing.T) {
	const n = 20_000
	g := graph.New()
	for i := range n {
		g.AddEdge(i, i+1, graph.Step)
	}
	if got := g.Problems(); got != nil {
		t.Errorf("Problems() = %v, want none", got)
	}
	g.AddEdge(n, n-1, graph.Step)
	if got, want := g.Problems(), []graph.Problem{noWayOut(n-1, n)}; !reflect.DeepEqual(got, want) {
		t.Errorf("Problems() = %v, want %v", got, want)
	}
}

func TestDescribeUsesTheLabels(t *testing.T) {
	label := func(s int) string { return "S" + strconv.Itoa(s) }
	for _, tt := range []struct {
		p    graph.Problem
		want string
	}{
		{unreachable(1), "status S1 is reachable from no start"},
		{noWayOut(1), "status S1 leads only to itself, and no callback, signal or timeout ends it"},
		{noWayOut(1, 2), "statuses S1, S2 lead only to each other, and no callback, signal or timeout ends it"},
	} {
		if got := tt.p.Describe(label); got != tt.want {
			t.Errorf("Describe() = %q, want %q", got, tt.want)
		}
	}
}
