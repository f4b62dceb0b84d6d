package shim

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// The bounds of one Backend.
const (
	maxUnacked     = 1024  // events of one receiver in work, over an advancing streamer
	maxScanEntries = 1024  // entries in work that the scan found
	maxCached      = 4096  // records kept of own commits
	maxSenders     = 256   // topics with an open sender
	maxHeldRows    = 10000 // outbox rows put aside because they cannot be sent
	maxMirrorQueue = 10000 // changes that the TimeoutStore did not take yet
	maxSettled     = 10000 // runs of which is remembered that they wait for nothing of ours
	maxAttempts    = 100   // attempts kept of one run
	maxAttemptRuns = 10000 // runs of which attempts are kept
	scanPage       = 200   // runs per page of the scan
)

// Config says what a Backend is made of. WorkflowName, Store, Streamer and Scheduler are required.
type Config struct {
	WorkflowName string
	Store        backend.RecordStore
	Streamer     backend.EventStreamer
	Scheduler    backend.RoleScheduler
	// Timeouts mirrors timers, so that they survive the process; nil keeps them in memory alone.
	Timeouts backend.TimeoutStore
	// Clock is the workflow's clock, by which the scan judges how old a run is. Defaults to backend.RealClock.
	Clock backend.Clock
	// Logger receives the errors of the parts; nil drops them. It may be called concurrently.
	Logger func(ctx context.Context, err error)

	// OutboxDisabled leaves the outbox to somebody else.
	OutboxDisabled bool
	// OutboxPoll is how often the outbox is read where the Store is no backend.Notifier. Defaults to 250 ms.
	OutboxPoll time.Duration
	// OutboxBackOff is how long the relay waits after a failure, and the first wait of a row that cannot be sent. Defaults to 500 ms.
	OutboxBackOff time.Duration
	// OutboxLimit is how many outbox rows are read at once. Defaults to 1,000.
	OutboxLimit int
	// OutboxRole is the role under which the relay runs.
	OutboxRole string

	// Receivers are the topics to read, each under its role.
	Receivers []ReceiverSpec
	// Scan is how often unfinished runs are looked through. Defaults to 10 minutes.
	Scan time.Duration
	// AutoResume is how long after a pause by the engine a run is resumed, so that a resume that a crash lost can be set
	// again. Zero restores none.
	AutoResume time.Duration
	// StateChanged is told when this process gets and loses a role; nil tells nobody. It may be called concurrently.
	StateChanged func(role string, running bool)
}

// ReceiverSpec is one receiver of a topic.
type ReceiverSpec struct {
	Topic string
	// Role is the full role name; it names the receiver's cursor too.
	Role string
	// Shard and Shards split a topic's runs: FNV-1a of the run id modulo Shards equals Shard-1. Zero Shards counts as one.
	Shard, Shards int
	// PollFrequency is handed to the streamer; zero leaves it to the streamer.
	PollFrequency time.Duration
}

// takes reports whether the run is of this shard.
func (s ReceiverSpec) takes(runID string) bool {
	return s.Shards <= 1 || backend.BucketOf(runID, s.Shards) == s.Shard-1
}

// Backend is a backend.Backend over plain parts. All methods may be called concurrently.
type Backend struct {
	cfg      Config
	store    store
	checks   bool // the store keeps the version rule
	advances bool // the streamer's Recv moves on before the ack
	notifier backend.Notifier

	slot     backend.Slot
	closed   atomic.Bool
	locks    stripes
	cache    *recordCache
	log      *privateLog
	held     *deliveries
	attempts *attemptLog
	mirror   *mirror

	relayWake   chan struct{}
	dueWatchers watchList

	roleMu  sync.Mutex
	tenures []*tenure // the first is in office, the others wait; guarded by roleMu
	epoch   int64     // guarded by roleMu
}

var (
	_ backend.Backend       = (*Backend)(nil)
	_ backend.PromptCursors = (*Backend)(nil)
	_ backend.HeldLister    = (*Backend)(nil)
	_ backend.DueWatcher    = (*Backend)(nil)
)

// New completes the parts of cfg. It starts nothing.
func New(cfg Config) *Backend {
	if cfg.Clock == nil {
		cfg.Clock = backend.RealClock{}
	}
	setDefault(&cfg.OutboxPoll, 250*time.Millisecond)
	setDefault(&cfg.OutboxBackOff, 500*time.Millisecond)
	setDefault(&cfg.Scan, 10*time.Minute)
	if cfg.OutboxLimit <= 0 {
		cfg.OutboxLimit = 1000
	}
	cfg.Receivers = append([]ReceiverSpec(nil), cfg.Receivers...)
	b := &Backend{
		cfg:       cfg,
		cache:     newRecordCache(maxCached),
		log:       newPrivateLog(),
		attempts:  newAttemptLog(),
		relayWake: make(chan struct{}, 1),
	}
	if c, ok := cfg.Store.(backend.CheckingStore); ok {
		b.checks = c.ChecksVersions()
	}
	if a, ok := cfg.Streamer.(backend.AdvancingStreamer); ok {
		b.advances = a.RecvAdvances()
	}
	b.notifier, _ = cfg.Store.(backend.Notifier)
	b.store = store{plain: cfg.Store, copies: !b.checks}
	b.held = newDeliveries(b)
	b.mirror = newMirror(b)
	return b
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Slot keeps the engine of this Backend.
func (b *Backend) Slot() *backend.Slot { return &b.slot }

// PromptCursors reports true: an acknowledgement waits for the cursor.
func (b *Backend) PromptCursors() bool { return true }

// VolatileDeliveries reports true: what waits is kept in memory.
func (b *Backend) VolatileDeliveries() bool { return true }

// Close ends what still runs and makes later calls fail with backend.ErrClosed. The parts belong to the caller and stay
// open. Closing twice is no error.
func (b *Backend) Close() error {
	b.closed.Store(true)
	b.roleMu.Lock()
	all := append([]*tenure(nil), b.tenures...)
	b.roleMu.Unlock()
	for _, t := range all {
		t.leave()
	}
	return nil
}

// open returns why a call cannot be served.
func (b *Backend) open(ctx context.Context) error {
	if b.closed.Load() {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// report hands an error of a part to the Logger.
func (b *Backend) report(ctx context.Context, op, runID string, err error) {
	if b.cfg.Logger != nil {
		b.cfg.Logger(ctx, &backend.Error{Op: op, Workflow: b.cfg.WorkflowName, RunID: runID, Err: err})
	}
}

func (b *Backend) stateChanged(role string, running bool) {
	if b.cfg.StateChanged != nil {
		b.cfg.StateChanged(role, running)
	}
}
