package workflow

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/shim"
)

// State is what one of a workflow's processes does in this program.
type State int

// The states of a process.
const (
	// StateUnknown is the zero value.
	StateUnknown State = 0
	// StateShutdown means not started, or stopped.
	StateShutdown State = 1
	// StateRunning means that this program plays the role.
	StateRunning State = 2
	// StateIdle means that another one does, and this one waits.
	StateIdle State = 3
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case StateShutdown:
		return "Shutdown"
	case StateRunning:
		return "Running"
	case StateIdle:
		return "Idle"
	default:
		return "Unknown"
	}
}

// processes knows which classic roles run, where third-party parts decide that one by one.
type processes struct {
	mu      sync.Mutex
	names   []string
	running map[string]bool // by process name; nil where roles are held as a whole
}

func (p *processes) init(names []string) { p.names = names }

func (p *processes) set(name string, running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		p.running = make(map[string]bool)
	}
	p.running[name] = running
}

// States returns what each of the workflow's processes does in this program, by name.
func (w *Workflow[Type, Status]) States() map[string]State {
	w.mu.Lock()
	started, stopped := w.started, w.stopped
	w.mu.Unlock()
	held := started && w.flow.Holds() > 0
	p := &w.processes
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[string]State, len(p.names))
	for _, name := range p.names {
		running, known := p.running[name]
		switch {
		case !started || stopped:
			out[name] = StateShutdown
		case held && (running || !known):
			out[name] = StateRunning
		default:
			out[name] = StateIdle
		}
	}
	w.companionStates(out)
	return out
}

// state is what the workflow as a whole does in this program.
func (w *Workflow[Type, Status]) state() State {
	w.mu.Lock()
	started, stopped := w.started, w.stopped
	w.mu.Unlock()
	switch {
	case !started || stopped:
		return StateShutdown
	case w.flow.Holds() > 0:
		return StateRunning
	}
	return StateIdle
}

// makeRole joins the parts of a role's or process's name in its classic form.
func makeRole(parts ...string) string {
	return strings.ReplaceAll(strings.ToLower(strings.Join(parts, "-")), " ", "_")
}

func (w *Workflow[Type, Status]) parallel(status int) int {
	return max(w.parallelCounts[status], 1)
}

// processNames lists the workflow's processes.
func (w *Workflow[Type, Status]) processNames() []string {
	names := []string{"outbox-consumer", "delete-consumer"}
	if w.opts.resumeAfter > 0 {
		names = append(names, "paused-records-retry-consumer")
	}
	for status := range w.spec.Steps {
		n := w.parallel(status)
		for i := 1; i <= n; i++ {
			names = append(names, stepProcess(w.statusName(status), i, n))
		}
	}
	for status := range w.spec.Timeouts {
		names = append(names, makeRole(w.statusName(status), "timeout-consumer"), makeRole(w.statusName(status), "timeout-auto-inserter-consumer"))
	}
	for _, h := range w.hooks {
		names = append(names, h.process())
	}
	return names
}

func stepProcess(status string, shard, of int) string {
	return makeRole(status, "consumer", strconv.Itoa(shard), "of", strconv.Itoa(of))
}

// classicConfig tells the shim which topics and roles the workflow has.
func (w *Workflow[Type, Status]) classicConfig(es EventStreamer, rs RecordStore, sched RoleScheduler, bo buildOptions) shim.Config {
	labels := make(map[string][]string) // role -> process names
	cfg := shim.Config{
		WorkflowName: w.name, Store: rs, Streamer: es, Scheduler: sched, Timeouts: bo.timeoutStore, Clock: w.clock,
		Logger:         w.log.Error,
		OutboxDisabled: bo.outbox.disabled, OutboxPoll: bo.outbox.pollingFrequency,
		OutboxBackOff: bo.outbox.errBackOff, OutboxLimit: int(bo.outbox.lookupLimit),
		OutboxRole: makeRole(w.name, "outbox-consumer"),
		AutoResume: bo.resumeAfter,
	}
	add := func(topic, role string, shard, shards int, names ...string) {
		labels[role] = names
		cfg.Receivers = append(cfg.Receivers, shim.ReceiverSpec{
			Topic: topic, Role: role, Shard: shard, Shards: shards, PollFrequency: bo.defaults.pollingFrequency,
		})
	}
	for status := range w.spec.Steps {
		n := w.parallel(status)
		for i := 1; i <= n; i++ {
			role := makeRole(w.name, strconv.Itoa(status), "consumer", strconv.Itoa(i), "of", strconv.Itoa(n))
			add(backend.Topic(w.name, status), role, i, n, stepProcess(w.statusName(status), i, n))
		}
	}
	w.classicStatuses(add)
	var hooks []string
	for _, h := range w.hooks {
		hooks = append(hooks, h.process())
	}
	if len(hooks) > 0 {
		add(backend.RunStateChangeTopic(w.name), makeRole(w.name, "run-state-change-hook-consumer"), 1, 1, hooks...)
	}
	add(backend.DeleteTopic(w.name), makeRole(w.name, "delete-consumer"), 1, 1, "delete-consumer")
	labels[cfg.OutboxRole] = []string{"outbox-consumer"}
	cfg.StateChanged = func(role string, running bool) {
		for _, name := range labels[role] {
			w.processes.set(name, running)
		}
	}
	return cfg
}

// classicStatuses adds a receiver for every status without a step in which something has to be learnt of a run that enters it: its timers
// come back after a pause, signals that came early are delivered, hooks are told.
func (w *Workflow[Type, Status]) classicStatuses(add func(topic, role string, shard, shards int, names ...string)) {
	every := false
	hooked := make(map[int]bool)
	for _, h := range w.hooks {
		every = every || h.about == aboutEveryStatus || h.name == "run-state-change"
		hooked[int(h.status)] = hooked[int(h.status)] || h.about == aboutStatus
	}
	for _, status := range w.graph.Statuses() {
		if w.spec.Steps[status] != nil {
			continue // its receiver brings everything about the status
		}
		role, process := makeRole(w.name, strconv.Itoa(status), "status-consumer"), makeRole(w.statusName(status), "status-consumer")
		switch {
		case len(w.spec.Timeouts[status]) > 0:
			role = makeRole(w.name, strconv.Itoa(status), "timeout-auto-inserter-consumer")
			process = makeRole(w.statusName(status), "timeout-auto-inserter-consumer")
		case !every && !hooked[status] && len(w.spec.Signals[status]) == 0:
			continue
		}
		add(backend.Topic(w.name, status), role, 1, 1, process)
	}
}

// awaitPoll is how often Await looks by itself: only where the parts cannot tell.
func (w *Workflow[Type, Status]) awaitPoll() (d time.Duration) {
	if p, ok := w.flow.Engine().Backend().(*shim.Backend); ok && p != nil {
		return w.opts.defaults.pollingFrequency
	}
	return 0
}
