package webui

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/stillwater-go/workflow"
)

type (
	// Stringer names a status of a workflow for people.
	Stringer func(workflowName string, status int) string
	// ListWorkflowRecords pages through runs, as workflow.RecordStore.List does.
	ListWorkflowRecords func(ctx context.Context, workflowName string, offsetID int64, limit int, order workflow.OrderType, filters ...workflow.RecordFilter) ([]workflow.Record, error)
	// LookupFn returns a run, as workflow.RecordStore.Lookup does.
	LookupFn func(ctx context.Context, runID string) (*workflow.Record, error)
)

// Paths says where the handlers are mounted, for the page to find them: paths of the page's own origin, such as "/workflow/list".
type Paths struct {
	// List is where ListHandlerFunc is.
	List string
	// Update is where UpdateHandlerFunc is. Empty leaves the buttons out.
	Update string
	// ObjectData is where ObjectDataHandlerFunc is. Empty leaves objects out.
	ObjectData string
}

// method answers 405 unless the request's method is one of those allowed.
func method(w http.ResponseWriter, r *http.Request, allowed ...string) bool {
	for _, m := range allowed {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, http.StatusMethodNotAllowed, "method not allowed")
	return false
}

// harden sets the headers that every answer has.
func harden(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// answer writes a value as JSON. The encoder escapes what a browser could take for markup.
func answer(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be encoded"}`)
	}
	harden(w.Header(), "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the reader has gone: nobody is left to be told
}

// fail answers with an error that may be shown.
func fail(w http.ResponseWriter, code int, text string) {
	answer(w, code, map[string]string{"error": text})
}
