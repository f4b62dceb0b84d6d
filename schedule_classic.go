package workflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/internal/cron"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// classicSchedules are the schedules of a workflow on classic parts, where nothing can be stored of them: they live in the process. Each has a
// role of the scheduler. Who gets it goes on after the foreign id's newest run; start keys keep a slot from firing twice whatever the
// scheduler does. It is a companion of its workflow.
type classicSchedules struct {
	workflow    string
	clock       Clock
	log         *logger
	counter     ErrorCounter
	policy      machine.Policy
	noJitter    bool
	stopTimeout time.Duration
	hold        func(ctx context.Context, role engine.Role, fn func(held context.Context))
	// newest is when the foreign id's newest run was made; the zero time where there is none.
	newest func(ctx context.Context, foreignID string) (time.Time, error)
	// fire does what is to be done for a slot, under recover and a deadline.
	fire func(ctx context.Context, id string, def scheduleDef, slot time.Time, waited time.Duration) error

	mu      sync.Mutex
	all     map[string]*classicSchedule
	outer   context.Context // of Run: its end is the end of running calls too; nil before
	soft    context.Context // ends with stop: nothing new begins
	quit    context.CancelFunc
	hard    context.Context // ends a stop timeout later
	end     context.CancelCauseFunc
	running sync.WaitGroup
}

// classicSchedule is one of them; it is guarded by classicSchedules.mu.
type classicSchedule struct {
	id    string
	def   scheduleDef
	since time.Time // when it was asked for
	last  time.Time // the last slot that this process has dealt with
	state State
}

func newClassicSchedules[Type any, Status StatusType](w *Workflow[Type, Status], s *schedules[Type]) *classicSchedules {
	return &classicSchedules{
		workflow: w.name, clock: w.clock, log: w.log, counter: w.opts.errorCounter, policy: w.opts.defaults.policy().WithDefaults(),
		noJitter: w.opts.noJitter, stopTimeout: w.opts.stopTimeout, all: make(map[string]*classicSchedule),
		hold: func(ctx context.Context, role engine.Role, fn func(context.Context)) { w.flow.Singleton(ctx, role, fn) },
		newest: func(ctx context.Context, foreignID string) (time.Time, error) {
			rec, err := w.flow.Engine().Backend().Latest(ctx, w.name, foreignID)
			switch {
			case isNotFound(err):
				return time.Time{}, nil
			case err != nil:
				return time.Time{}, err
			}
			return rec.CreatedAt, nil
		},
		fire: func(ctx context.Context, id string, def scheduleDef, slot time.Time, waited time.Duration) error {
			return w.flow.Guard(ctx, w.opts.defaults.deadline, func(ctx context.Context) error {
				_, _, err := s.fireSlot(ctx, id, def, slot, waited)
				return err
			})
		},
	}
}

// add takes a schedule in, or what is new of one that is here.
func (c *classicSchedules) add(id string, def scheduleDef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.all[id]; s != nil {
		s.def = def
		return
	}
	s := &classicSchedule{id: id, def: def, since: c.clock.Now(), state: StateShutdown}
	c.all[id] = s
	if c.soft != nil && c.soft.Err() == nil {
		c.begin(s)
	}
}

func (c *classicSchedules) start(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outer = ctx
	c.soft, c.quit = context.WithCancel(ctx)
	c.hard, c.end = context.WithCancelCause(context.WithoutCancel(ctx))
	for _, s := range c.all {
		c.begin(s)
	}
}

// begin has a schedule ask for its role; c.mu is held. It ends with stop, which waits for it.
func (c *classicSchedules) begin(s *classicSchedule) {
	s.state = StateIdle
	process := scheduleProcess(s.id, s.def)
	role := engine.Role{Name: schedulesName(c.workflow) + ":" + s.id, Classic: makeRole(c.workflow, process)}
	c.running.Go(func() {
		defer c.setState(s, StateShutdown)
		c.hold(c.soft, role, func(held context.Context) {
			c.setState(s, StateRunning)
			defer c.setState(s, StateIdle)
			c.serve(held, s)
		})
	})
}

func (c *classicSchedules) stop() bool {
	c.mu.Lock()
	outer, quit, end := c.outer, c.quit, c.end
	if quit != nil {
		quit() // under the lock, so that add begins nothing afterwards
	}
	c.mu.Unlock()
	if quit == nil {
		return true
	}
	ended := make(chan struct{})
	go func() { // ends with the last schedule
		c.running.Wait()
		close(ended)
	}()
	limit, cancel := context.WithTimeout(outer, c.stopTimeout)
	defer cancel()
	select {
	case <-ended:
		end(nil)
		return true
	case <-limit.Done():
	}
	end(ErrStopping)
	limit, cancel = context.WithTimeout(context.Background(), 4*obeyWithin)
	defer cancel()
	select {
	case <-ended:
		return true
	case <-limit.Done():
		return false
	}
}

