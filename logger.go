package workflow

import (
	"context"
	"log/slog"
	"os"
)

// logger puts the user's Logger behind the debug switch, and survives one that panics.
type logger struct {
	inner Logger
	debug bool
}

func newLogger(inner Logger, debug bool) *logger {
	if inner == nil {
		inner = slogLogger{slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	}
	return &logger{inner: inner, debug: debug}
}

// Debug passes on in debug mode.
func (l *logger) Debug(ctx context.Context, msg string, meta map[string]string) {
	if !l.debug {
		return
	}
	defer func() { _ = recover() }() // a broken logger must not stop a run
	l.inner.Debug(ctx, msg, meta)
}

// Error passes on.
func (l *logger) Error(ctx context.Context, err error) {
	defer func() { _ = recover() }() // a broken logger must not stop a run
	l.inner.Error(ctx, err)
}

// slogLogger is the default Logger.
type slogLogger struct{ log *slog.Logger }

func (l slogLogger) Debug(ctx context.Context, msg string, meta map[string]string) {
	args := make([]any, 0, 2*len(meta))
	for k, v := range meta {
		args = append(args, k, v)
	}
	l.log.DebugContext(ctx, msg, args...)
}

func (l slogLogger) Error(ctx context.Context, err error) {
	l.log.ErrorContext(ctx, "workflow", "error", err)
}
