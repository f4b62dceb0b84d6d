package workflow_test

import (
	"testing"

	"github.com/stillwater-go/workflow"
)

// The drawing of a workflow, in the shape of the predecessor.
var (
	_ func(compatAPI, string, workflow.MermaidDirection) error = workflow.CreateDiagram[object, status]

	_ = workflow.MermaidFormat{
		WorkflowName: "", Direction: workflow.LeftToRightDirection, Nodes: []int(nil), StartingPoints: []int(nil), TerminalPoints: []int(nil),
		Transitions: []workflow.MermaidTransition{{From: int(0), To: []int(nil)}},
	}
)

func TestPredecessorDirectionsKeepTheirValues(t *testing.T) {
	for d, want := range map[workflow.MermaidDirection]string{
		workflow.UnknownDirection: "", workflow.TopToBottomDirection: "TB", workflow.LeftToRightDirection: "LR",
		workflow.RightToLeftDirection: "RL", workflow.BottomToTopDirection: "BT",
	} {
		if string(d) != want {
			t.Errorf("direction %q, want %q", d, want)
		}
	}
}
