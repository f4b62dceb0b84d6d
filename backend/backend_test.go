package backend_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stillwater-go/workflow/backend"
)

// Buckets are stored with cursors: the same run is in the same bucket for ever.
func TestBucketsAreGolden(t *testing.T) {
	for id, want := range map[string]int{"": 5, "a": 12, "run-1": 12, "0193d6a0-0000-7000-8000-000000000000": 2} {
		if got := backend.BucketOf(id, backend.DefaultBuckets); got != want {
			t.Errorf("BucketOf(%q) = %d, want %d", id, got, want)
		}
	}
	count := make([]int, backend.DefaultBuckets)
	for i := range 16000 {
		count[backend.BucketOf(fmt.Sprintf("run-%d", i), backend.DefaultBuckets)]++
	}
	for b, n := range count {
		if n < 700 || n > 1300 {
			t.Errorf("bucket %d has %d of 16,000 runs", b, n)
		}
	}
}

func TestRunStates(t *testing.T) {
	type facts struct{ valid, finished, stopped, moving bool }
	for rs, want := range map[backend.RunState]facts{
		backend.RunStateUnknown:              {},
		backend.RunStateInitiated:            {valid: true, moving: true},
		backend.RunStateRunning:              {valid: true, moving: true},
		backend.RunStatePaused:               {valid: true, stopped: true},
		backend.RunStateCancelled:            {valid: true, finished: true, stopped: true},
		backend.RunStateCompleted:            {valid: true, finished: true},
		backend.RunStateDataDeleted:          {valid: true, finished: true, stopped: true},
		backend.RunStateRequestedDataDeleted: {valid: true, finished: true, stopped: true},
		8:                                    {},
		-1:                                   {},
	} {
		if got := (facts{rs.Valid(), rs.Finished(), rs.Stopped(), rs.Moving()}); got != want {
			t.Errorf("%v: %+v, want %+v", rs, got, want)
		}
	}
}

func TestIDsAndLimits(t *testing.T) {
	good := backend.Record{WorkflowName: "w", ForeignID: "f", RunID: "r"}
	if err := backend.ValidateRecord(&good); err != nil {
		t.Errorf("a good record: %v", err)
	}
	for what, change := range map[string]func(*backend.Record){
		"no name":       func(r *backend.Record) { r.WorkflowName = "" },
		"NUL":           func(r *backend.Record) { r.ForeignID = "a\x00" },
		"invalid UTF-8": func(r *backend.Record) { r.ForeignID = "\xff" },
		"long run id":   func(r *backend.Record) { r.RunID = strings.Repeat("x", backend.MaxIDBytes+1) },
		"long name":     func(r *backend.Record) { r.WorkflowName = strings.Repeat("x", backend.MaxNameBytes+1) },
	} {
		r := good
		change(&r)
		if err := backend.ValidateRecord(&r); !errors.Is(err, backend.ErrInvalidID) {
			t.Errorf("%s: %v, want ErrInvalidID", what, err)
		}
	}
	good.Object = make([]byte, backend.MaxObjectBytes)
	if err := backend.ValidateRecord(&good); err != nil {
		t.Errorf("an object at the limit: %v", err)
	}
	good.Object = make([]byte, backend.MaxObjectBytes+1)
	if err := backend.ValidateRecord(&good); !errors.Is(err, backend.ErrTooLarge) {
		t.Errorf("an object above the limit: %v", err)
	}
}

func FuzzCut(f *testing.F) {
	f.Add("short", uint16(1))
	f.Add("ü", uint16(backend.MaxTextBytes))
	f.Add("nul \x00 and \xff broken", uint16(2000))
	f.Fuzz(func(t *testing.T, s string, n uint16) {
		long := strings.Repeat(s[:min(len(s), 64)], int(n)%2000)
		got := backend.Cut(long)
		if len(got) > backend.MaxTextBytes || !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Errorf("Cut gave %d bytes, valid %v", len(got), utf8.ValidString(got))
		}
		if utf8.ValidString(long) && !strings.ContainsRune(long, 0) && len(long) <= backend.MaxTextBytes && got != long {
			t.Errorf("Cut changed %q to %q", long, got)
		}
	})
}

func TestErrorsMatchAndSpeak(t *testing.T) {
	busy := &backend.InProgressError{WorkflowName: "w", ForeignID: strings.Repeat("f", 500), RunID: "r"}
	err := error(&backend.Error{Op: "trigger", Workflow: "w", RunID: "x", Err: busy, Hint: "wait"})
	var got *backend.InProgressError
	if !errors.Is(err, backend.ErrWorkflowInProgress) || !errors.As(err, &got) || got.RunID != "r" {
		t.Errorf("%v does not match", err)
	}
	for _, want := range []string{"trigger", `"w"`, "run r", "(wait)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if len(err.Error()) > 400 {
		t.Errorf("the error repeats a long id: %d bytes", len(err.Error()))
	}
	conflict := error(&backend.ConflictError{RunID: "r", Want: 3, Have: 5})
	if !errors.Is(conflict, backend.ErrVersionConflict) || errors.Is(conflict, backend.ErrWorkflowInProgress) {
		t.Error("a conflict matches the wrong sentinel")
	}
}

func TestFilters(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec := &backend.Record{ForeignID: "a,b", Status: 3, RunState: backend.RunStatePaused, CreatedAt: at}
	for what, c := range map[string]struct {
		filters []backend.RecordFilter
		want    bool
	}{
		"none":             {nil, true},
		"id with a comma":  {[]backend.RecordFilter{backend.FilterByForeignID("x", "a,b")}, true},
		"part of an id":    {[]backend.RecordFilter{backend.FilterByForeignID("a", "b")}, false},
		"no id at all":     {[]backend.RecordFilter{backend.FilterByForeignID()}, false},
		"status":           {[]backend.RecordFilter{backend.FilterByStatus(1, 3)}, true},
		"other status":     {[]backend.RecordFilter{backend.FilterByStatus(1)}, false},
		"state":            {[]backend.RecordFilter{backend.FilterByRunState(backend.RunStatePaused)}, true},
		"all must hold":    {[]backend.RecordFilter{backend.FilterByStatus(3), backend.FilterByRunState(backend.RunStateRunning)}, false},
		"after, strictly":  {[]backend.RecordFilter{backend.FilterByCreatedAtAfter(at)}, false},
		"after":            {[]backend.RecordFilter{backend.FilterByCreatedAtAfter(at.Add(-1))}, true},
		"before, strictly": {[]backend.RecordFilter{backend.FilterByCreatedAtBefore(at)}, false},
		"before":           {[]backend.RecordFilter{backend.FilterByCreatedAtBefore(at.Add(1))}, true},
	} {
		if got := backend.MakeFilter(c.filters...).Match(rec); got != c.want {
			t.Errorf("%s: Match = %v, want %v", what, got, c.want)
		}
	}
	f := backend.MakeFilter(backend.FilterByForeignID("x", "y")).ByForeignID()
	if !f.Enabled || !f.IsMultiMatch || f.Value() != "x" || len(f.MultiValues()) != 2 {
		t.Errorf("filter = %+v", f)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	r := &backend.Record{Object: []byte("abc")}
	c := r.Clone()
	c.Object[0] = 'x'
	if string(r.Object) != "abc" {
		t.Error("the clone shares the object")
	}
	if (*backend.Record)(nil).Clone() != nil {
		t.Error("a nil record has a clone")
	}
}

func TestSlotMakesOnce(t *testing.T) {
	var s backend.Slot
	made := 0
	for range 3 {
		s.Get(func() any { made++; return made })
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}
