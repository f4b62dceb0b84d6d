package workflowtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
)

type order struct {
	Email string
	Tries int
}

type status int

const (
	placed status = iota + 1
	paid
	shipped
	expired
)

func (s status) String() string {
	return [...]string{"Unknown", "Placed", "Paid", "Shipped", "Expired"}[s]
}

type (
	run     = workflow.Run[order, status]
	flow    = workflow.Workflow[order, status]
	builder = workflow.Builder[order, status]
)

var errGateway = errors.New("gateway is down")

// orders waits an hour for the payment, which a callback brings, and ships what is paid.
func orders() *builder {
	b := workflow.NewBuilder[order, status]("order")
	b.AddCallback(placed, func(_ context.Context, r *run, payload io.Reader) (status, error) {
		email, err := io.ReadAll(payload)
		r.Object.Email = string(email)
		return paid, err
	}, paid)
	b.AddTimeout(placed, workflow.DurationTimerFunc[order, status](time.Hour), func(context.Context, *run, time.Time) (status, error) {
		return expired, nil
	}, expired)
	b.AddStep(paid, func(context.Context, *run) (status, error) { return shipped, nil }, shipped)
	return b
}

// flaky fails so often before it pays.
func flaky(failures int, opts ...workflow.Option) *builder {
	b := workflow.NewBuilder[order, status]("flaky")
	b.AddStep(placed, func(_ context.Context, r *run) (status, error) {
		if r.Attempt() <= failures {
			return 0, errGateway
		}
		r.Object.Tries = r.Attempt()
		return paid, nil
	}, paid).WithOptions(opts...)
	b.AddStep(paid, func(context.Context, *run) (status, error) { return shipped, nil }, shipped)
	return b
}

// midnight is when a bubble begins.
func midnight() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func pay(t testing.TB, w *flow, foreignID, email string) {
	t.Helper()
	if err := w.Callback(context.Background(), foreignID, placed, strings.NewReader(email)); err != nil {
		t.Fatalf("Callback: %v", err)
	}
}

// recorder stands in for a test that is expected to fail.
type recorder struct{ failed string }

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// failure runs fn and returns what it failed with; empty where it did not.
func failure(fn func(t workflow.TB)) (text string) {
	r := &recorder{}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		text = r.failed
	}()
	fn(r)
	return ""
}

// wantParts fails the test unless the text has all parts, in that order.
func wantParts(t testing.TB, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, found := strings.Cut(rest, p)
		if !found {
			t.Errorf("%q is missing, or not in its place, in:\n%s", p, text)
			return
		}
		rest = after
	}
}
