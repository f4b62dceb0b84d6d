package webui_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memrecordstore"
	"github.com/stillwater-go/workflow/adapters/webui"
	"github.com/stillwater-go/workflow/backend"
)

var errStore = errors.New("dsn user:secret@host is down")

// put stores a version of a run.
func put(t *testing.T, store workflow.RecordStore, runID, foreignID string, version uint, state workflow.RunState, object string) {
	t.Helper()
	at := time.Date(2026, 11, 23, 12, 0, int(version), 0, time.UTC)
	err := store.Store(context.Background(), &workflow.Record{
		WorkflowName: "orders", ForeignID: foreignID, RunID: runID, RunState: state, Status: 2, Object: []byte(object), CreatedAt: at, UpdatedAt: at,
		Meta: workflow.Meta{Version: version, StatusDescription: "Charged", RunStateReason: "because " + foreignID, TraceOrigin: foreignID},
	})
	if err != nil {
		t.Fatalf("store %s: %v", runID, err)
	}
}

func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type answered struct {
	Runs []struct {
		WorkflowName string `json:"workflow_name"`
		ForeignID    string `json:"foreign_id"`
		RunID        string `json:"run_id"`
		Version      uint
		RunState     int    `json:"run_state"`
		RunStateName string `json:"run_state_name"`
		Status       int
		StatusName   string `json:"status_name"`
		Reason       string
		TraceOrigin  string    `json:"trace_origin"`
		CreatedAt    time.Time `json:"created_at"`
		UpdatedAt    time.Time `json:"updated_at"`
	}
	Offset int64
	Limit  int
	More   bool
	Error  string

	RunID        string `json:"run_id"`
	Version      uint
	RunStateName string `json:"run_state_name"`
	Reason       string
	Size         int
	Object       json.RawMessage
	Bytes        []byte `json:"object_base64"`
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (a answered) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	return a
}

// every returns each handler with the method that it wants.
func every(store workflow.RecordStore) map[string]http.HandlerFunc {
	allow := func(*http.Request, string, string) error { return nil }
	return map[string]http.HandlerFunc{
		"GET /":             webui.HomeHandlerFunc(webui.Paths{List: "/list", Update: "/update", ObjectData: "/object"}),
		"GET /list":         webui.ListHandlerFunc(store),
		"GET /object":       webui.ObjectDataHandlerFunc(store),
		"POST /update":      webui.UpdateHandlerFunc(store),
		"POST /update/with": webui.UpdateHandlerFuncWith(store, allow),
	}
}

func TestMethodsAndHeaders(t *testing.T) {
	for route, h := range every(memrecordstore.New()) {
		want, path, _ := strings.Cut(route, " ")
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""} {
			if m == "" {
				continue
			}
			r := httptest.NewRequest("GET", path, nil)
			r.Method = m
			w := httptest.NewRecorder()
			h(w, r)
			ok := m == want || m == "HEAD" && want == "GET"
			if (w.Code == http.StatusMethodNotAllowed) == ok || !ok && !strings.Contains(w.Header().Get("Allow"), want) {
				t.Errorf("%s with %s: %d, Allow %q", route, m, w.Code, w.Header().Get("Allow"))
			}
			for header, value := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
				"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := w.Header().Get(header); got != value {
					t.Errorf("%s with %s: %s is %q", route, m, header, got)
				}
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s with %s: policy %q", route, m, policy)
			}
		}
	}
}

