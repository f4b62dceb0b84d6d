package adaptertest

import (
	"fmt"
	"strings"

	"github.com/stillwater-go/workflow/backend"
)

func idCases() []testCase {
	return []testCase{
		{name: "IDs/OddOnesAreKeptApart", run: oddIDsAreKeptApart},
		{name: "IDs/LongestAreStored", run: longestIDs},
		{name: "IDs/InvalidOnesAreRefused", run: invalidIDs},
		{name: "IDs/InvalidNextVersionIsRefused", run: invalidNextVersion},
	}
}

// oddIDs look alike to a careless database, or mean something to a careless query.
func oddIDs() []string {
	return []string{
		"a", "A", "a ", " a", "a\t", "á", "a\u0301", "ａ", "ß", "ss", "İ", "i", "",
		"a,b", "a", "b", "'", "''", `"`, `\`, `\'`, "%", "_", "a%", "a_", "*", "?", "$1", "{}", "[1]", "--", "/*", "; drop table runs",
		"../a", "a/b", "a\nb", "\u202eabc", "\U0001F30A", "null", "NULL", "0", "00", "1e3", "\x01", "\x7f", "�",
	}
}

// oddIDsAreKeptApart commits a run for each odd id, as foreign id and as run id, and finds exactly that one again.
func oddIDsAreKeptApart(e *env) {
	seen := map[string]*backend.Record{}
	for _, id := range oddIDs() {
		if id == "" || seen[id] != nil {
			continue
		}
		c := newRun(orders, id, id)
		e.put(c)
		seen[id] = c.Record
	}
	for id, want := range seen {
		e.wantRun(want)
		latest, err := e.b.Latest(e.Context(), orders, id)
		if err != nil {
			e.Errorf("latest of foreign id %q: %v", id, err)
			continue
		}
		e.sameRecord(fmt.Sprintf("latest of foreign id %q", id), latest, want)
		list, err := e.b.List(e.Context(), orders, 0, 10, backend.OrderTypeAscending, backend.FilterByForeignID(id))
		if err != nil || len(list) != 1 || list[0].RunID != id {
			e.Errorf("list of foreign id %q: %d runs, %v; want the one", id, len(list), err)
		}
	}
}

func longestIDs(e *env) {
	name := strings.Repeat("w", backend.MaxNameBytes)
	long := strings.Repeat("é", backend.MaxIDBytes/2)
	a, b := newRun(name, long, long), newRun(name, long[:len(long)-2], long[:len(long)-2])
	e.put(a, b)
	e.wantRun(a.Record)
	e.wantRun(b.Record)
}

// invalidRecords are all the ways in which one id of a record can be wrong.
func invalidRecords() map[string]func(r *backend.Record) {
	bad := map[string]string{"empty": "", "NUL": "a\x00b", "not UTF-8": "a\xffb", "half a surrogate": "a\xed\xa0\x80", "too long": ""}
	fields := map[string]func(r *backend.Record) (*string, int){
		"workflow name": func(r *backend.Record) (*string, int) { return &r.WorkflowName, backend.MaxNameBytes },
		"foreign id":    func(r *backend.Record) (*string, int) { return &r.ForeignID, backend.MaxIDBytes },
		"run id":        func(r *backend.Record) (*string, int) { return &r.RunID, backend.MaxIDBytes },
	}
	out := map[string]func(r *backend.Record){}
	for field, at := range fields {
		for what, id := range bad {
			out[field+" "+what] = func(r *backend.Record) {
				p, limit := at(r)
				*p = id
				if what == "too long" {
					*p = strings.Repeat("x", limit+1)
				}
			}
		}
	}
	return out
}

func invalidIDs(e *env) {
	good := run("good")
	batch := []*backend.Change{good}
	names := []string{"good"}
	i := 0
	for name, spoil := range invalidRecords() {
		i++
		c := run(fmt.Sprintf("bad-%d", i))
		spoil(c.Record)
		batch, names = append(batch, c), append(names, name)
	}
	e.try(batch...)
	for i, c := range batch[1:] {
		e.wantErr(names[i+1], c.Err, backend.ErrInvalidID)
	}
	if good.Err != nil {
		e.Errorf("the good member beside invalid ones failed: %v", good.Err)
	}
	if n := len(e.log()); n != 1 {
		e.Errorf("the log holds %d entries, want the good one alone", n)
	}
	if list, err := e.b.List(e.Context(), "", 0, 100, backend.OrderTypeAscending); err != nil || len(list) != 1 {
		e.Errorf("%d runs are listed (%v), want the good one alone", len(list), err)
	}
}

func invalidNextVersion(e *env) {
	rec := e.start("a")
	next := step(rec, 2)
	next.Record.ForeignID = "a\x00b"
	e.try(next)
	e.wantErr("a next version with an invalid foreign id", next.Err, backend.ErrInvalidID)
	e.wantRun(rec)
}

// oddTexts are texts that are not keys: stored exactly, cut or cleaned as backend.Cut does it, or refused; never mangled.
func oddTexts(e *env) {
	limit := strings.Repeat("é", backend.MaxTextBytes/2)
	for i, text := range []string{"", "one line", limit, "\U0001F4A5 \u202e %s {{.}} '; --"} {
		c := run(fmt.Sprintf("text-%d", i))
		c.Actor = text
		c.Record.Meta.RunStateReason, c.Record.Meta.TraceOrigin, c.Record.Meta.StatusDescription = text, text, text
		e.put(c)
		e.wantRun(c.Record)
	}
	for i, text := range []string{limit + limit, "a\x00b", "a\xffb"} {
		c := run(fmt.Sprintf("odd-%d", i))
		c.Record.Meta.RunStateReason = text
		e.try(c)
		if c.Err != nil {
			e.wantNoRun(c.Record.RunID)
			continue
		}
		if got := e.lookup(c.Record.RunID).Meta.RunStateReason; got != text && got != backend.Cut(text) {
			e.Errorf("a reason of %d bytes came back as one of %d, neither whole nor cut", len(text), len(got))
		}
	}
}
