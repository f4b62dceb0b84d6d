package jlog

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/stillwater-go/workflow/backend"
)

// logger writes what a workflow reports through a slog handler. It may be used concurrently.
type logger struct{ out *slog.Logger }

var _ backend.Logger = (*logger)(nil)

// New returns a logger that writes JSON lines to standard error. Debug lines come only in the workflow's debug mode.
func New() *logger {
	return NewWithHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// NewWithHandler returns a logger over a handler of the caller's, which decides about format, level and destination. The context that a
// line belongs to is handed on. A nil handler drops everything.
func NewWithHandler(h slog.Handler) *logger {
	if h == nil {
		h = slog.DiscardHandler
	}
	return &logger{slog.New(h)}
}

// Debug writes the message with its meta as fields, sorted by key.
func (l *logger) Debug(ctx context.Context, msg string, meta map[string]string) {
	attrs := make([]slog.Attr, 0, len(meta))
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		key := k
		switch k {
		case slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey:
			key = "meta." + k // the line has a field of that name
		}
		attrs = append(attrs, slog.String(key, meta[k]))
	}
	l.out.LogAttrs(ctx, slog.LevelDebug, msg, attrs...)
}

// Error writes the error, with its parts as fields where it has them. A nil error writes nothing.
func (l *logger) Error(ctx context.Context, err error) {
	if err == nil {
		return
	}
	var attrs []slog.Attr
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	var e *backend.Error
	if errors.As(err, &e) {
		add("op", e.Op)
		add("workflow", e.Workflow)
		add("run_id", e.RunID)
		add("hint", e.Hint)
		if e.Err != nil {
			add("error", e.Err.Error())
		}
	}
	l.out.LogAttrs(ctx, slog.LevelError, err.Error(), attrs...)
}
