package jlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/jlog"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/memrolescheduler"
	"github.com/stillwater-go/workflow/adapters/memstreamer"
)

type status int

func (s status) String() string { return fmt.Sprintf("Status%d", int(s)) }

var errGateway = errors.New("gateway says no")

// lines decodes what was written, and fails on anything that is not one object per line.
func lines(t *testing.T, out []byte) (all []map[string]string) {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		if !strings.HasSuffix(line, "\n") {
			t.Errorf("a line without an end: %q", line)
		}
		fields := make(map[string]string)
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		all = append(all, fields)
	}
	return all
}

func toBuffer(b *bytes.Buffer) *slog.JSONHandler {
	return slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
}

func TestErrorsBecomeFields(t *testing.T) {
	full := &workflow.Error{Op: "step", Workflow: "orders", RunID: "r-1", Err: errGateway, Hint: "tried again by itself"}
	for what, c := range map[string]struct {
		err  error
		want map[string]string
	}{
		"all parts": {full, map[string]string{
			"msg": full.Error(), "op": "step", "workflow": "orders", "run_id": "r-1", "hint": "tried again by itself", "error": "gateway says no",
		}},
		"wrapped": {fmt.Errorf("outer: %w", full), map[string]string{
			"msg": "outer: " + full.Error(), "op": "step", "workflow": "orders", "run_id": "r-1", "hint": "tried again by itself", "error": "gateway says no",
		}},
		"some parts": {&workflow.Error{Op: "open"}, map[string]string{"msg": "open: ", "op": "open"}},
		"another's":  {errGateway, map[string]string{"msg": "gateway says no"}},
		"hostile":    {errors.New("a\n{\"level\":\"INFO\"}\x00\xff"), map[string]string{"msg": "a\n{\"level\":\"INFO\"}\x00\ufffd"}},
	} {
		var out bytes.Buffer
		jlog.NewWithHandler(toBuffer(&out)).Error(context.Background(), c.err)
		got := lines(t, out.Bytes())
		if len(got) != 1 || got[0]["level"] != "ERROR" || got[0]["time"] == "" {
			t.Fatalf("%s: %v", what, got)
		}
		delete(got[0], "level")
		delete(got[0], "time")
		if !maps.Equal(got[0], c.want) {
			t.Errorf("%s:\n got %v\nwant %v", what, got[0], c.want)
		}
	}
}

func TestNothingIsWrittenForNothing(t *testing.T) {
	var out bytes.Buffer
	jlog.NewWithHandler(toBuffer(&out)).Error(context.Background(), nil)
	jlog.NewWithHandler(nil).Error(context.Background(), errGateway)
	if out.Len() != 0 {
		t.Errorf("%s", out.Bytes())
	}
}

func TestMetaIsSortedAndHidesNothing(t *testing.T) {
	var out bytes.Buffer
	jlog.NewWithHandler(toBuffer(&out)).Debug(context.Background(), "hello", map[string]string{"z": "1", "msg": "mine", "a": "2", "level": "none", "time": "x"})
	got := lines(t, out.Bytes())[0]
	if got["msg"] != "hello" || got["level"] != "DEBUG" || got["meta.msg"] != "mine" || got["meta.level"] != "none" || got["z"] != "1" {
		t.Errorf("%v", got)
	}
	var order []int
	for _, key := range []string{`"a":`, `"meta.level":`, `"meta.msg":`, `"meta.time":`, `"z":`} {
		order = append(order, strings.Index(out.String(), key))
	}
	if !slices.IsSorted(order) || order[0] < 0 {
		t.Errorf("fields at %v of %s", order, out.String())
	}
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	l := jlog.NewWithHandler(toBuffer(&out))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				l.Error(context.Background(), errGateway)
			}
		})
	}
	wg.Wait()
	if got := lines(t, out.Bytes()); len(got) != 1000 {
		t.Errorf("%d lines", len(got))
	}
}

// A workflow's own reports come out of New on standard error.
func TestWorkflowLogsToStandardError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	logger := jlog.New()
	os.Stderr = stderr
	read := make(chan []byte)
	go func() {
		out, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		read <- out
	}()

	b := workflow.NewBuilder[struct{}, status]("shipping")
	step := func(context.Context, *workflow.Run[struct{}, status]) (status, error) { return 0, nil }
	b.AddStep(1, step, 2)
	b.AddStep(7, step, 8) // no run comes here
	b.AddStep(8, step, 7)
	b.Build(memstreamer.New(), memrecordstore.New(), memrolescheduler.New(), workflow.WithLogger(logger), workflow.WithDebugMode())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	debug, errs := 0, 0
	for _, line := range lines(t, <-read) {
		switch {
		case line["level"] == "DEBUG" && line["workflow"] == "shipping":
			debug++
		case line["level"] == "ERROR" && line["op"] == "build" && line["workflow"] == "shipping":
			errs++
		default:
			t.Errorf("line %v", line)
		}
	}
	if debug == 0 || errs == 0 {
		t.Errorf("%d debug lines, %d errors", debug, errs)
	}
}

func ExampleNewWithHandler() {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	l := jlog.NewWithHandler(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime}))
	l.Debug(context.Background(), "role taken", map[string]string{"role": "orders-1-consumer-1-of-1", "process": "1-consumer-1-of-1"})
	l.Error(context.Background(), &workflow.Error{Op: "step", Workflow: "orders", RunID: "run-7", Err: errors.New("gateway says no"), Hint: "tried again by itself"})
	// Output:
	// {"level":"DEBUG","msg":"role taken","process":"1-consumer-1-of-1","role":"orders-1-consumer-1-of-1"}
	// {"level":"ERROR","msg":"step \"orders\" run run-7: gateway says no (tried again by itself)","op":"step","workflow":"orders","run_id":"run-7","hint":"tried again by itself","error":"gateway says no"}
}
