package memory_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
)

// join enters the contest and returns the channel of its grants.
func join(t *testing.T, b *memory.Backend, workflowName string) (leave func(), grants <-chan backend.Grant) {
	t.Helper()
	got := make(chan backend.Grant, 10)
	leave, err := b.Join(t.Context(), workflowName, 3, func(g backend.Grant) { got <- g })
	if err != nil {
		t.Fatal(err)
	}
	return leave, got
}

func none(t *testing.T, what string, grants <-chan backend.Grant) {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-grants:
		t.Errorf("%s got %+v", what, g)
	default:
	}
}

func TestRolesGoToOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		leaveA, a := join(t, b, orders)
		first := <-a
		if !reflect.DeepEqual(first.Buckets, []int{0, 1, 2}) || first.Context.Err() != nil {
			t.Errorf("the first grant is %+v", first)
		}
		leaveB, second := join(t, b, orders)
		leaveC, third := join(t, b, orders)
		leaveD, fourth := join(t, b, orders)
		leaveX, x := join(t, b, "billing")
		<-x // another workflow's roles are free
		none(t, "the second", second)
		leaveC() // while it waits
		leaveC()
		leaveA()
		if first.Context.Err() == nil {
			t.Error("the first still holds the roles after it left")
		}
		g := <-second
		if g.Epoch <= first.Epoch || g.Context.Err() != nil {
			t.Errorf("the second grant is %+v after epoch %d", g, first.Epoch)
		}
		leaveA() // again: must not take the roles from the second
		none(t, "the fourth", fourth)
		if g.Context.Err() != nil {
			t.Error("leaving twice ended the next one's grant")
		}
		leaveB()
		if last := <-fourth; last.Epoch <= g.Epoch {
			t.Errorf("epoch %d follows %d", last.Epoch, g.Epoch)
		}
		none(t, "the one that left", third)
		leaveD()
		leaveE, fifth := join(t, b, orders)
		<-fifth
		leaveE()
		leaveX()
	})
}

func TestLeaveWaitsForARunningGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		entered, release := make(chan context.Context), make(chan struct{})
		leave, err := b.Join(t.Context(), orders, 3, func(g backend.Grant) {
			entered <- g.Context
			<-release
		})
		if err != nil {
			t.Fatal(err)
		}
		held := <-entered
		leaveNext, next := join(t, b, orders)
		left := make(chan struct{})
		go func() { leave(); close(left) }()
		none(t, "the next", next) // waits until leave is parked
		if held.Err() == nil {
			t.Error("leave does not end the grant while granted runs")
		}
		select {
		case <-left:
			t.Error("leave returned while granted was running")
		default:
		}
		close(release)
		<-left
		<-next
		leaveNext()
	})
}

func TestEveryContenderIsServed(t *testing.T) {
	b := open(t)
	var mu sync.Mutex
	holders, served := 0, 0
	each(20, func(int) {
		done := make(chan struct{})
		leave, err := b.Join(t.Context(), orders, 3, func(g backend.Grant) {
			mu.Lock()
			holders++
			served++
			if holders != 1 {
				t.Errorf("%d hold the roles", holders)
			}
			mu.Unlock()
			close(done)
		})
		if err != nil {
			t.Error(err)
			return
		}
		<-done
		mu.Lock()
		holders--
		mu.Unlock()
		leave()
	})
	if served != 20 {
		t.Errorf("%d of 20 were served", served)
	}
}

func TestGrantsOutliveTheContextOfTheJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		got := make(chan backend.Grant, 1)
		leave, err := b.Join(ctx, orders, 3, func(g backend.Grant) { got <- g })
		if err != nil {
			t.Fatal(err)
		}
		g := <-got
		cancel()
		synctest.Wait()
		if g.Context.Err() != nil || g.Context.Value(key{}) != "value" {
			t.Errorf("the grant's context: %v, value %v", g.Context.Err(), g.Context.Value(key{}))
		}
		if _, err := b.Join(ctx, orders, 3, func(backend.Grant) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("a Join under an ended context: %v", err)
		}
		leave()
		if g.Context.Err() == nil {
			t.Error("the grant outlives leave")
		}
	})
}

func TestJoinRefusesNonsense(t *testing.T) {
	b := open(t)
	grant := func(backend.Grant) {}
	leave, err := b.Join(t.Context(), orders, 16, grant)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if _, err := b.Join(t.Context(), "", 16, grant); !errors.Is(err, backend.ErrInvalidID) {
		t.Errorf("a workflow without a name: %v", err)
	}
	for _, buckets := range []int{0, -1, 8} {
		if _, err := b.Join(t.Context(), orders, buckets, grant); err == nil {
			t.Errorf("%d buckets where there are 16 already: no error", buckets)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		s := b.RecordStore()
		rec := start(t, b, "a")
		leave, grants := join(t, b, orders)
		leaveNext, next := join(t, b, orders)
		g := <-grants
		for range 2 {
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if g.Context.Err() == nil {
			t.Error("a grant outlives Close")
		}
		leave()
		none(t, "the next one after Close", next)
		leaveNext()
		ctx := t.Context()
		_, lookupErr := b.Lookup(ctx, rec.RunID)
		_, latestErr := b.Latest(ctx, orders, "a")
		_, listErr := b.List(ctx, orders, 0, 1, backend.OrderTypeAscending)
		_, historyErr := b.History(ctx, rec.RunID, 0, 1)
		_, attemptsErr := b.Attempts(ctx, rec.RunID, 1)
		_, readErr := b.ReadLog(ctx, 0, 1)
		_, headErr := b.Head(ctx)
		_, dueErr := b.Due(ctx, orders, backend.DueMark{}, 1)
		_, heldErr := b.Held(ctx, rec.RunID)
		_, loadErr := b.LoadCursors(ctx, orders, 3)
		_, joinErr := b.Join(ctx, orders, 3, func(backend.Grant) {})
		_, outboxErr := s.ListOutboxEvents(ctx, orders, 1)
		for name, err := range map[string]error{
			"Lookup": lookupErr, "Latest": latestErr, "List": listErr, "History": historyErr, "Attempts": attemptsErr,
			"ReadLog": readErr, "Head": headErr, "Due": dueErr, "Held": heldErr, "LoadCursors": loadErr, "Join": joinErr,
			"SaveCursors":       b.SaveCursors(ctx, []backend.Cursor{{WorkflowName: orders, Pos: 1}}),
			"Check":             b.Check(ctx, func(backend.Violation) {}),
			"Store":             s.Store(ctx, step(rec).Record),
			"ListOutboxEvents":  outboxErr,
			"DeleteOutboxEvent": s.DeleteOutboxEvent(ctx, "x"),
		} {
			if !errors.Is(err, backend.ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
	})
}
