package webui

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
)

const (
	maxLimit     = 200
	defaultLimit = 50
)

// runView is a run as the JSON shows it.
type runView struct {
	WorkflowName string    `json:"workflow_name"`
	ForeignID    string    `json:"foreign_id"`
	RunID        string    `json:"run_id"`
	Version      uint      `json:"version"`
	RunState     int       `json:"run_state"`
	RunStateName string    `json:"run_state_name"`
	Status       int       `json:"status"`
	StatusName   string    `json:"status_name"`
	Reason       string    `json:"reason"`
	TraceOrigin  string    `json:"trace_origin"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// view makes what is shown of a run. Without a Stringer the status has the name that was stored with it.
func view(r *workflow.Record, name Stringer) runView {
	v := runView{
		WorkflowName: r.WorkflowName, ForeignID: r.ForeignID, RunID: r.RunID, Version: r.Meta.Version,
		RunState: int(r.RunState), RunStateName: r.RunState.String(), Status: r.Status, StatusName: r.Meta.StatusDescription,
		Reason: r.Meta.RunStateReason, TraceOrigin: r.Meta.TraceOrigin, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if name != nil {
		v.StatusName = name(r.WorkflowName, r.Status)
	}
	return v
}

type listing struct {
	Runs   []runView `json:"runs"`
	Offset int64     `json:"offset"`
	Limit  int       `json:"limit"`
	More   bool      `json:"more"`
}

// ListHandlerFunc answers with a page of runs; see the package comment for its parameters and JSON. Statuses have the names that were stored
// with them.
func ListHandlerFunc(store workflow.RecordStore) http.HandlerFunc {
	return ListHandlerFuncWith(store.List, nil)
}

// ListHandlerFuncWith is ListHandlerFunc over a listing of the caller's, which may narrow it to what the reader may see, and with the caller's
// names of statuses; nil takes the stored ones. Both may be called concurrently.
func ListHandlerFuncWith(list ListWorkflowRecords, name Stringer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !method(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		q, err := parseQuery(r.URL.Query())
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		records, err := list(r.Context(), q.workflowName, q.offset, q.limit+1, q.order, q.filters...)
		if err != nil {
			fail(w, http.StatusInternalServerError, "the store cannot list runs")
			return
		}
		out := listing{Runs: make([]runView, 0, q.limit), Offset: q.offset, Limit: q.limit, More: len(records) > q.limit}
		for i := range records[:min(len(records), q.limit)] {
			out.Runs = append(out.Runs, view(&records[i], name))
		}
		answer(w, http.StatusOK, out)
	}
}

// query is what a listing was asked for.
type query struct {
	workflowName string
	offset       int64
	limit        int
	order        workflow.OrderType
	filters      []workflow.RecordFilter
}

func parseQuery(in url.Values) (q query, err error) {
	q = query{workflowName: in.Get("workflow_name"), limit: defaultLimit, order: workflow.OrderTypeDescending}
	if s := in.Get("offset"); s != "" {
		if q.offset, err = strconv.ParseInt(s, 10, 64); err != nil || q.offset < 0 {
			return q, fmt.Errorf("offset %.20q is not a number from 0", s)
		}
	}
	if s := in.Get("limit"); s != "" {
		if q.limit, err = strconv.Atoi(s); err != nil || q.limit < 1 || q.limit > maxLimit {
			return q, fmt.Errorf("limit %.20q is not a number from 1 to %d", s, maxLimit)
		}
	}
	switch s := in.Get("order"); strings.ToLower(s) {
	case "", "desc":
	case "asc":
		q.order = workflow.OrderTypeAscending
	default:
		return q, fmt.Errorf("order %.20q is neither asc nor desc", s)
	}
	if ids := given(in["foreign_id"]); len(ids) > 0 {
		q.filters = append(q.filters, workflow.FilterByForeignID(ids...))
	}
	var statuses []int64
	for _, s := range given(in["status"]) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return q, fmt.Errorf("status %.20q is not a number", s)
		}
		statuses = append(statuses, n)
	}
	if len(statuses) > 0 {
		q.filters = append(q.filters, workflow.FilterByStatus(statuses...))
	}
	var states []workflow.RunState
	for _, s := range given(in["run_state"]) {
		rs, ok := runState(s)
		if !ok {
			return q, fmt.Errorf("run_state %.20q is none", s)
		}
		states = append(states, rs)
	}
	if len(states) > 0 {
		q.filters = append(q.filters, workflow.FilterByRunState(states...))
	}
	return q, nil
}

// given leaves out what a form sends for an empty field.
func given(values []string) (out []string) {
	for _, v := range values {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// runState reads a run state's number or name.
func runState(s string) (workflow.RunState, bool) {
	for rs := workflow.RunStateInitiated; rs.Valid(); rs++ {
		if s == strconv.Itoa(int(rs)) || strings.EqualFold(s, rs.String()) {
			return rs, true
		}
	}
	return 0, false
}
