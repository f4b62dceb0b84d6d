package shim

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

// tenure is the time between a Join and its leave. One is in office at a time, in the order of joining.
type tenure struct {
	b       *Backend
	buckets int
	granted func(backend.Grant)
	epoch   int64

	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	started bool // in office; guarded by Backend.roleMu
	once    sync.Once
	left    chan struct{}

	receivers []*receiver
	scanWake  chan struct{}
}

// Join grants all buckets as soon as no other Join of this Backend is in office: which process works on which topic is
// decided by the RoleScheduler. Then it starts the relay, the receivers and the scan. leave ends them, waits for them, and
// forgets what was received and not finished; leaving twice is no error.
func (b *Backend) Join(ctx context.Context, workflowName string, buckets int, granted func(backend.Grant)) (leave func(), err error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if workflowName != b.cfg.WorkflowName {
		return nil, fmt.Errorf("join workflow %s: these parts serve workflow %s", backend.Quote(workflowName), backend.Quote(b.cfg.WorkflowName))
	}
	if buckets <= 0 {
		return nil, fmt.Errorf("join with %d buckets", buckets)
	}
	t := &tenure{b: b, buckets: buckets, granted: granted, left: make(chan struct{}), scanWake: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.roleMu.Lock()
	defer b.roleMu.Unlock()
	b.tenures = append(b.tenures, t)
	if b.tenures[0] == t {
		t.start()
	}
	return t.leave, nil
}

// start takes office; roleMu is held.
func (t *tenure) start() {
	b := t.b
	b.epoch++
	t.epoch, t.started = b.epoch, true
	b.log.begin(t.buckets)
	t.wg.Go(t.open)
	if !b.cfg.OutboxDisabled {
		t.wg.Go(func() { newRelay(b).run(t.ctx) })
	}
}

// open restores what has a due time, grants the roles, and starts what brings events.
func (t *tenure) open() {
	b := t.b
	if b.cfg.Timeouts != nil {
		restored := b.restoreTimers(t.ctx, t.buckets, restore{})
		t.wg.Go(func() { b.mirror.run(t.ctx, t.buckets, restored) })
	}
	if err := b.restorePaused(t.ctx, t.buckets); err != nil && t.ctx.Err() == nil {
		b.report(t.ctx, "restore what paused runs wait for", "", err)
	}
	if t.ctx.Err() != nil {
		return
	}
	t.granted(backend.Grant{Buckets: all(t.buckets), Epoch: t.epoch, Context: t.ctx})
	for _, spec := range b.cfg.Receivers {
		t.receivers = append(t.receivers, newReceiver(t, spec))
	}
	t.wg.Go(func() { t.scan() })
	for _, r := range t.receivers {
		t.wg.Go(r.run)
	}
}

// leave ends the tenure, or takes it out of the queue, and lets the next one start.
func (t *tenure) leave() {
	t.once.Do(func() {
		b := t.b
		t.cancel()
		b.roleMu.Lock()
		started := t.started
		if !started {
			b.tenures = slices.DeleteFunc(b.tenures, func(o *tenure) bool { return o == t })
		}
		b.roleMu.Unlock()
		if started {
			t.wg.Wait()
			b.log.clear()
			b.cache.clear()
			b.held.dropMirrored()
			b.roleMu.Lock()
			b.tenures = b.tenures[1:]
			if len(b.tenures) > 0 {
				b.tenures[0].start()
			}
			b.roleMu.Unlock()
		}
		close(t.left)
	})
	<-t.left
}

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
