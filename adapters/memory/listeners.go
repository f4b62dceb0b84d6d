package memory

import (
	"slices"
	"sync"
)

// listeners are functions to call when something happened. The zero value is ready.
type listeners struct {
	mu  sync.Mutex
	all []*listener // replaced, never changed in place
}

// listener is one function; its calls do not overlap.
type listener struct {
	mu      sync.Mutex
	call    func()
	stopped bool
}

// add makes call be called from now on. stop ends that and waits for a running call; it may be called again.
func (l *listeners) add(call func()) (stop func()) {
	one := &listener{call: call}
	l.mu.Lock()
	l.all = append(slices.Clip(l.all), one)
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		l.all = slices.DeleteFunc(slices.Clone(l.all), func(other *listener) bool { return other == one })
		l.mu.Unlock()
		one.mu.Lock()
		one.stopped = true
		one.mu.Unlock()
	}
}

// tell calls every listener, one after the other.
func (l *listeners) tell() {
	l.mu.Lock()
	all := l.all
	l.mu.Unlock()
	for _, one := range all {
		one.tell()
	}
}

func (l *listener) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.call()
	}
}
