package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// deaf is a process that nobody tells of what others commit.
type deaf struct {
	*memory.Backend
	slot backend.Slot
}

func (d *deaf) Slot() *backend.Slot        { return &d.slot }
func (d *deaf) Watch(func()) (stop func()) { return func() {} }

func never(backend.Entry, bool) (bool, error) { return false, nil }

// ended stores a run that was cancelled.
func ended(t *testing.T, on *memory.Backend) string {
	t.Helper()
	const id = "r"
	f := NewFlow(on, specOf("erased", goOn))
	start(t, f, id)
	if _, err := f.engine.Operate(t.Context(), cancelOf(id)); err != nil {
		t.Fatal(err)
	}
	return id
}

func cancelOf(id string) Operation {
	return Operation{RunID: id, Clock: backend.RealClock{}, Rule: func(rec *backend.Record, now time.Time) (*backend.Record, error) {
		return machine.Cancel(rec, "", now)
	}}
}

// TestFollowLearnsThatItsRunWasErased: at once in the process that does it, and by looking now and then in another one.
func TestFollowLearnsThatItsRunWasErased(t *testing.T) {
	for what, tt := range map[string]struct {
		check time.Duration
		same  bool
	}{
		"by this process":    {time.Hour, true},
		"by another process": {20 * time.Millisecond, false},
	} {
		t.Run(what, func(t *testing.T) {
			on := memory.New()
			defer on.Close()
			id := ended(t, on)
			e := Of(&deaf{Backend: on})
			e.eraseCheck = tt.check
			got := make(chan error, 1)
			shown := make(chan bool, 1)
			go func() {
				got <- e.Follow(context.Background(), "erased", id, 0, anything, func(en backend.Entry, present bool) (bool, error) {
					if present {
						shown <- true
					}
					return never(en, present)
				})
			}()
			<-shown
			eraser := e
			if !tt.same {
				eraser = Of(on)
			}
			if err := eraser.Erase(t.Context(), Operation{RunID: id}); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-got:
				if !errors.Is(err, backend.ErrRecordNotFound) {
					t.Errorf("Follow: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("it waits for a run that is gone")
			}
		})
	}
}

// TestFollowTellsTheNewestFromTheOthers: also where the newest is the last of a full page.
func TestFollowTellsTheNewestFromTheOthers(t *testing.T) {
	on := memory.New()
	defer on.Close()
	f := NewFlow(on, specOf("pages", goOn))
	start(t, f, "r")
	for range readChunk - 1 {
		_, err := f.engine.Operate(t.Context(), Operation{RunID: "r", Clock: backend.RealClock{}, Rule: func(rec *backend.Record, now time.Time) (*backend.Record, error) {
			return machine.Extend(rec, now, "", now)
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	versions, newest := 0, []uint(nil)
	err := f.engine.Follow(t.Context(), "pages", "r", 0, anything, func(en backend.Entry, present bool) (bool, error) {
		if versions++; present {
			newest = append(newest, en.Record.Meta.Version)
		}
		return present, nil
	})
	if err != nil || versions != readChunk || len(newest) != 1 || newest[0] != readChunk {
		t.Errorf("%d versions, the newest %v, %v", versions, newest, err)
	}
	if err := f.engine.Follow(t.Context(), "pages", "nobody", 0, anything, never); !errors.Is(err, backend.ErrRecordNotFound) {
		t.Errorf("no run: %v", err)
	}
}

func anything(*backend.Record) bool { return true }

// TestWaiterSleepsThrough: what it does not want wakes it only where a version is missing before it, or where it has no more room.
func TestWaiterSleepsThrough(t *testing.T) {
	version := func(v uint) *backend.Record { return &backend.Record{Meta: backend.Meta{Version: v}} }
	w := newWaiter(func(rec *backend.Record) bool { return rec.Meta.Version == 4 })
	if !w.hear(version(1)) {
		t.Error("it does not know what came before, and slept on")
	}
	w.told = 1
	for _, tt := range []struct {
		version uint
		wakes   bool
	}{{2, false}, {3, false}, {4, true}, {5, false}, {7, true}, {8, true}} {
		if got := w.hear(version(tt.version)); got != tt.wakes {
			t.Errorf("version %d: woken %v", tt.version, got)
		}
	}
	full := newWaiter(func(*backend.Record) bool { return false })
	full.told = 1
	for v := uint(2); v < 2*maxUnseen; v++ {
		if woken, room := full.hear(version(v)), v-1; woken != (room == maxUnseen) && room <= maxUnseen {
			t.Errorf("after %d versions: woken %v", room, woken)
		}
	}
}
