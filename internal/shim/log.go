package shim

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// privateLog is what this process received and has not finished, at positions of its own.
type privateLog struct {
	mu       sync.Mutex
	head     int64
	entries  []*line            // by position; finished ones are taken out in bulk
	finished int                // finished lines among entries
	buckets  [][]*line          // unfinished lines by bucket, by position; nil while nobody is joined
	runs     map[string][]*line // unfinished lines by run
	settled  *versions          // runs of which this process has finished the newest version that it saw
	found    *versions          // those of them whose event was not seen: the scan was faster
	scanned  int                // unfinished lines that the scan brought
	ended    int                // runs that left the scan's listing by our commits; its pages shift by them
	watchers watchList
	scanRoom chan struct{}
}

// line is one entry of the log.
type line struct {
	pos     int64
	record  *backend.Record
	current bool
	done    bool
	item    *item // the event it came from; nil for one that the scan brought
	scan    bool
}

func newPrivateLog() *privateLog {
	return &privateLog{
		runs: make(map[string][]*line), settled: newVersions(maxSettled), found: newVersions(maxSettled),
		scanRoom: make(chan struct{}, 1),
	}
}

// ReadLog returns entries that this process received and has not finished.
func (b *Backend) ReadLog(ctx context.Context, after int64, limit int) ([]backend.Entry, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	out := b.log.read(after, limit)
	for i := range out {
		r := out[i].Record
		out[i].Held = b.held.has(r.RunID)
		out[i].Current = out[i].Current && !b.cache.overtaken(r.RunID, r.Meta.Version)
	}
	return out, nil
}

// Head returns the position of the newest entry received.
func (b *Backend) Head(ctx context.Context) (int64, error) {
	if err := b.open(ctx); err != nil {
		return 0, err
	}
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	return b.log.head, nil
}

// LoadCursors returns, for every bucket, the position before the first unfinished entry.
func (b *Backend) LoadCursors(ctx context.Context, workflowName string, buckets int) ([]int64, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	out := make([]int64, buckets)
	start := b.log.start()
	for i := range out {
		out[i] = start
	}
	return out, nil
}

// SaveCursors finishes the entries that the cursors have passed, so that their events are acknowledged soon. It does no
// input or output.
func (b *Backend) SaveCursors(ctx context.Context, cursors []backend.Cursor) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	for _, c := range cursors {
		if c.WorkflowName == b.cfg.WorkflowName {
			b.log.finish(c.Bucket, c.Pos)
		}
	}
	return nil
}

// Watch calls changed after each entry that arrives; calls that would pile up become one. changed must not call stop.
func (b *Backend) Watch(changed func()) (stop func()) { return b.log.watchers.add(changed) }

// begin makes the log ready for a tenure.
func (l *privateLog) begin(buckets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets = make([][]*line, buckets)
}

// clear forgets everything that is unfinished. Positions go on.
func (l *privateLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.buckets, l.finished, l.scanned = nil, nil, 0, 0
	clear(l.runs)
	l.settled.clear()
	l.found.clear()
}

// append adds an entry and tells the watchers. What the scan and the stream both bring becomes one entry.
func (l *privateLog) append(ln *line) {
	l.mu.Lock()
	known := ln.item != nil && l.attach(ln.item) || ln.scan && ln.current && len(l.runs[ln.record.RunID]) > 0
	if known || l.buckets == nil { // or nobody is joined any more
		l.mu.Unlock()
		return
	}
	l.head++
	ln.pos = l.head
	l.entries = append(l.entries, ln)
	bucket := backend.BucketOf(ln.record.RunID, len(l.buckets))
	l.buckets[bucket] = append(l.buckets[bucket], ln)
	l.runs[ln.record.RunID] = append(l.runs[ln.record.RunID], ln)
	if ln.scan {
		l.scanned++
	}
	l.mu.Unlock()
	l.watchers.tell()
}

func (l *privateLog) read(after int64, limit int) []backend.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].pos > after })
	var out []backend.Entry
	for ; i < len(l.entries) && len(out) < limit; i++ {
		if ln := l.entries[i]; !ln.done {
			out = append(out, backend.Entry{Pos: ln.pos, Record: ln.record, Current: ln.current})
		}
	}
	return out
}

// start is the position before the first unfinished entry.
func (l *privateLog) start() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ln := range l.entries {
		if !ln.done {
			return ln.pos - 1
		}
	}
	return l.head
}

// finish marks the bucket's entries up to pos as done.
func (l *privateLog) finish(bucket int, pos int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bucket < 0 || bucket >= len(l.buckets) {
		return
	}
	of := l.buckets[bucket]
	n := 0
	for ; n < len(of) && of[n].pos <= pos; n++ {
		l.finishLine(of[n])
		of[n] = nil
	}
	if l.buckets[bucket] = of[n:]; len(of) == n {
		l.buckets[bucket] = nil
	}
	if l.finished > 64 && l.finished > len(l.entries)/2 || l.finished == len(l.entries) {
		l.entries = slices.DeleteFunc(l.entries, func(ln *line) bool { return ln.done })
		l.finished = 0
	}
}

// finishLine ends one entry; l.mu is held.
func (l *privateLog) finishLine(ln *line) {
	runID, version := ln.record.RunID, ln.record.Meta.Version
	ln.done = true
	l.finished++
	if rest := slices.DeleteFunc(l.runs[runID], func(o *line) bool { return o == ln }); len(rest) > 0 {
		l.runs[runID] = rest
	} else {
		delete(l.runs, runID)
	}
	if ln.current {
		l.settled.put(runID, version)
	}
	if ln.scan {
		l.scanned--
		poke(l.scanRoom)
	}
	switch {
	case ln.item != nil:
		ln.item.finish()
	case ln.current && version > 0:
		l.found.put(runID, version)
	}
}

// foundBefore reports whether the scan has brought the version of an event already. Then the event needs no entry of its own: it is
// finished with the scan's entry.
func (l *privateLog) foundBefore(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attach(it)
}

// attach is foundBefore; l.mu is held.
func (l *privateLog) attach(it *item) bool {
	if it.version == 0 {
		return false
	}
	if v, ok := l.found.get(it.runID); ok && v == it.version {
		it.finish()
		return true
	}
	for _, ln := range l.runs[it.runID] {
		if ln.scan && ln.current && ln.item == nil && ln.record.Meta.Version == it.version {
			ln.item = it
			return true
		}
	}
	return false
}

// has reports whether an unfinished entry of the run is in the log.
func (l *privateLog) has(runID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.runs[runID]) > 0
}

// hasSettled reports whether this process has finished that version of the run, or a newer one.
func (l *privateLog) hasSettled(r *backend.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.settled.get(r.RunID)
	return ok && v >= r.Meta.Version
}

// countEnd counts runs that ended, for the scan.
func (l *privateLog) countEnd(r *backend.Record) {
	if r.RunState.Moving() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended++
}

func (l *privateLog) endedSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// waitScanRoom parks until the scan may bring another entry; false when ctx ended.
func (l *privateLog) waitScanRoom(ctx context.Context) bool {
	for {
		l.mu.Lock()
		room := l.scanned < maxScanEntries
		l.mu.Unlock()
		if room {
			return ctx.Err() == nil
		}
		if !waitFor(ctx, l.scanRoom, -1) {
			return false
		}
	}
}
