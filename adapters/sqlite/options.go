package sqlite

import (
	"fmt"
	"runtime"
	"time"
)

// Synchronous says when a commit is forced to the disk.
type Synchronous int

const (
	// SynchronousFull forces every commit to the disk before it is reported: nothing acknowledged is lost when the power
	// fails. It is the zero value and the default.
	SynchronousFull Synchronous = 0
	// SynchronousNormal forces only checkpoints to the disk. DANGER: when the power or the operating system fails, the last
	// acknowledged commits are gone, although the file stays sound. A kill of the process alone loses nothing.
	SynchronousNormal Synchronous = 1
)

// String returns the word of SQLite's pragma.
func (s Synchronous) String() string {
	switch s {
	case SynchronousFull:
		return "FULL"
	case SynchronousNormal:
		return "NORMAL"
	}
	return fmt.Sprintf("Synchronous(%d)", int(s))
}

// level is what the pragma answers when asked.
func (s Synchronous) level() string {
	if s == SynchronousNormal {
		return "1"
	}
	return "2"
}

// Option sets something about a store that is opened.
type Option func(*config)

type config struct {
	busyTimeout time.Duration
	readers     int
	pageCache   int // bytes
	synchronous Synchronous
	exclusive   bool
	txDeadline  time.Duration
	history     kept
	readOnly    bool
	// noInotify makes the store watch by looking once a second, as it does where nothing can notify. For tests.
	noInotify bool
}

// WithBusyTimeout sets how long a commit waits for another process's write lock before it fails with ErrLocked.
// Defaults to 5 seconds, also for a value that is not positive.
func WithBusyTimeout(d time.Duration) Option {
	return func(c *config) {
		if d > 0 {
			c.busyTimeout = d
		}
	}
}

// WithReaders sets how many reads may run at the same time; each has a connection of its own, opened when first needed.
// Defaults to twice the number of CPUs, at least 4; a value below 1 leaves the default.
func WithReaders(n int) Option {
	return func(c *config) {
		if n > 0 {
			c.readers = n
		}
	}
}

// WithPageCache sets how many bytes of the file's pages the writing connection keeps in memory; a reading one, of which there are up to
// [WithReaders], keeps an eighth of that. The operating system keeps pages too, so that a small cache costs little. Defaults to 4 MiB; a
// value below 64 KiB leaves the default.
func WithPageCache(bytes int) Option {
	return func(c *config) {
		if bytes >= 64<<10 {
			c.pageCache = bytes
		}
	}
}

// WithSynchronous sets when commits are forced to the disk. Defaults to [SynchronousFull]; read the warning at
// [SynchronousNormal] before you choose that.
func WithSynchronous(s Synchronous) Option {
	return func(c *config) { c.synchronous = s }
}

// WithHistory sets how many versions of a run are kept, the newest, and how many of those with their object: of older ones it is known
// when the run moved where, and why. Zero or less leaves the default, which is 100 objects and 10,000 versions. At least as many versions
// are kept as objects. They are dropped by the hundred, when a version is committed whose number is a multiple of that.
//
// More is kept where somebody still needs it: what the stored cursor of the run's bucket has not passed, and what a stored delivery to a
// hook tells of.
func WithHistory(objects, versions int) Option {
	return func(c *config) { c.history = kept{objects: int64(objects), versions: int64(versions)} }
}

// WithExclusive makes the store the only one that may have the file open: another Open of the path fails with ErrLocked, and
// so does this one while another has it. Nothing then watches for other processes and no goroutine waits in the operating
// system, which programs under testing/synctest need. Off by default.
func WithExclusive() Option {
	return func(c *config) { c.exclusive = true }
}

func newConfig(opts []Option) config {
	c := config{
		busyTimeout: 5 * time.Second,
		readers:     max(4, 2*runtime.GOMAXPROCS(0)),
		txDeadline:  time.Second,
		pageCache:   4 << 20,
	}
	for _, o := range opts {
		o(&c)
	}
	c.history = c.history.orDefault()
	return c
}
