package graph_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/internal/graph"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

func TestMermaidGolden(t *testing.T) {
	order := graph.New()
	order.AddEdge(0, 1, graph.Step)
	order.AddEdge(1, 2, graph.Callback)
	order.AddEdge(1, 2, graph.Step)
	order.AddEdge(1, 9, graph.Timeout)
	order.AddEdge(2, 0, graph.Signal)
	order.AddEdge(2, 2, graph.Step)
	order.AddEdge(2, -3, graph.Step)
	order.MarkStart(2)
	names := map[int]string{0: "Placed", 1: "Paid; \"in full\"", 2: "Packed #1\nof <2>", 9: "Late", -3: "Late"}

	tests := []struct {
		file string
		g    *graph.Graph
		dir  string
		name func(int) string
	}{
		{"order.mmd", order, "LR", func(s int) string { return names[s] }},
		{"circle.mmd", build([2]int{1, 2}, [2]int{2, 1}), "", strconv.Itoa},
		{"empty.mmd", graph.New(), "TB", strconv.Itoa},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", tt.file)
			got := tt.g.Mermaid(tt.dir, tt.name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Whatever a label holds, it stays one quoted line.
func FuzzMermaidLabel(f *testing.F) {
	f.Add("plain")
	f.Add("a\"b\nc;d#e<f>\r\n")
	f.Fuzz(func(t *testing.T, label string) {
		text := build([2]int{0, 1}).Mermaid("", func(int) string { return label })
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != 6 {
			t.Fatalf("label %q gave %d lines, want 6:\n%s", label, len(lines), text)
		}
		for i, end := range []string{`" as s0`, `" as s1`} {
			inner, ok := strings.CutPrefix(lines[1+i], `    state "`)
			if inner, ok2 := strings.CutSuffix(inner, end); !ok || !ok2 || strings.ContainsAny(inner, "\"\r\n<>") {
				t.Fatalf("label %q gave the line %q", label, lines[1+i])
			}
		}
	})
}
