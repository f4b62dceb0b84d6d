package webui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/stillwater-go/workflow"
)

const (
	maxBodyBytes   = 64 << 10
	maxReasonBytes = 4 << 10
)

// The actions that an update may ask for; an authorizer is asked about one of them.
const (
	ActionPause  = "pause"
	ActionResume = "resume"
	ActionCancel = "cancel"
	// ActionDelete asks for the run's data to be deleted.
	ActionDelete = "delete"
)

// update is the body of a request.
type update struct {
	RunID   string `json:"run_id"`
	Action  string `json:"action"`
	Version *uint  `json:"version"`
	Reason  string `json:"reason"`
}

// UpdateHandlerFunc answers "forbidden" to every change, because nothing says who may make it: the predecessor let everybody. Use
// [UpdateHandlerFuncWith] with an authorizer.
func UpdateHandlerFunc(store workflow.RecordStore) http.HandlerFunc {
	return UpdateHandlerFuncWith(store, nil)
}

// UpdateHandlerFuncWith pauses, resumes, cancels or deletes the data of a run, when authorize returns nil for it; see the package comment for
// its JSON. authorize gets the request with its body read, the action and the run id as they will be used, and may be called concurrently.
// Its error is not shown. A nil authorize forbids everything.
//
// The change is made to the version that the sender names: another one is a conflict. Over a store that does not compare versions by itself,
// a commit at the very same instant may still be lost; our own stores do.
func UpdateHandlerFuncWith(store workflow.RecordStore, authorize func(r *http.Request, action, runID string) error) http.HandlerFunc {
	origin := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if !method(w, r, http.MethodPost) {
			return
		}
		if authorize == nil || origin.Check(r) != nil {
			fail(w, http.StatusForbidden, "forbidden")
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			fail(w, http.StatusUnsupportedMediaType, "the body has to be application/json")
			return
		}
		u, code, err := readUpdate(w, r)
		if err != nil {
			fail(w, code, err.Error())
			return
		}
		if allowed(authorize, r, u) != nil {
			fail(w, http.StatusForbidden, "forbidden")
			return
		}
		apply(r.Context(), w, store, u)
	}
}

// readUpdate reads one JSON value of the expected shape.
func readUpdate(w http.ResponseWriter, r *http.Request) (u update, code int, err error) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	body.DisallowUnknownFields()
	err = body.Decode(&u)
	if err == nil {
		if _, end := body.Token(); !errors.Is(end, io.EOF) {
			err = errors.Join(errors.New("more than one value"), end)
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return u, http.StatusRequestEntityTooLarge, fmt.Errorf("the body exceeds %d bytes", maxBodyBytes)
	case err != nil:
		return u, http.StatusBadRequest, errors.New("the body is not one JSON object with run_id, action, version and reason")
	case u.RunID == "":
		err = errors.New("run_id is missing")
	case u.Version == nil:
		err = errors.New("version is missing: send the one that you saw")
	case len(u.Reason) > maxReasonBytes:
		err = fmt.Errorf("the reason exceeds %d bytes", maxReasonBytes)
	case strings.TrimSpace(u.Reason) == "" && u.Action != ActionResume:
		err = errors.New("reason is missing")
	}
	switch u.Action {
	case ActionPause, ActionResume, ActionCancel, ActionDelete:
	default:
		err = fmt.Errorf("action %.20q is none of pause, resume, cancel and delete", u.Action)
	}
	return u, http.StatusBadRequest, err
}

// allowed asks the user's function, and takes its panic for a no.
func allowed(authorize func(*http.Request, string, string) error, r *http.Request, u update) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the authorizer panicked")
		}
	}()
	return authorize(r, u.Action, u.RunID)
}

// apply makes the change and answers with the run as it is then.
func apply(ctx context.Context, w http.ResponseWriter, store workflow.RecordStore, u update) {
	rec, err := store.Lookup(ctx, u.RunID)
	if err != nil || rec == nil {
		failLookup(w, err)
		return
	}
	if rec.Meta.Version != *u.Version {
		fail(w, http.StatusConflict, fmt.Sprintf("the run has moved: it is at version %d", rec.Meta.Version))
		return
	}
	var stored *workflow.Record
	run := workflow.NewRunStateController(func(ctx context.Context, next *workflow.Record) error {
		stored = next
		return store.Store(ctx, next)
	}, rec)
	switch u.Action {
	case ActionPause:
		err = run.Pause(ctx, u.Reason)
	case ActionResume:
		err = run.Resume(ctx)
	case ActionCancel:
		err = run.Cancel(ctx, u.Reason)
	default:
		err = run.DeleteData(ctx, u.Reason)
	}
	switch {
	case err == nil:
		answer(w, http.StatusOK, view(stored, nil))
	case errors.Is(err, workflow.ErrVersionConflict):
		fail(w, http.StatusConflict, "the run has moved: read it again")
	case errors.Is(err, workflow.ErrInvalidTransition):
		fail(w, http.StatusConflict, "the run is "+rec.RunState.String()+": that does not allow to "+u.Action)
	default:
		fail(w, http.StatusInternalServerError, "the store cannot take the change; it may or may not be stored")
	}
}
