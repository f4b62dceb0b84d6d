package workflow

import (
	"context"
	"fmt"

	"github.com/stillwater-go/workflow/internal/engine"
)

// RenameStatus says that runs stored in a status that this program no longer has belong into another one. When the workflow starts they
// are moved, each in a version of its own whose reason says so, and go on from there. old is the number under which the status was stored.
func (b *Builder[Type, Status]) RenameStatus(old int, to Status) { b.renames[old] = to }

// renameProblems returns renames that make no sense.
func (b *Builder[Type, Status]) renameProblems() (problems []error) {
	for old, to := range b.renames {
		if b.graph.Has(old) {
			problems = append(problems, fmt.Errorf("RenameStatus(%d): the workflow has that status still", old))
		}
		if !b.graph.Has(int(to)) {
			problems = append(problems, fmt.Errorf("RenameStatus(%d): %w: %d", old, ErrUnknownStatus, int(to)))
		}
	}
	return problems
}

func (w *Workflow[Type, Status]) renameSpecs(renames map[int]Status) map[int]engine.Rename {
	out := make(map[int]engine.Rename, len(renames))
	for old, to := range renames {
		out[old] = engine.Rename{To: int(to), Description: w.statusName(int(to))}
	}
	return out
}

// Orphans are the unfinished runs of a status that the program lacks.
type Orphans = engine.Orphans

// Orphans returns every status that this program lacks and has no new name for, with how many unfinished runs are in it and the ids of a few. When
// the workflow runs they are paused by the engine, with a reason that names the status, and logged; a program that has the status, or
// declares its new one by [Builder.RenameStatus], resumes them when it starts. Call it before a deployment, on a copy or on the real store:
// it changes nothing.
func (w *Workflow[Type, Status]) Orphans(ctx context.Context) ([]Orphans, error) {
	o, err := w.flow.Orphans(ctx)
	if err != nil {
		return nil, &Error{Op: "look for orphans", Workflow: w.name, Err: err}
	}
	return o, nil
}