func TestList(t *testing.T) {
	store := memrecordstore.New()
	for i := range 260 {
		put(t, store, fmt.Sprintf("run-%03d", i), fmt.Sprintf("order-%03d", i), 1, workflow.RunStateCompleted, `{"secret":1}`)
	}
	put(t, store, "last", "order-last", 1, workflow.RunStateRunning, `{}`)
	h := webui.ListHandlerFunc(store)
	for _, c := range []struct {
		query       string
		first, last string
		n           int
		more        bool
	}{
		{"", "last", "run-211", 50, true},
		{"?limit=200", "last", "run-061", 200, true},
		{"?limit=200&offset=200", "run-060", "run-000", 61, false},
		{"?order=asc&limit=2", "run-000", "run-001", 2, true},
		{"?run_state=running&workflow_name=orders", "last", "last", 1, false},
		{"?run_state=2&status=&foreign_id=", "last", "last", 1, false},
		{"?run_state=2&run_state=Completed&limit=1", "last", "last", 1, true},
		{"?foreign_id=order-005&foreign_id=order-003", "run-005", "run-003", 2, false},
		{"?status=2&limit=1", "last", "last", 1, true},
		{"?status=3", "", "", 0, false},
		{"?workflow_name=none", "", "", 0, false},
		{"?offset=9223372036854775807", "", "", 0, false},
	} {
		w := do(h, "GET", "/list"+c.query, "")
		got := decode(t, w)
		if w.Code != 200 || len(got.Runs) != c.n || got.More != c.more {
			t.Errorf("%q: %d, %d runs, more %v", c.query, w.Code, len(got.Runs), got.More)
			continue
		}
		if c.n > 0 && (got.Runs[0].RunID != c.first || got.Runs[c.n-1].RunID != c.last) {
			t.Errorf("%q: from %s to %s", c.query, got.Runs[0].RunID, got.Runs[c.n-1].RunID)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%q: the listing shows objects", c.query)
		}
	}
	one := decode(t, do(h, "GET", "/list?foreign_id=order-last", "")).Runs[0]
	if one.WorkflowName != "orders" || one.ForeignID != "order-last" || one.Version != 1 || one.RunState != 2 || one.RunStateName != "Running" ||
		one.Status != 2 || one.StatusName != "Charged" || one.Reason != "because order-last" || one.TraceOrigin != "order-last" ||
		!one.CreatedAt.Equal(time.Date(2026, 11, 23, 12, 0, 1, 0, time.UTC)) || !one.UpdatedAt.Equal(one.CreatedAt) {
		t.Errorf("a run as %+v", one)
	}
}

func TestListRefusesWhatItCannotRead(t *testing.T) {
	asked := false
	list := func(context.Context, string, int64, int, workflow.OrderType, ...workflow.RecordFilter) ([]workflow.Record, error) {
		asked = true
		return nil, errStore
	}
	h := webui.ListHandlerFuncWith(list, nil)
	for _, q := range []string{"limit=0", "limit=-1", "limit=201", "limit=1e9", "limit=99999999999999999999", "offset=-1", "offset=x", "order=up", "status=one", "run_state=8", "run_state=0", "run_state=Unknown"} {
		if w := do(h, "GET", "/list?"+q, ""); w.Code != 400 || decode(t, w).Error == "" || asked {
			t.Errorf("%s: %d %s, the store was asked: %v", q, w.Code, w.Body, asked)
		}
	}
	if w := do(h, "GET", "/list", ""); w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("a failing store: %d %s", w.Code, w.Body)
	}
}

func TestListWithNamesOfTheCaller(t *testing.T) {
	store := memrecordstore.New()
	put(t, store, "r", "f", 1, workflow.RunStateRunning, `{}`)
	h := webui.ListHandlerFuncWith(store.List, func(name string, status int) string { return fmt.Sprint(name, "/", status) })
	if got := decode(t, do(h, "GET", "/", "")); got.Runs[0].StatusName != "orders/2" {
		t.Errorf("%+v", got.Runs)
	}
}

func TestObjectData(t *testing.T) {
	store := memrecordstore.New()
	put(t, store, "json", "f1", 1, workflow.RunStateRunning, `{"amount":1250}`)
	put(t, store, "bytes", "f2", 1, workflow.RunStateRunning, "\x00\xff<b>")
	put(t, store, "none", "f3", 1, workflow.RunStateRunning, "")
	h := webui.ObjectDataHandlerFunc(store)
	if got := decode(t, do(h, "GET", "/?run_id=json", "")); string(got.Object) != `{"amount":1250}` || got.Size != 15 || got.Version != 1 || got.RunID != "json" {
		t.Errorf("%+v", got)
	}
	if got := decode(t, do(h, "GET", "/?run_id=bytes", "")); string(got.Bytes) != "\x00\xff<b>" || got.Object != nil {
		t.Errorf("%+v", got)
	}
	if got := decode(t, do(h, "GET", "/?run_id=none", "")); got.Size != 0 || got.Object != nil || got.Bytes != nil {
		t.Errorf("%+v", got)
	}
	if w := do(h, "GET", "/?run_id=nobody", ""); w.Code != 404 {
		t.Errorf("no such run: %d", w.Code)
	}
	if w := do(h, "GET", "/", ""); w.Code != 400 {
		t.Errorf("no run id: %d", w.Code)
	}
	large := webui.ObjectDataHandlerFuncWith(func(context.Context, string) (*workflow.Record, error) {
		return &workflow.Record{RunID: "large", Object: make([]byte, backend.MaxObjectBytes+1)}, nil
	})
	if w := do(large, "GET", "/?run_id=large", ""); w.Body.Len() > 1000 || decode(t, w).Size != backend.MaxObjectBytes+1 {
		t.Errorf("an object beyond the limit: %d bytes", w.Body.Len())
	}
	failing := webui.ObjectDataHandlerFuncWith(func(context.Context, string) (*workflow.Record, error) { return nil, errStore })
	if w := do(failing, "GET", "/?run_id=r", ""); w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("a failing store: %d %s", w.Code, w.Body)
	}
}

