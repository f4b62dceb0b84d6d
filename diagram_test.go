package workflow_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// drawnFlow has every kind of move, a circle and a status whose own name panics.
func drawnFlow(t *testing.T) *flow {
	t.Helper()
	b := workflow.NewBuilder[object, status]("drawn \"by\"\nhand")
	move := func(context.Context, *run) (status, error) { return 0, nil }
	b.AddStep(statusA, move, statusB, statusA)
	b.AddCallback(statusB, func(context.Context, *run, io.Reader) (status, error) { return 0, nil }, statusC, statusA)
	b.AddTimeout(statusB, func(context.Context, *run, time.Time) (time.Time, error) { return time.Time{}, nil },
		func(context.Context, *run, time.Time) (status, error) { return 0, nil }, statusC)
	b.AddStep(statusC, move, statusEnd, 77)
	w, err := b.BuildOn(newStore(t))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const drawnMermaid = `---
title: "drawn \"by\"\nhand"
---
stateDiagram-v2
    direction TB
    state "A" as s1
    state "B" as s2
    state "C" as s3
    state "End" as s4
    state "77" as s77
    [*] --> s1
    s1 --> s1
    s1 --> s2
    s2 --> s1 : callback
    s2 --> s3 : callback, timeout
    s3 --> s4
    s3 --> s77
    s4 --> [*]
    s77 --> [*]
`

func TestCreateDiagram(t *testing.T) {
	w := drawnFlow(t)
	dir := t.TempDir()
	leftToRight := strings.Replace(drawnMermaid, "direction TB", "direction LR", 1)
	tests := []struct {
		path string
		d    workflow.MermaidDirection
		want string
	}{
		{"plain.mmd", workflow.TopToBottomDirection, drawnMermaid},
		{"plain.mmd", workflow.UnknownDirection, leftToRight}, // replaces the first
		{"none", workflow.BottomToTopDirection, strings.Replace(drawnMermaid, "direction TB", "direction BT", 1)},
		{filepath.Join("made", "on", "the way", "page.md"), workflow.TopToBottomDirection, "```mermaid\n" + drawnMermaid + "```\n"},
		{"PAGE.MD", workflow.LeftToRightDirection, "```mermaid\n" + leftToRight + "```\n"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, tt.path)
		if err := workflow.CreateDiagram(w, path, tt.d); err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("%s, %q: got\n%s\nwant\n%s", tt.path, tt.d, got, tt.want)
		}
	}
	t.Chdir(dir)
	if err := workflow.CreateDiagram(w, "here.mmd", workflow.RightToLeftDirection); err != nil {
		t.Errorf("a path without a folder: %v", err)
	}
}

// otherAPI is an implementation of API that is no Workflow.
type otherAPI struct {
	workflow.API[object, status]
}

func TestCreateDiagramRefuses(t *testing.T) {
	w := drawnFlow(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var none *flow
	tests := []struct {
		name string
		api  workflow.API[object, status]
		path string
		d    workflow.MermaidDirection
		want string
	}{
		{"another implementation", otherAPI{}, filepath.Join(dir, "a.md"), "", "otherAPI has no graph"},
		{"nothing", nil, filepath.Join(dir, "a.md"), "", "has no graph"},
		{"a nil workflow", none, filepath.Join(dir, "a.md"), "", "has no graph"},
		{"an unknown direction", w, filepath.Join(dir, "a.md"), "up\nx", `direction "up\nx" is not known`},
		{"no path", w, "", "", "path is empty"},
		{"a file for a folder", w, filepath.Join(file, "a.md"), "", "file"},
		{"a folder for a file", w, dir, "", "directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := workflow.CreateDiagram(tt.api, tt.path, tt.d)
			var e *workflow.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want an *Error with %q", err, tt.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "a.md")); !os.IsNotExist(err) {
		t.Errorf("a refused diagram was written: %v", err)
	}
}

func TestMermaidOfAnUnknownDirection(t *testing.T) {
	w := drawnFlow(t)
	if got, want := w.Mermaid("up\n    x --> y"), w.Mermaid(workflow.LeftToRightDirection); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMermaidFormat(t *testing.T) {
	want := workflow.MermaidFormat{
		WorkflowName: "drawn \"by\"\nhand", Direction: workflow.LeftToRightDirection,
		Nodes: []int{1, 2, 3, 4, 77}, StartingPoints: []int{1}, TerminalPoints: []int{4, 77},
		Transitions: []workflow.MermaidTransition{{From: 1, To: []int{1, 2}}, {From: 2, To: []int{1, 3}}, {From: 3, To: []int{4, 77}}},
	}
	if got := drawnFlow(t).MermaidFormat(workflow.UnknownDirection); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSVG(t *testing.T) {
	w := drawnFlow(t)
	got := w.SVG()
	for dec := xml.NewDecoder(bytes.NewReader(got)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<title>drawn &#34;by&#34; hand</title>", "<title>End (4)</title>", "<title>77 (77)</title>", "B to C by callback, timeout."} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if !bytes.Equal(got, w.SVG()) {
		t.Error("the second drawing differs from the first")
	}
}

// A diagram for the documentation, written by a program or a test, is never out of date.
func ExampleCreateDiagram() {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		return Paid, nil
	}, Paid, Declined)
	b.AddCallback(Paid, func(ctx context.Context, r *OrderRun, payload io.Reader) (OrderStatus, error) {
		return Shipped, nil
	}, Shipped)
	store := memory.New()
	defer store.Close()
	orders, err := b.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}

	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "order.mmd") // with .md it is a fenced block
	if err := workflow.CreateDiagram(orders, path, workflow.TopToBottomDirection); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// ---
	// title: "order"
	// ---
	// stateDiagram-v2
	//     direction TB
	//     state "Placed" as s1
	//     state "Paid" as s2
	//     state "Declined" as s4
	//     state "Shipped" as s3
	//     [*] --> s1
	//     s1 --> s2
	//     s1 --> s4
	//     s2 --> s3 : callback
	//     s4 --> [*]
	//     s3 --> [*]
}
