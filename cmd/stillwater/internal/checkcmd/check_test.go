package checkcmd

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

type light int

func (l light) String() string { return [...]string{"?", "Red", "Green", "Bl\x1b[31mue"}[l] }

// store makes a store with two runs of one workflow and one of another.
func store(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lights.db")
	b, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lights", "beacons"} {
		builder := workflow.NewBuilder[struct{}, light](name)
		step := func(context.Context, *workflow.Run[struct{}, light]) (light, error) { return 2, nil }
		builder.AddStep(1, step, 2)
		builder.AddStep(3, step, 2)
		w, err := builder.BuildOn(b)
		if err != nil {
			t.Fatal(err)
		}
		trigger := func(id string, at light) string {
			runID, err := w.Trigger(t.Context(), id, workflow.WithStartingPoint[struct{}, light](at))
			if err != nil {
				t.Fatal(err)
			}
			return runID
		}
		trigger("a", 1)
		if name == "lights" {
			if err := w.RunStateController(trigger("b", 3)).Pause(t.Context(), "rain"); err != nil {
				t.Fatal(err)
			}
			trigger("c", 1)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckCounts(t *testing.T) {
	path := store(t)
	r, err := Check(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"file":` + quoted(t, path) + `,"runs":4,"workflows":[` +
		`{"name":"beacons","runs":1,"groups":[{"status":1,"status_name":"Red","run_state":"Initiated","runs":1}]},` +
		`{"name":"lights","runs":3,"groups":[{"status":1,"status_name":"Red","run_state":"Initiated","runs":2},` +
		`{"status":3,"status_name":"Bl\u001b[31mue","run_state":"Paused","runs":1}]}],` +
		`"clean":true,"violation_count":0,"violations":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	var text strings.Builder
	if err := r.Write(&text, term.Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`workflow "lights", runs: 3`, "         2  Red", "status 3, Paused", "Bl?[31mue", "Clean: every invariant holds."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("stored text reaches the terminal as it is")
	}
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCheckEmptyStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.db")
	b, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), path)
	if err != nil || !r.Clean || r.Runs != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// broken is a store whose check finds fault.
type broken struct {
	*memory.Backend
	faults int
}

func (b broken) Check(_ context.Context, report func(backend.Violation)) error {
	for range b.faults {
		report(backend.Violation{Invariant: "I2", RunID: "r1", Detail: "version 3 after 1"})
	}
	return nil
}

func TestViolationsAreListedAndCounted(t *testing.T) {
	r := &Report{File: "x.db"}
	if err := r.walk(t.Context(), broken{memory.New(), 140}); err != nil {
		t.Fatal(err)
	}
	if r.Clean || r.ViolationCount != 140 || len(r.Violations) != 100 {
		t.Errorf("clean %v, %d violations, %d of them kept", r.Clean, r.ViolationCount, len(r.Violations))
	}
	var text strings.Builder
	if err := r.Write(&text, term.Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"broken I2: run r1: version 3 after 1", "and 40 more", "Not clean: broken invariants: 140"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &text)
		}
	}
}

func TestWhatCannotBeChecked(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		want error
		hint string
	}{
		{filepath.Join(dir, "missing.db"), fs.ErrNotExist, "give the path"},
		{text, backend.ErrNotOurs, "left as it is"},
		{dir, backend.ErrNotOurs, "give the path"},
	} {
		_, err := Check(t.Context(), c.file)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: %v, want %v and %q", c.file, err, c.want, c.hint)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the check has made the file")
	}
}