// hostile are ids and objects that somebody would try to run in an operator's browser.
func hostile() []string {
	out := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</script><script>alert(1)</script>`, `<svg/onload=alert(1)>`,
		`javascript:alert(1)`, `' onmouseover='alert(1)`, `{{constructor.constructor('alert(1)')()}}`, "<!--<script>", `]]><script>alert(1)</script>`,
		`&lt;script&gt;`, `\u003cscript\u003e`, "\u2028alert(1)\u2029", "<\u0000script>", `"}</pre><iframe srcdoc="<script>alert(1)</script>">`, "+ADw-script+AD4-",
	}
	for _, tag := range []string{"a", "body", "details", "embed", "form", "math", "object", "style", "video"} {
		out = append(out, "<"+tag+" onfocus=alert(1) autofocus href=javascript:alert(1) src=x>")
	}
	return out
}

// Stored texts come back as they are, in bytes that no browser takes for markup.
func TestHostileTextsStayTexts(t *testing.T) {
	store := memrecordstore.New()
	markup := regexp.MustCompile("[<>\u2028\u2029]|&[a-z]")
	for i, s := range hostile() {
		s = strings.ReplaceAll(s, "\x00", "") // a store refuses it
		runID := fmt.Sprintf("run-%d %s", i, s)
		object, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Fatal(err)
		}
		raw := `{"raw":"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"}` // as another encoder would store it
		put(t, store, runID, s, 1, workflow.RunStateRunning, string(object))
		put(t, store, runID, s, 2, workflow.RunStateRunning, raw)

		w := do(webui.ListHandlerFunc(store), "GET", "/list?foreign_id="+url.QueryEscape(s), "")
		got := decode(t, w)
		if len(got.Runs) != 1 || got.Runs[0].ForeignID != s || got.Runs[0].RunID != runID || got.Runs[0].Reason != "because "+s || got.Runs[0].TraceOrigin != s {
			t.Errorf("%q: listed as %+v", s, got.Runs)
		}
		o := do(webui.ObjectDataHandlerFunc(store), "GET", "/object?run_id="+url.QueryEscape(runID), "")
		var back struct{ Raw string }
		if err := json.Unmarshal(decode(t, o).Object, &back); err != nil || back.Raw != s {
			t.Errorf("%q: object %q, %v", s, back.Raw, err)
		}
		refused := do(webui.ListHandlerFunc(store), "GET", "/list?order="+url.QueryEscape(s), "")
		missing := do(webui.ObjectDataHandlerFunc(store), "GET", "/object?run_id=none"+url.QueryEscape(s), "")
		for _, w := range []*httptest.ResponseRecorder{w, o, refused, missing} {
			if at := markup.FindString(w.Body.String()); at != "" || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("%q: %q of %s in %s", s, at, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
}

// The page's policy allows the very script and style that are in it; the script writes texts alone; hostile paths stay attributes.
func TestPage(t *testing.T) {
	plain := do(webui.HomeHandlerFunc(webui.Paths{List: "/list", Update: "/update", ObjectData: "/object"}), "GET", "/", "")
	if plain.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(plain.Body.String(), `<body data-list="/list" data-update="/update" data-object="/object">`) {
		t.Errorf("page: %s", plain.Body)
	}
	body := plain.Body.String()
	policy := plain.Header().Get("Content-Security-Policy")
	for _, tag := range []string{"script", "style"} {
		if strings.Count(body, "<"+tag) != 1 {
			t.Errorf("%d %ss", strings.Count(body, "<"+tag), tag)
		}
		_, rest, _ := strings.Cut(body, "<"+tag+">")
		source, _, _ := strings.Cut(rest, "</"+tag+">")
		sum := sha256.Sum256([]byte(source))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; len(source) < 100 || !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
		for _, banned := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "DOMParser", "setAttribute", ".href", ".src", "location", "createContextualFragment"} {
			if strings.Contains(source, banned) {
				t.Errorf("the %s uses %s", tag, banned)
			}
		}
	}
	if on := regexp.MustCompile(`(?i)\son\w+\s*=|javascript:|style\s*=`).FindString(body); on != "" {
		t.Errorf("the page has %q", on)
	}
	for _, s := range hostile() {
		w := do(webui.HomeHandlerFunc(webui.Paths{List: s, Update: s, ObjectData: s}), "GET", "/", "")
		if w.Header().Get("Content-Security-Policy") != policy || strings.Count(w.Body.String(), "<") != strings.Count(body, "<") ||
			strings.Count(w.Body.String(), `"`) != strings.Count(body, `"`) {
			t.Errorf("%q breaks out: %s", s, w.Body)
		}
	}
}

const asJSON = "application/json"

func TestUpdateIsForbiddenWithoutAnAuthorizer(t *testing.T) {
	store := memrecordstore.New()
	put(t, store, "r", "f", 1, workflow.RunStateRunning, `{}`)
	for _, h := range []http.HandlerFunc{webui.UpdateHandlerFunc(store), webui.UpdateHandlerFuncWith(store, nil)} {
		for _, action := range []string{"pause", "resume", "cancel", "delete"} {
			w := do(h, "POST", "/update", fmt.Sprintf(`{"run_id":"r","action":%q,"version":1,"reason":"x"}`, action), "Content-Type", asJSON)
			if w.Code != 403 || decode(t, w).Error != "forbidden" {
				t.Errorf("%s: %d %s", action, w.Code, w.Body)
			}
		}
	}
	if rec, err := store.Lookup(context.Background(), "r"); err != nil || rec.Meta.Version != 1 {
		t.Errorf("the run moved: %+v, %v", rec, err)
	}
}

func TestUpdate(t *testing.T) {
	store := memrecordstore.New()
	put(t, store, "r", "f", 1, workflow.RunStateRunning, `{}`)
	var asked []string
	h := webui.UpdateHandlerFuncWith(store, func(r *http.Request, action, runID string) error {
		asked = append(asked, r.Header.Get("X-User")+" "+action+" "+runID)
		return nil
	})
	post := func(action string, version uint, reason string) (int, answered) {
		w := do(h, "POST", "/update", fmt.Sprintf(`{"run_id":"r","action":%q,"version":%d,"reason":%q}`, action, version, reason),
			"Content-Type", "application/json; charset=utf-8", "X-User", "ann", "Sec-Fetch-Site", "same-origin")
		return w.Code, decode(t, w)
	}
	for i, c := range []struct {
		action string
		state  workflow.RunState
		reason string
	}{
		{"pause", workflow.RunStatePaused, "customer called"}, {"resume", workflow.RunStateRunning, ""},
		{"cancel", workflow.RunStateCancelled, "customer left"}, {"delete", workflow.RunStateRequestedDataDeleted, "asked by letter"},
	} {
		version := uint(i + 1)
		if code, got := post(c.action, version+1, c.reason+" "); code != 409 || !strings.Contains(got.Error, fmt.Sprint("version ", version)) {
			t.Errorf("%s of a version to come: %d %s", c.action, code, got.Error)
		}
		code, got := post(c.action, version, c.reason)
		if code != 200 || got.Version != version+1 || got.RunStateName != c.state.String() || got.RunID != "r" {
			t.Errorf("%s: %d %+v", c.action, code, got)
		}
		rec, err := store.Lookup(context.Background(), "r")
		if err != nil || rec.RunState != c.state || rec.Meta.Version != version+1 || rec.Meta.RunStateReason != c.reason || string(rec.Object) != `{}` {
			t.Errorf("%s: stored %+v, %v", c.action, rec, err)
		}
		if c.action == "pause" && rec.Meta.PausedBy != workflow.PausedByOperator {
			t.Errorf("paused by %v", rec.Meta.PausedBy)
		}
		if code, _ := post(c.action, version, c.reason); code != 409 {
			t.Errorf("%s of the version before: %d", c.action, code)
		}
		if code, got := post(c.action, version+1, "again"); code != 409 || !strings.Contains(got.Error, c.state.String()) {
			t.Errorf("%s again: %d %+v", c.action, code, got)
		}
	}
	if len(asked) != 16 || asked[0] != "ann pause r" || !slices.Contains(asked, "ann delete r") {
		t.Errorf("asked %q", asked)
	}
}

type memStore = memrecordstore.Store

// movingStore moves the run between the handler's read and its write.
type movingStore struct {
	*memStore
	t *testing.T
}

func (s movingStore) Lookup(ctx context.Context, runID string) (*workflow.Record, error) {
	rec, err := s.memStore.Lookup(ctx, runID)
	put(s.t, s.memStore, "r", "f", 2, workflow.RunStateRunning, `{"moved":true}`)
	return rec, err
}

func TestUpdateNeverOverwritesANewerVersion(t *testing.T) {
	store := movingStore{memrecordstore.New(), t}
	put(t, store.memStore, "r", "f", 1, workflow.RunStateRunning, `{}`)
	h := webui.UpdateHandlerFuncWith(store, func(*http.Request, string, string) error { return nil })
	w := do(h, "POST", "/", `{"run_id":"r","action":"pause","version":1,"reason":"x"}`, "Content-Type", asJSON)
	rec, err := store.memStore.Lookup(context.Background(), "r")
	if w.Code != 409 || err != nil || rec.Meta.Version != 2 || string(rec.Object) != `{"moved":true}` {
		t.Errorf("%d %s, stored %+v, %v", w.Code, w.Body, rec, err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	store := memrecordstore.New()
	put(t, store, "r", "f", 1, workflow.RunStateRunning, `{}`)
	good := `{"run_id":"r","action":"pause","version":1,"reason":"x"}`
	verdict := errors.New("ann may not: secret rule 7")
	panics := false
	h := webui.UpdateHandlerFuncWith(store, func(*http.Request, string, string) error {
		if panics {
			panic("secret")
		}
		return verdict
	})
	allow := webui.UpdateHandlerFuncWith(store, func(*http.Request, string, string) error { return nil })
	for what, c := range map[string]struct {
		h       http.Handler
		body    string
		headers []string
		want    int
	}{
		"the authorizer's no":     {h, good, []string{"Content-Type", asJSON}, 403},
		"no answer about a run":   {h, strings.Replace(good, `"r"`, `"nobody"`, 1), []string{"Content-Type", asJSON}, 403},
		"another site":            {allow, good, []string{"Content-Type", asJSON, "Sec-Fetch-Site", "cross-site"}, 403},
		"another origin":          {allow, good, []string{"Content-Type", asJSON, "Origin", "https://elsewhere.example"}, 403},
		"a form":                  {allow, good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"plain text":              {allow, good, []string{"Content-Type", "text/plain"}, 415},
		"no type":                 {allow, good, nil, 415},
		"no body":                 {allow, "", []string{"Content-Type", asJSON}, 400},
		"no JSON":                 {allow, "run_id=r", []string{"Content-Type", asJSON}, 400},
		"two values":              {allow, good + good, []string{"Content-Type", asJSON}, 400},
		"an unknown field":        {allow, `{"run_id":"r","action":"pause","version":1,"reason":"x","status":9}`, []string{"Content-Type", asJSON}, 400},
		"no run":                  {allow, `{"action":"pause","version":1,"reason":"x"}`, []string{"Content-Type", asJSON}, 400},
		"no version":              {allow, `{"run_id":"r","action":"pause","reason":"x"}`, []string{"Content-Type", asJSON}, 400},
		"no reason":               {allow, `{"run_id":"r","action":"pause","version":1,"reason":" "}`, []string{"Content-Type", asJSON}, 400},
		"a long reason":           {allow, `{"run_id":"r","action":"pause","version":1,"reason":"` + strings.Repeat("x", 5000) + `"}`, []string{"Content-Type", asJSON}, 400},
		"an unknown action":       {allow, `{"run_id":"r","action":"erase","version":1,"reason":"x"}`, []string{"Content-Type", asJSON}, 400},
		"a large body":            {allow, `{"reason":"` + strings.Repeat("x", 1<<17) + `"}`, []string{"Content-Type", asJSON}, 413},
		"a run that is not there": {allow, strings.Replace(good, `"r"`, `"nobody"`, 1), []string{"Content-Type", asJSON}, 404},
	} {
		w := do(c.h, "POST", "/update", c.body, c.headers...)
		if w.Code != c.want || decode(t, w).Error == "" || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, c.want)
		}
	}
	panics = true
	if w := do(h, "POST", "/", good, "Content-Type", asJSON); w.Code != 403 {
		t.Errorf("an authorizer that panics: %d", w.Code)
	}
	if rec, err := store.Lookup(context.Background(), "r"); err != nil || rec.Meta.Version != 1 {
		t.Errorf("a refused change was made: %+v, %v", rec, err)
	}
}

// brokenStore stores nothing.
type brokenStore struct{ *memStore }

func (brokenStore) Store(context.Context, *workflow.Record) error { return errStore }

func TestUpdateOverAFailingStore(t *testing.T) {
	store := brokenStore{memrecordstore.New()}
	put(t, store.memStore, "r", "f", 1, workflow.RunStateRunning, `{}`)
	h := webui.UpdateHandlerFuncWith(store, func(*http.Request, string, string) error { return nil })
	w := do(h, "POST", "/", `{"run_id":"r","action":"pause","version":1,"reason":"x"}`, "Content-Type", asJSON)
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
