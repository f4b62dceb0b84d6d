package memory_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

func TestListPagesInOrderOfCreation(t *testing.T) {
	b := open(t)
	const n = 2500 // more than two strides
	var batch []*backend.Change
	for i := range n {
		c := newRun(orders, fmt.Sprintf("f,%d", i%500), fmt.Sprintf("run-%d", (i*7919)%n))
		c.Record.Status = i % 10
		c.Record.RunState = backend.RunStateCompleted
		c.Record.CreatedAt = birth().Add(time.Duration(i) * time.Second)
		if i%5 == 4 {
			c.Record.WorkflowName = "billing"
		}
		batch = append(batch, c)
	}
	commit(t, b, batch...)
	touched := move(batch[3].Record, backend.RunStateRequestedDataDeleted, 3) // must not move it
	commit(t, b, touched)
	batch[3] = touched

	for name, c := range map[string]struct {
		workflow string
		filters  []backend.RecordFilter
		match    func(i int, r *backend.Record) bool
	}{
		"all":           {"", nil, func(int, *backend.Record) bool { return true }},
		"one workflow":  {orders, nil, func(_ int, r *backend.Record) bool { return r.WorkflowName == orders }},
		"unknown":       {"nothing", nil, func(int, *backend.Record) bool { return false }},
		"by status":     {"", []backend.RecordFilter{backend.FilterByStatus(3, 7)}, func(_ int, r *backend.Record) bool { return r.Status == 3 || r.Status == 7 }},
		"by run state":  {orders, []backend.RecordFilter{backend.FilterByRunState(backend.RunStateRequestedDataDeleted)}, func(i int, _ *backend.Record) bool { return i == 3 }},
		"by foreign id": {orders, []backend.RecordFilter{backend.FilterByForeignID("f,1")}, func(_ int, r *backend.Record) bool { return r.WorkflowName == orders && r.ForeignID == "f,1" }},
		"by many ids":   {orders, []backend.RecordFilter{backend.FilterByForeignID("f,2", "f,1", "f,1")}, func(_ int, r *backend.Record) bool { return r.ForeignID == "f,1" || r.ForeignID == "f,2" }},
		"in all":        {"", []backend.RecordFilter{backend.FilterByForeignID("f,1")}, func(_ int, r *backend.Record) bool { return r.ForeignID == "f,1" }},
		"id and time": {orders, []backend.RecordFilter{backend.FilterByForeignID("f,1"), backend.FilterByCreatedAtAfter(birth().Add(600 * time.Second))},
			func(i int, r *backend.Record) bool { return r.ForeignID == "f,1" && i > 600 }},
		"no id": {orders, []backend.RecordFilter{backend.FilterByForeignID()}, func(int, *backend.Record) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for i, m := range batch {
				if (c.workflow == "" || c.workflow == m.Record.WorkflowName) && c.match(i, m.Record) {
					want = append(want, m.Record.RunID)
				}
			}
			for _, order := range []backend.OrderType{backend.OrderTypeAscending, backend.OrderTypeUnknown, backend.OrderTypeDescending} {
				for _, size := range []int{3, 400, 5000} {
					var got []string
					for {
						page := must[[]backend.Record](t)(b.List(t.Context(), c.workflow, int64(len(got)), size, order, c.filters...))
						for _, r := range page {
							got = append(got, r.RunID)
						}
						if len(page) < size {
							break
						}
					}
					expected := want
					if order == backend.OrderTypeDescending {
						expected = nil
						for i := len(want) - 1; i >= 0; i-- {
							expected = append(expected, want[i])
						}
					}
					if !reflect.DeepEqual(got, expected) {
						t.Fatalf("%v in pages of %d: %d runs, want %d; they begin %.5q, want %.5q", order, size, len(got), len(expected), got, expected)
					}
				}
			}
		})
	}
	for _, c := range []struct {
		offset int64
		limit  int
	}{{0, 0}, {0, -1}, {n, 10}, {1 << 60, 10}} {
		if page := must[[]backend.Record](t)(b.List(t.Context(), "", c.offset, c.limit, backend.OrderTypeDescending)); len(page) != 0 {
			t.Errorf("offset %d, limit %d: %d runs", c.offset, c.limit, len(page))
		}
	}
	if page := must[[]backend.Record](t)(b.List(t.Context(), "", -5, 1, backend.OrderTypeAscending)); len(page) != 1 || page[0].RunID != "run-0" {
		t.Errorf("a negative offset gives %+v", page)
	}
}
