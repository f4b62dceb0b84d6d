// Package checkcmd is the command "stillwater check": it opens a store for reading, walks every invariant and counts the runs. It changes
// nothing, so it may run beside the programs that use the store.
package checkcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"

	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

const (
	// listPage is how many runs are read at once.
	listPage = 1000
	// maxListed bounds how many violations are kept word for word; all are counted.
	maxListed = 100
)

// Report is what a check has found. Its JSON form is the command's --json.
type Report struct {
	File      string     `json:"file"`
	Runs      int        `json:"runs"`
	Workflows []Workflow `json:"workflows"`
	// Clean says that no invariant is broken; else Violations holds the first 100 of ViolationCount.
	Clean          bool        `json:"clean"`
	ViolationCount int         `json:"violation_count"`
	Violations     []Violation `json:"violations"`
}

// Workflow counts the runs of one workflow.
type Workflow struct {
	Name   string  `json:"name"`
	Runs   int     `json:"runs"`
	Groups []Group `json:"groups"`
}

// Group counts the runs in one status and run state.
type Group struct {
	Status int `json:"status"`
	// Name is what the status called itself when the newest of these runs came to it.
	Name     string `json:"status_name"`
	RunState string `json:"run_state"`
	Runs     int    `json:"runs"`
}

// Violation is one broken invariant.
type Violation struct {
	Invariant string `json:"invariant"`
	RunID     string `json:"run_id,omitempty"`
	Detail    string `json:"detail"`
}

// Check walks the store in the file. The error says that it could not be walked, and what to do about it.
func Check(ctx context.Context, file string) (r *Report, err error) {
	store, err := sqlite.OpenReadOnly(file)
	if err != nil {
		return nil, explain(file, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r = &Report{File: file, Workflows: []Workflow{}, Violations: []Violation{}}
	if err := r.walk(ctx, store); err != nil {
		return nil, err
	}
	return r, nil
}

// walk fills the report from a store.
func (r *Report) walk(ctx context.Context, store interface {
	backend.Runs
	backend.Checker
}) error {
	err := store.Check(ctx, func(v backend.Violation) {
		r.ViolationCount++
		if len(r.Violations) < maxListed {
			r.Violations = append(r.Violations, Violation{Invariant: v.Invariant, RunID: v.RunID, Detail: v.Detail})
		}
	})
	if err != nil {
		return err
	}
	r.Clean = r.ViolationCount == 0
	c := counts{}
	for at := int64(0); ; {
		page, err := store.List(ctx, "", at, listPage, backend.OrderTypeAscending)
		if err != nil {
			return err
		}
		for i := range page {
			c.add(&page[i])
		}
		at += int64(len(page))
		if len(page) < listPage {
			break
		}
	}
	r.Runs, r.Workflows = c.sorted()
	return nil
}

// counts adds runs up by workflow, status and run state.
type counts map[countKey]*Group

type countKey struct {
	workflow string
	status   int
	state    backend.RunState
}

func (c counts) add(rec *backend.Record) {
	k := countKey{rec.WorkflowName, rec.Status, rec.RunState}
	g := c[k]
	if g == nil {
		g = &Group{Status: rec.Status, RunState: rec.RunState.String()}
		c[k] = g
	}
	g.Runs++
	if rec.Meta.StatusDescription != "" {
		g.Name = rec.Meta.StatusDescription
	}
}

// sorted returns the counts by workflow name, then status, then run state.
func (c counts) sorted() (total int, flows []Workflow) {
	keys := make([]countKey, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := keys[i], keys[j]
		switch {
		case a.workflow != b.workflow:
			return a.workflow < b.workflow
		case a.status != b.status:
			return a.status < b.status
		}
		return a.state < b.state
	})
	flows = []Workflow{}
	for _, k := range keys {
		if len(flows) == 0 || flows[len(flows)-1].Name != k.workflow {
			flows = append(flows, Workflow{Name: k.workflow})
		}
		w := &flows[len(flows)-1]
		w.Groups = append(w.Groups, *c[k])
		w.Runs += c[k].Runs
		total += c[k].Runs
	}
	return total, flows
}

// explain says what the reader can do about a file that does not open.
func explain(file string, err error) error {
	var inner *backend.Error
	cause := err
	if errors.As(err, &inner) {
		cause = inner.Err
	}
	out := &backend.Error{Op: "check " + file, Err: cause}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Err, out.Hint = fs.ErrNotExist, "give the path of a store's file; the demo's is ./stillwater-demo.db"
	case errors.Is(err, backend.ErrNotOurs):
		out.Hint = "give the path of a file that this library has written; this one is left as it is"
	case errors.Is(err, backend.ErrCorrupt):
		out.Hint = "copy the file with what stands beside it before you try anything, then restore a backup"
	default:
		return err
	}
	return out
}

// Write writes the report for people.
func (r *Report) Write(w io.Writer, style term.Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", style.Bold(r.File))
	for _, f := range r.Workflows {
		fmt.Fprintf(&b, "\n  workflow %s, runs: %d\n", backend.Quote(f.Name), f.Runs)
		for _, g := range f.Groups {
			name := g.Name
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(&b, "    %10d  %-24s %s\n", g.Runs, printable(name), style.Dim(fmt.Sprintf("status %d, %s", g.Status, g.RunState)))
		}
	}
	if r.Runs == 0 {
		b.WriteString("\n  no runs\n")
	}
	b.WriteString("\n")
	for _, v := range r.Violations {
		bv := backend.Violation{Invariant: v.Invariant, RunID: v.RunID, Detail: v.Detail}
		fmt.Fprintf(&b, "  %s %s\n", style.Red("broken"), printable(bv.String()))
	}
	switch more := r.ViolationCount - len(r.Violations); {
	case r.Clean:
		fmt.Fprintf(&b, "%s every invariant holds.\n", style.Green("Clean:"))
	case more > 0:
		fmt.Fprintf(&b, "  and %d more\n%s broken invariants: %d\n", more, style.Red("Not clean:"), r.ViolationCount)
	default:
		fmt.Fprintf(&b, "%s broken invariants: %d\n", style.Red("Not clean:"), r.ViolationCount)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps stored text from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
