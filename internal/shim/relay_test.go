package shim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

// sent returns the versions of a run's events that reached a topic, in order.
func (r *rig) sent(topic, run string) (versions []string) {
	r.streamer.locked(func() {
		for _, e := range r.streamer.topics[topic] {
			if e.ForeignID == run {
				versions = append(versions, e.Headers[backend.HeaderRecordVersion])
			}
		}
	})
	return versions
}

func (r *rig) outboxLen() (n int) {
	r.store.locked(func() { n = len(r.store.outbox) })
	return n
}

func TestPoisonOutboxRowsHoldBackTheirOwnRunOnly(t *testing.T) {
	run(t, func(r *rig) {
		hook := hookSpec().Topic
		broken := true
		r.streamer.onSend = func(_ string, e *backend.Event) error {
			if broken && (e.ForeignID == "bad" || strings.HasPrefix(e.ForeignID, "worse-")) && e.Headers[backend.HeaderRecordVersion] == "1" {
				return errBroken
			}
			return nil
		}
		r.rebuild(func(c *shim.Config) { c.OutboxLimit = 4; c.Receivers = nil })
		r.store.locked(func() {
			for i := range 3 {
				r.store.outbox = append(r.store.outbox, backend.OutboxEvent{ID: fmt.Sprintf("poison-%d", i), WorkflowName: name, Data: []byte{0x22, 0x7f}})
			}
		})
		r.commit(record("bad", 1, paused, 1), record("bad", 2, running, 1), record("bad", 3, paused, 1))
		for i := range 10 { // more than a page of rows that fail
			r.commit(record(fmt.Sprintf("worse-%d", i), 1, paused, 1))
		}
		for i := range 20 {
			r.commit(record(fmt.Sprintf("good-%d", i), 1, paused, 1), record(fmt.Sprintf("good-%d", i), 2, running, 1))
		}
		e := r.join()
		defer e.leave()
		<-time.After(time.Minute)
		synctest.Wait()
		for i := range 20 {
			if got := r.sent(hook, fmt.Sprintf("good-%d", i)); !slices.Equal(got, []string{"1"}) {
				t.Errorf("good-%d sent %v", i, got)
			}
		}
		if got := append(r.sent(hook, "bad"), r.sent(backend.Topic(name, 1), "bad")...); len(got) != 0 {
			t.Errorf("a later event of the run went ahead of a held one: %v", got)
		}
		if n := r.outboxLen(); n != 3+3+10 {
			t.Errorf("%d rows left", n)
		}
		if n := r.reports("poison-0"); n < 1 || n > 2 {
			t.Errorf("a poison row was reported %d times in a minute", n)
		}
		sends := 0
		r.streamer.locked(func() { sends = r.streamer.sends })
		<-time.After(time.Minute)
		r.streamer.locked(func() { sends = r.streamer.sends - sends })
		if sends > 11*30 {
			t.Errorf("%d sends in a minute for 11 rows that fail", sends)
		}
		r.streamer.locked(func() { broken = false })
		<-time.After(10 * time.Second)
		synctest.Wait()
		if got := r.sent(hook, "bad"); !slices.Equal(got, []string{"1", "3"}) {
			t.Errorf("bad sent %v", got)
		}
		if n := r.outboxLen(); n != 3 {
			t.Errorf("%d rows left", n)
		}
	})
}

func TestSentRowIsNotSentAgainWhileItsDeletionFails(t *testing.T) {
	run(t, func(r *rig) {
		store := &undeletable{plainStore: r.store, failures: 5}
		r.rebuild(func(c *shim.Config) { c.Store = store; c.Receivers = nil })
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, completed, 1), record("a", 2, completed, 1))
		<-time.After(time.Minute)
		if got := r.sent(hookSpec().Topic, "a"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("sent %v", got)
		}
		if n := r.outboxLen(); n != 0 {
			t.Errorf("%d rows left", n)
		}
	})
}

type undeletable struct {
	*plainStore
	failures int
}

func (s *undeletable) DeleteOutboxEvent(ctx context.Context, id string) error {
	if s.failures > 0 {
		s.failures--
		return errBroken
	}
	return s.plainStore.DeleteOutboxEvent(ctx, id)
}

func TestBrokenStreamerIsNotHammered(t *testing.T) {
	run(t, func(r *rig) {
		r.streamer.onSend = func(string, *backend.Event) error { return errBroken }
		for i := range 500 {
			r.commit(record(fmt.Sprintf("run-%d", i), 1, completed, 1))
		}
		e := r.join()
		defer e.leave()
		<-time.After(10 * time.Second)
		sends := 0
		r.streamer.locked(func() { sends, r.streamer.onSend = r.streamer.sends, nil })
		if sends > 300 {
			t.Errorf("%d sends to a broken streamer in 10 s", sends)
		}
		<-time.After(20 * time.Second)
		if n := r.outboxLen(); n != 0 {
			t.Errorf("%d rows left 20 s after the streamer healed", n)
		}
	})
}

// notifying is a plain store that tells of new outbox rows.
type notifying struct {
	*plainStore
	notify chan func()
}

func (s notifying) NotifyOutbox(stored func()) (stop func()) {
	s.notify <- stored
	return func() { close(s.notify) }
}

func TestNotifierReplacesThePoll(t *testing.T) {
	run(t, func(r *rig) {
		store := notifying{r.store, make(chan func(), 1)}
		r.rebuild(func(c *shim.Config) { c.Store = store })
		e := r.join()
		stored := <-store.notify
		synctest.Wait()
		before := 0
		r.store.locked(func() { before = r.store.lists })
		<-time.After(5 * time.Minute)
		r.store.locked(func() {
			if r.store.lists != before {
				t.Errorf("the outbox was listed %d times in an idle time", r.store.lists-before)
			}
		})
		if err := r.store.Store(context.Background(), record("a", 1, completed, 1)); err != nil { // somebody else's
			t.Fatal(err)
		}
		stored()
		wantEntries(t, e.settle(), "a v1 Completed")
		e.leave()
		if _, open := <-store.notify; open {
			t.Error("the subscription outlives leave")
		}
	})
}

func TestPollFindsWhatOthersStored(t *testing.T) {
	run(t, func(r *rig) {
		e := r.join()
		defer e.leave()
		synctest.Wait()
		if err := r.store.Store(context.Background(), record("a", 1, completed, 1)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		a := e.next()
		e.done(a)
		wantEntries(t, []backend.Entry{a}, "a v1 Completed")
		if took := time.Since(start); took > 250*time.Millisecond {
			t.Errorf("found after %v", took)
		}
		start = time.Now()
		r.commit(record("b", 1, completed, 1))
		wantEntries(t, e.settle(), "b v1 Completed")
		if took := time.Since(start); took != 0 {
			t.Errorf("an own commit waited %v for the poll", took)
		}
	})
}

func TestDisabledOutboxIsLeftAlone(t *testing.T) {
	run(t, func(r *rig) {
		r.rebuild(func(c *shim.Config) { c.OutboxDisabled = true })
		e := r.join()
		defer e.leave()
		r.commit(record("a", 1, completed, 1))
		<-time.After(time.Minute)
		r.store.locked(func() {
			if r.store.lists != 0 || len(r.store.outbox) != 1 {
				t.Errorf("%d listings, %d rows", r.store.lists, len(r.store.outbox))
			}
		})
	})
}
