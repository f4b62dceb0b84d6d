package backend

import (
	"context"
	"time"
)

// RecordStore is the classic store of runs. Plain implementations work with the engine through its shim.
type RecordStore interface {
	// Store writes the record and its outbox event in one transaction.
	//
	// Version 0 is an unconditional upsert, outside the rule of one unfinished run per foreign id: the row stays at
	// version 0, or becomes old+1 over a versioned row. Version n ≥ 1 is stored only over n−1 (no row and a version-0
	// row count as 0), else [ErrVersionConflict]; and at most one run with version > 0 per workflow and foreign id is
	// unfinished, else [ErrWorkflowInProgress]. Store never keeps the caller's pointers.
	Store(ctx context.Context, record *Record) error
	// Lookup returns the run, or ErrRecordNotFound.
	Lookup(ctx context.Context, runID string) (*Record, error)
	// Latest returns the newest created run of the foreign id, or ErrRecordNotFound.
	Latest(ctx context.Context, workflowName, foreignID string) (*Record, error)
	// List returns runs in the order of their creation (descending: newest first), skipping the first offsetID, at most
	// limit. An empty workflow name lists all workflows.
	List(ctx context.Context, workflowName string, offsetID int64, limit int, order OrderType, filters ...RecordFilter) ([]Record, error)
	// ListOutboxEvents returns the oldest events that wait to be sent, in order.
	ListOutboxEvents(ctx context.Context, workflowName string, limit int64) ([]OutboxEvent, error)
	// DeleteOutboxEvent removes an event that was sent.
	DeleteOutboxEvent(ctx context.Context, id string) error
}

// TestingRecordStore is a RecordStore that keeps every version of a run for tests to look at.
type TestingRecordStore interface {
	RecordStore
	// Snapshots returns every stored version of the run, oldest first.
	Snapshots(workflowName, foreignID, runID string) []*Record
}

// Notifier is a RecordStore that says when an outbox event was stored, so that nobody needs to poll for it.
type Notifier interface {
	// NotifyOutbox calls stored after each Store that left an outbox event, whoever called it. stored must return at
	// once. The returned function ends it.
	NotifyOutbox(stored func()) (stop func())
}

// CheckingStore is a RecordStore that keeps the version rule of Store by itself. Over a store that does not say so the
// engine reads before it writes, which leaves a gap between processes.
type CheckingStore interface {
	ChecksVersions() bool
}

// EventStreamer is the classic stream of events by topic.
type EventStreamer interface {
	// NewSender opens a sender to the topic.
	NewSender(ctx context.Context, topic string) (EventSender, error)
	// NewReceiver opens a receiver. Its name's cursor is stored before it returns; a new name starts at the topic's first
	// event, or with StreamFromLatest behind the last at the moment of return.
	NewReceiver(ctx context.Context, topic string, name string, opts ...ReceiverOption) (EventReceiver, error)
}

// AdvancingStreamer is an EventStreamer whose Recv moves on before the ack, so that many events may be in work at once.
// Streamers that do not implement it, or answer false, are read one event at a time.
type AdvancingStreamer interface {
	RecvAdvances() bool
}

// EventSender sends to one topic.
type EventSender interface {
	// Send appends one event. The headers are not kept.
	Send(ctx context.Context, foreignID string, statusType int, headers map[Header]string) error
	// Close ends the sender; Send then fails with ErrClosed.
	Close() error
}

// EventReceiver receives from one topic under one name.
type EventReceiver interface {
	// Recv parks until an event of its topic lies past its position, the context ends (then ctx.Err()), or it is closed
	// (then ErrClosed). It advances. The Ack is idempotent and cumulative over what this receiver got; it moves the name's
	// cursor once and only forward. What was not acked comes again to the next receiver of that name.
	Recv(ctx context.Context) (*Event, Ack, error)
	// Close wakes a parked Recv; the name's cursor stays.
	Close() error
}

// Ack confirms an event, and all that the same receiver got before it.
type Ack func() error

