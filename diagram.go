package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stillwater-go/workflow/internal/graph"
)

// MermaidDirection says which way a diagram runs. The zero value is UnknownDirection.
type MermaidDirection string

// The directions.
const (
	// UnknownDirection leaves the choice to this library: from left to right.
	UnknownDirection MermaidDirection = ""
	// TopToBottomDirection has the starts at the top.
	TopToBottomDirection MermaidDirection = "TB"
	// LeftToRightDirection has them on the left.
	LeftToRightDirection MermaidDirection = "LR"
	// RightToLeftDirection has them on the right.
	RightToLeftDirection MermaidDirection = "RL"
	// BottomToTopDirection has them at the bottom.
	BottomToTopDirection MermaidDirection = "BT"
)

// valid reports whether the direction is one of the constants.
func (d MermaidDirection) valid() bool {
	switch d {
	case UnknownDirection, TopToBottomDirection, LeftToRightDirection, RightToLeftDirection, BottomToTopDirection:
		return true
	}
	return false
}

// MermaidFormat is what a diagram shows, as numbers; [Workflow.MermaidFormat] fills it.
type MermaidFormat struct {
	WorkflowName string
	Direction    MermaidDirection
	// Nodes are all statuses in the order in which they were declared.
	Nodes []int
	// StartingPoints are the statuses in which runs start, TerminalPoints those in which they end.
	StartingPoints []int
	TerminalPoints []int
	// Transitions are sorted by where they start.
	Transitions []MermaidTransition
}

// MermaidTransition is where runs may go from a status: To is sorted and never empty.
type MermaidTransition struct {
	From int
	To   []int
}

// CreateDiagram writes the workflow's graph into a file, as the text of a Mermaid state diagram. For a path that ends in .md it is a fenced
// block, which many sites draw. Folders that lack are made; a file that is there is replaced. It needs a [Workflow] of this package:
// another implementation of API, such as a test's, has no graph.
func CreateDiagram[Type any, Status StatusType](a API[Type, Status], path string, d MermaidDirection) error {
	w, ok := a.(*Workflow[Type, Status])
	if !ok || w == nil {
		return &Error{Op: "create diagram", Err: fmt.Errorf("%T has no graph", a), Hint: "hand over what Build or BuildOn returned"}
	}
	if !d.valid() {
		return &Error{Op: "create diagram", Workflow: w.name, Err: fmt.Errorf("direction %q is not known", string(d)), Hint: "use one of the constants"}
	}
	if path == "" {
		return &Error{Op: "create diagram", Workflow: w.name, Err: errors.New("the path is empty")}
	}
	text := w.Mermaid(d)
	if strings.EqualFold(filepath.Ext(path), ".md") {
		text = "```mermaid\n" + text + "```\n"
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &Error{Op: "create diagram", Workflow: w.name, Err: err}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return &Error{Op: "create diagram", Workflow: w.name, Err: err}
	}
	return nil
}

// Mermaid returns the workflow's graph as the text of a Mermaid state diagram, with the statuses' names. The same workflow always gives the
// same text. A direction that is none of the constants counts as UnknownDirection.
func (w *Workflow[Type, Status]) Mermaid(d MermaidDirection) string {
	title, err := json.Marshal(w.name)
	if err != nil {
		title = []byte(`""`) // a string can always be marshalled
	}
	return "---\ntitle: " + string(title) + "\n---\n" + w.graph.Mermaid(string(d.orDefault()), w.statusName)
}

// orDefault is a direction that Mermaid knows.
func (d MermaidDirection) orDefault() MermaidDirection {
	if d == UnknownDirection || !d.valid() {
		return LeftToRightDirection
	}
	return d
}

// MermaidFormat returns what [Workflow.Mermaid] draws, for programs that draw it themselves.
func (w *Workflow[Type, Status]) MermaidFormat(d MermaidDirection) MermaidFormat {
	f := MermaidFormat{
		WorkflowName: w.name, Direction: d.orDefault(),
		Nodes: w.graph.Statuses(), StartingPoints: w.graph.Starts(), TerminalPoints: w.graph.Terminals(),
	}
	var last graph.Edge
	for i, e := range w.graph.Edges() {
		switch {
		case i == 0 || e.From != last.From:
			f.Transitions = append(f.Transitions, MermaidTransition{From: e.From, To: []int{e.To}})
		case e.To != last.To:
			t := &f.Transitions[len(f.Transitions)-1]
			t.To = append(t.To, e.To)
		}
		last = e
	}
	return f
}

// SVG returns the workflow's graph as an SVG document: laid out, light or dark as the viewer prefers, without scripts. The same workflow
// always gives the same bytes.
func (w *Workflow[Type, Status]) SVG() []byte {
	return w.graph.SVG(graph.SVGOptions{Title: w.name, Label: w.statusName})
}
