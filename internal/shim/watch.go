package shim

import (
	"slices"
	"sync"
)

// watchList is who wants to be told of something.
type watchList struct {
	mu   sync.Mutex
	list []*watcher // replaced, never changed
}

// add has changed called at every tell, until the returned function was called, which waits for a running call.
func (l *watchList) add(changed func()) (stop func()) {
	w := &watcher{changed: changed}
	l.mu.Lock()
	l.list = append(slices.Clone(l.list), w)
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		l.list = slices.DeleteFunc(slices.Clone(l.list), func(o *watcher) bool { return o == w })
		l.mu.Unlock()
		w.stop()
	}
}

func (l *watchList) tell() {
	l.mu.Lock()
	list := l.list
	l.mu.Unlock()
	for _, w := range list {
		w.call()
	}
}

// watcher makes calls that do not overlap. Whoever comes while a call runs leaves a note and goes on.
type watcher struct {
	changed func()

	mu      sync.Mutex
	running bool
	again   bool
	stopped bool
	idle    chan struct{} // closed when the running call ends; nil unless somebody waits for that
}

func (w *watcher) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running || w.stopped {
		w.again = true
		return
	}
	w.running, w.again = true, true
	for w.again && !w.stopped {
		w.again = false
		w.mu.Unlock()
		w.changed()
		w.mu.Lock()
	}
	w.running = false
	if w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

func (w *watcher) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.running && w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	if idle != nil {
		<-idle
	}
}
