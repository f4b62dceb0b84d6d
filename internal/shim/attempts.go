package shim

import (
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// attemptLog keeps the last failed attempts of the last runs that failed.
type attemptLog struct {
	mu    sync.Mutex
	byRun map[string][]backend.Attempt
	runs  []string // in the order of their first attempt, as a ring once it is full
	next  int
}

func newAttemptLog() *attemptLog {
	return &attemptLog{byRun: make(map[string][]backend.Attempt)}
}

func (l *attemptLog) add(a backend.Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, known := l.byRun[a.RunID]
	if !known {
		if len(l.runs) < maxAttemptRuns {
			l.runs = append(l.runs, a.RunID)
		} else {
			delete(l.byRun, l.runs[l.next])
			l.runs[l.next] = a.RunID
			l.next = (l.next + 1) % maxAttemptRuns
		}
	}
	if len(kept) == maxAttempts {
		copy(kept, kept[1:])
		kept = kept[:maxAttempts-1]
	}
	l.byRun[a.RunID] = append(kept, a)
}

// of returns the attempts kept of a run, oldest first, at most limit.
func (l *attemptLog) of(runID string, limit int) []backend.Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.byRun[runID]
	return append([]backend.Attempt(nil), kept[:min(len(kept), max(limit, 0))]...)
}