func (c *classicSchedules) setState(s *classicSchedule, state State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.state = state
}

func (c *classicSchedules) states() map[string]State {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]State, len(c.all))
	for id, s := range c.all {
		out[scheduleProcess(id, s.def)] = s.state
	}
	return out
}

// health is that of the engine, which the workflow reports: a schedule that fails tries again and says so.
func (*classicSchedules) health() error { return nil }

// serve fires the schedule's slots while the role is held.
func (c *classicSchedules) serve(held context.Context, s *classicSchedule) {
	work, end := context.WithCancelCause(held)
	defer end(nil)
	defer context.AfterFunc(c.hard, func() { end(ErrStopping) })()
	defer context.AfterFunc(c.outer, func() { end(ErrStopping) })()
	wait, endWait := context.WithCancel(work)
	defer endWait()
	defer context.AfterFunc(c.soft, endWait)()

	def, after := c.view(s)
	parsed, err := def.parse()
	if err != nil {
		c.report(s.id, err, "nothing of it is fired in this process")
		<-wait.Done()
		return
	}
	var newest time.Time
	if !c.persist(wait, s.id, c.clock.Now(), func() (err error) {
		newest, err = c.newest(work, def.ForeignID)
		return err
	}) {
		return
	}
	if after.IsZero() || newest.After(after) {
		after = newest
	}
	if after.IsZero() {
		after = s.since
	}
	for {
		next, ok := parsed.Next(after)
		if !ok {
			<-wait.Done()
			return
		}
		if after, ok = c.slot(wait, work, s, parsed, next); !ok {
			return
		}
	}
}

// slot waits for the next slot and deals with it. It returns what the one after has to come after, and false where the role or the workflow
// has ended.
func (c *classicSchedules) slot(wait, work context.Context, s *classicSchedule, parsed *cron.Schedule, next time.Time) (after time.Time, ok bool) {
	for c.clock.Now().Before(next) {
		if !c.sleep(wait, next.Sub(c.clock.Now())) {
			return after, false
		}
	}
	look := c.clock.Now()
	def, _ := c.view(s)
	slot, _ := def.plan(parsed, next, look)
	if slot.After(look) {
		return slot.Add(-1), wait.Err() == nil
	}
	done := c.persist(wait, s.id, look, func() error {
		return c.fire(work, s.id, def, slot, c.clock.Now().Sub(look))
	})
	if !done {
		return after, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.last = slot
	return slot, true
}

// view returns the schedule's present definition and the last slot that this process has dealt with.
func (c *classicSchedules) view(s *classicSchedule) (scheduleDef, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.def, s.last
}

// persist does something until it succeeds, with growing waits; it reports false when ctx ended first.
func (c *classicSchedules) persist(ctx context.Context, id string, since time.Time, do func() error) bool {
	policy := c.policy
	policy.MaxAttempts = -1
	for failures := 0; ; {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		var wait time.Duration
		var later *engine.LaterError
		if errors.As(err, &later) {
			wait = later.After
		} else {
			failures++
			f := engine.Explain(err)
			if failures == 1 {
				c.report(id, err, "tried again until it succeeds")
			}
			c.count(id, err)
			wait = policy.MaxBackOff // for a permanent failure
			if !f.Permanent {
				chance := 1.0
				if !c.noJitter {
					chance = rand.Float64()
				}
				wait = machine.Retry(policy, machine.Failure{Attempts: failures, After: f.After}, chance).Wait
			}
		}
		if !c.sleep(ctx, wait) {
			return false
		}
	}
}

// sleep waits by the workflow's clock; it reports false when ctx ended first.
func (c *classicSchedules) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-c.clock.After(d):
		return ctx.Err() == nil
	}
}

// count tells the user's error counter; one that panics harms nobody.
func (c *classicSchedules) count(id string, err error) {
	if c.counter == nil {
		return
	}
	defer func() { _ = recover() }()
	c.counter.Add(err, c.workflow, "schedule", id)
}

func (c *classicSchedules) report(id string, err error, hint string) {
	text := engine.Explain(err).Text
	c.log.Error(context.Background(), &Error{Op: "schedule", Workflow: c.workflow, Err: fmt.Errorf("%q: %s", id, text), Hint: hint})
}

// scheduleWaiver says what schedules lack on classic parts.
const scheduleWaiver = "schedules live in the process and are not stored: each process that is to fire one has to call Schedule, and they can be neither " +
	"listed nor paused; slots that a filter refused or an overlap left out are looked at again after a restart"
