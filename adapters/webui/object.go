package webui

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

type objectView struct {
	RunID   string          `json:"run_id"`
	Version uint            `json:"version"`
	Size    int             `json:"size"`
	Object  json.RawMessage `json:"object,omitempty"`
	Bytes   []byte          `json:"object_base64,omitempty"`
}

// ObjectDataHandlerFunc answers with the object of one run; see the package comment for its JSON.
func ObjectDataHandlerFunc(store workflow.RecordStore) http.HandlerFunc {
	return ObjectDataHandlerFuncWith(store.Lookup)
}

// ObjectDataHandlerFuncWith is ObjectDataHandlerFunc over a lookup of the caller's, which may refuse what the reader must not see with
// workflow.ErrRecordNotFound, or blank a copy's Object. It may be called concurrently.
func ObjectDataHandlerFuncWith(lookup LookupFn) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !method(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		runID := r.URL.Query().Get("run_id")
		if runID == "" {
			fail(w, http.StatusBadRequest, "run_id is missing")
			return
		}
		rec, err := lookup(r.Context(), runID)
		if err != nil || rec == nil {
			failLookup(w, err)
			return
		}
		out := objectView{RunID: rec.RunID, Version: rec.Meta.Version, Size: len(rec.Object)}
		switch {
		case len(rec.Object) > backend.MaxObjectBytes:
		case json.Valid(rec.Object):
			out.Object = rec.Object
		default:
			out.Bytes = rec.Object
		}
		answer(w, http.StatusOK, out)
	}
}

// failLookup answers for a run that could not be read; a nil error is a store's own way to say "none".
func failLookup(w http.ResponseWriter, err error) {
	if err == nil || errors.Is(err, workflow.ErrRecordNotFound) {
		fail(w, http.StatusNotFound, "no such run")
		return
	}
	fail(w, http.StatusInternalServerError, "the store cannot read the run")
}
