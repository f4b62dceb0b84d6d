package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"time"
)

// lookEvery is how often a store looks at the head where nothing can notify it.
const lookEvery = time.Second

// watcher tells watchers of the log what other Backends and plain Stores have committed, tells watchers of what is due what other Backends
// have committed beside the log, and tells those who wait for a role when one may be free. It sleeps until somebody is watching and
// something happens.
type watcher struct {
	b *Backend

	mu      sync.Mutex
	closed  bool
	next    int
	subs    map[int]*subscription
	roles   map[int]chan struct{} // those who wait for a role; each channel holds at most one signal
	known   marks                 // what up to here was announced or committed by this Backend
	files   *fileWatch
	stop    chan struct{} // ends the fallback
	fallen  sync.WaitGroup
	started bool
}

// subscription is one Watch or WatchDue.
type subscription struct {
	due     bool       // of WatchDue
	mu      sync.Mutex // held during a call
	changed func()
	ended   bool
}

func newWatcher(b *Backend) *watcher {
	return &watcher{b: b, subs: map[int]*subscription{}, roles: map[int]chan struct{}{}, stop: make(chan struct{})}
}

// Watch calls changed whenever entries may have become visible that did not come from a Commit on this Backend: another
// process's or Backend's, within milliseconds where the system can notify (Linux) and within a second elsewhere, and plain
// Stores on this one. changed must return at once and must not call stop. After Close, Watch does nothing.
func (b *Backend) Watch(changed func()) (stop func()) { return b.watch.subscribe(changed, false) }

// WatchDue calls changed whenever a change with Wake may have become visible that did not come from a Commit on this Backend; as soon as,
// and with the rules of, Watch.
func (b *Backend) WatchDue(changed func()) (stop func()) { return b.watch.subscribe(changed, true) }

func (w *watcher) subscribe(changed func(), due bool) (stop func()) {
	s := &subscription{changed: changed, due: due}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return func() {}
	}
	id := w.next
	w.next++
	w.subs[id] = s
	w.mu.Unlock()
	// First listen, then read where the log stands: what is committed in between rings.
	w.start()
	w.look(false)
	return func() {
		w.mu.Lock()
		delete(w.subs, id)
		w.mu.Unlock()
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
	}
}

// awaitRole returns a channel that gets a signal when a role may have become free.
func (w *watcher) awaitRole() (freed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	id := w.next
	w.next++
	w.roles[id] = ch
	w.mu.Unlock()
	w.start()
	return ch, func() {
		w.mu.Lock()
		delete(w.roles, id)
		w.mu.Unlock()
	}
}

// start listens for other processes, once, and only where there may be any.
func (w *watcher) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started || w.closed || w.b.cfg.exclusive {
		return
	}
	w.started = true
	if w.b.locks != nil && !w.b.cfg.noInotify {
		files, err := watchFiles(w.b.path, w.roleFreed, func() { w.look(true) })
		if err == nil {
			w.files = files
			return
		}
	}
	// Nothing can notify here, or the system's watches are used up: look once a second.
	w.fallen.Go(w.lookRegularly)
}

// roleFreed signals everybody who waits for a role.
func (w *watcher) roleFreed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.roles {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// look reads the marks and announces what lies beyond the known.
func (w *watcher) look(announce bool) {
	ctx := context.Background()
	var m marks
	err := w.b.read(ctx, "read head", func(c *conn) (err error) { m, err = readMarks(ctx, c); return err })
	if err != nil {
		if announce && !w.b.isClosed() {
			w.announce(true, true) // whoever reads next will see what is wrong
		}
		return
	}
	entries, due := w.learn(m, m)
	if announce {
		w.announce(entries, due)
	}
}

// committed files an own transaction, which found the marks at base and left them at now. What somebody else committed before it is
// announced; so are the entries of a plain Store.
func (w *watcher) committed(base, now marks, classic bool) {
	entries, due := w.learn(base, now)
	w.announce(entries || classic, due)
	if !w.b.locks.alone() {
		// A doorbell that cannot be rung costs the others time, no entry: they find it at the next ring.
		_ = w.b.locks.ring()
	}
}

// learn reports what of others' marks was not known, and takes all up to now as known.
func (w *watcher) learn(others, now marks) (entries, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries, due = others.head > w.known.head, others.wakes > w.known.wakes
	w.known.head, w.known.wakes = max(w.known.head, now.head), max(w.known.wakes, now.wakes)
	return entries, due
}

// announce calls the watchers of entries, and of what is due.
func (w *watcher) announce(entries, due bool) {
	if !entries && !due {
		return
	}
	w.mu.Lock()
	subs := make([]*subscription, 0, len(w.subs))
	for _, s := range w.subs {
		if s.due && due || !s.due && entries {
			subs = append(subs, s)
		}
	}
	w.mu.Unlock()
	for _, s := range subs {
		s.call()
	}
}

func (s *subscription) call() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.changed()
	}
}

// lookRegularly is the fallback. The doorbell's file is asked first, which costs one system call; a read-only store, which has
// none, reads the head.
func (w *watcher) lookRegularly() {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	rung := bellTime(w.b.path)
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
		}
		now := bellTime(w.b.path)
		if w.b.locks == nil || !now.Equal(rung) || now.IsZero() {
			rung = now
			w.look(true)
		}
		w.roleFreed()
	}
}

// close ends every watch.
func (w *watcher) close() error {
	w.mu.Lock()
	w.closed = true
	files := w.files
	w.mu.Unlock()
	close(w.stop)
	w.fallen.Wait()
	if files != nil {
		return files.stop()
	}
	return nil
}

// Head returns the position of the newest log entry, zero in an empty log. It does not go back when that entry is erased.
func (b *Backend) Head(ctx context.Context) (int64, error) {
	var head int64
	err := b.read(ctx, "read head", func(c *conn) (err error) {
		head, _, err = c.queryInt(ctx, "SELECT "+headTerm)
		return err
	})
	return head, err
}

// ReadLog returns at most limit entries with a position above after, in order.
func (b *Backend) ReadLog(ctx context.Context, after int64, limit int) ([]entry, error) {
	if limit <= 0 {
		return nil, errors.Join(ctx.Err())
	}
	var entries []entry
	err := b.read(ctx, "read log", func(c *conn) error {
		s := scan{b: b, c: c, ctx: ctx}
		err := c.query(ctx, func(row []driver.Value) error {
			s.entry(row)
			e := &s.entries[len(s.entries)-1]
			e.Current, e.Held = asInt(row[20]) == 1, asInt(row[21]) == 1
			return nil
		}, "SELECT "+entryColumns+`, r.head = l.pos, EXISTS (SELECT 1 FROM sw_deliveries d WHERE d.run = r.id)
			FROM sw_log l CROSS JOIN sw_runs r ON r.id = l.run WHERE l.pos > ? ORDER BY l.pos LIMIT ?`, after, int64(limit))
		if err != nil {
			return err
		}
		entries, err = s.named()
		return err
	})
	return entries, err
}