// ConnectorConstructor makes consumers of an outside stream.
type ConnectorConstructor interface {
	Make(ctx context.Context, consumerName string) (ConnectorConsumer, error)
}

// ConnectorConsumer receives the events of an outside stream.
type ConnectorConsumer interface {
	// Recv parks until an event is there, ctx ends (then ctx.Err()), or it is closed (then ErrClosed).
	Recv(ctx context.Context) (*ConnectorEvent, Ack, error)
	// Close wakes a parked Recv; the name's cursor stays.
	Close() error
}

// ReceiverOptions are what a receiver was asked for.
type ReceiverOptions struct {
	// PollFrequency is how often to look where nothing can notify; zero leaves it to the streamer.
	PollFrequency time.Duration
	// StreamFromLatest starts a new name behind the last event instead of at the first.
	StreamFromLatest bool
}

// ReceiverOption sets one of the ReceiverOptions.
type ReceiverOption func(*ReceiverOptions)

// WithReceiverPollFrequency sets how often a receiver looks where nothing can notify it.
func WithReceiverPollFrequency(d time.Duration) ReceiverOption {
	return func(o *ReceiverOptions) { o.PollFrequency = d }
}

// StreamFromLatest starts a new name behind the last event. A name with a cursor goes on from that.
func StreamFromLatest() ReceiverOption {
	return func(o *ReceiverOptions) { o.StreamFromLatest = true }
}

// RoleScheduler decides which process plays a role.
type RoleScheduler interface {
	// Await parks until this process holds the role or ctx ends. The returned context is a child of ctx that ends when the
	// role is lost; calling the cancel function gives the role back.
	Await(ctx context.Context, role string) (context.Context, context.CancelFunc, error)
}

// TimeoutStore is the classic store of timeouts.
type TimeoutStore interface {
	// Create adds a timeout of a run's status.
	Create(ctx context.Context, workflowName, foreignID, runID string, status int, expireAt time.Time) error
	// Complete marks the timeout as done, or returns ErrTimeoutNotFound.
	Complete(ctx context.Context, id int64) error
	// Cancel removes the timeout, or returns ErrTimeoutNotFound.
	Cancel(ctx context.Context, id int64) error
	// List returns all timeouts of the workflow.
	List(ctx context.Context, workflowName string) ([]TimeoutRecord, error)
	// ListValid returns those that are not completed and expired at or before now.
	ListValid(ctx context.Context, workflowName string, status int, now time.Time) ([]TimeoutRecord, error)
}

// TimeoutRecord is a timeout as a TimeoutStore keeps it.
type TimeoutRecord struct {
	ID           int64
	WorkflowName string
	ForeignID    string
	RunID        string
	Status       int
	Completed    bool
	ExpireAt     time.Time
	CreatedAt    time.Time
}

// Logger is the classic logger.
type Logger interface {
	// Debug is for those who develop or search; it is quiet unless debug mode is on.
	Debug(ctx context.Context, msg string, meta map[string]string)
	// Error reports what a person may have to look at.
	Error(ctx context.Context, err error)
}

// Clock is the source of time for timers, schedules, backoff, lag and timestamps. The clocks of k8s.io/utils/clock and
// its fake satisfy it.
type Clock interface {
	// Now returns the present time.
	Now() time.Time
	// After returns a channel that gets the time once d has passed.
	After(d time.Duration) <-chan time.Time
}

// RealClock is the machine's clock. The zero value is ready.
type RealClock struct{}

// Now returns time.Now.
func (RealClock) Now() time.Time { return time.Now() }

// After returns time.After.
func (RealClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// OrderType is the order of a listing.
type OrderType int

// The orders. Unknown counts as ascending.
const (
	OrderTypeUnknown    OrderType = 0
	OrderTypeAscending  OrderType = 1
	OrderTypeDescending OrderType = 2
)

// String returns "ASC", "DESC", or the empty string.
func (ot OrderType) String() string {
	switch ot {
	case OrderTypeAscending:
		return "ASC"
	case OrderTypeDescending:
		return "DESC"
	default:
		return ""
	}
}
