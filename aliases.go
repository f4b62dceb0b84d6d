package workflow

import (
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// The contracts, re-exported so that users and adapters need one import. See package backend for what they promise.
type (
	Record               = backend.Record
	Meta                 = backend.Meta
	RunState             = backend.RunState
	PausedBy             = backend.PausedBy
	Event                = backend.Event
	ConnectorEvent       = backend.ConnectorEvent
	OutboxEvent          = backend.OutboxEvent
	OutboxEventData      = backend.OutboxEventData
	Header               = backend.Header
	EventFilter          = backend.EventFilter
	ConnectorEventFilter = backend.ConnectorEventFilter
	RecordStore          = backend.RecordStore
	TestingRecordStore   = backend.TestingRecordStore
	EventStreamer        = backend.EventStreamer
	EventSender          = backend.EventSender
	EventReceiver        = backend.EventReceiver
	Ack                  = backend.Ack
	ReceiverOptions      = backend.ReceiverOptions
	ReceiverOption       = backend.ReceiverOption
	ConnectorConstructor = backend.ConnectorConstructor
	ConnectorConsumer    = backend.ConnectorConsumer
	RoleScheduler        = backend.RoleScheduler
	TimeoutStore         = backend.TimeoutStore
	TimeoutRecord        = backend.TimeoutRecord
	Logger               = backend.Logger
	Clock                = backend.Clock
	OrderType            = backend.OrderType
	RecordFilter         = backend.RecordFilter
	Filter               = backend.Filter
	FilterTime           = backend.FilterTime
	Backend              = backend.Backend
	InProgressError      = backend.InProgressError
	ConflictError        = backend.ConflictError
	Error                = backend.Error
	Finder               = backend.Finder
	Eraser               = backend.Eraser
	Point                = backend.Point
	Cause                = backend.Cause
	Receiver             = backend.Receiver
	Delivery             = backend.Delivery
	DeliveryState        = backend.DeliveryState
)

// The run states; see [RunState].
const (
	RunStateUnknown              = backend.RunStateUnknown
	RunStateInitiated            = backend.RunStateInitiated
	RunStateRunning              = backend.RunStateRunning
	RunStatePaused               = backend.RunStatePaused
	RunStateCancelled            = backend.RunStateCancelled
	RunStateCompleted            = backend.RunStateCompleted
	RunStateDataDeleted          = backend.RunStateDataDeleted
	RunStateRequestedDataDeleted = backend.RunStateRequestedDataDeleted
)

// Who paused a run; see [PausedBy].
const (
	PausedByNobody   = backend.PausedByNobody
	PausedByOperator = backend.PausedByOperator
	PausedByEngine   = backend.PausedByEngine
)

// What made a version; see [Cause].
const (
	CauseUnknown  = backend.CauseUnknown
	CauseTrigger  = backend.CauseTrigger
	CauseStep     = backend.CauseStep
	CauseCallback = backend.CauseCallback
	CauseTimeout  = backend.CauseTimeout
	CauseOperator = backend.CauseOperator
	CauseEngine   = backend.CauseEngine
	CauseStore    = backend.CauseStore
	CauseSignal   = backend.CauseSignal
)

// The headers of an [Event].
const (
	HeaderWorkflowName  = backend.HeaderWorkflowName
	HeaderForeignID     = backend.HeaderForeignID
	HeaderTopic         = backend.HeaderTopic
	HeaderRunID         = backend.HeaderRunID
	HeaderRunState      = backend.HeaderRunState
	HeaderRecordVersion = backend.HeaderRecordVersion
	HeaderConnectorData = backend.HeaderConnectorData
)

// The orders of a listing; see [OrderType].
const (
	OrderTypeUnknown    = backend.OrderTypeUnknown
	OrderTypeAscending  = backend.OrderTypeAscending
	OrderTypeDescending = backend.OrderTypeDescending
)

// FilterUsing reports whether any filter leaves the event out.
func FilterUsing(e *Event, filters ...EventFilter) bool { return backend.FilterUsing(e, filters...) }

// FilterConnectorEventUsing reports whether any filter leaves the event out.
func FilterConnectorEventUsing(e *ConnectorEvent, filters ...ConnectorEventFilter) bool {
	return backend.FilterConnectorEventUsing(e, filters...)
}

// MakeFilter collects filters so that a store can ask what they want.
func MakeFilter(filters ...RecordFilter) *backend.RecordFilters {
	return backend.MakeFilter(filters...)
}

// FilterByForeignID keeps runs of any of these foreign ids.
func FilterByForeignID(foreignIDs ...string) RecordFilter {
	return backend.FilterByForeignID(foreignIDs...)
}

// FilterByStatus keeps runs in any of these statuses.
func FilterByStatus[statusType ~int | ~int8 | ~int16 | ~int32 | ~int64](statuses ...statusType) RecordFilter {
	return backend.FilterByStatus(statuses...)
}

// FilterByRunState keeps runs in any of these run states.
func FilterByRunState(runStates ...RunState) RecordFilter {
	return backend.FilterByRunState(runStates...)
}

// FilterByCreatedAtAfter keeps runs that were created after the time.
func FilterByCreatedAtAfter(after time.Time) RecordFilter {
	return backend.FilterByCreatedAtAfter(after)
}

// FilterByCreatedAtBefore keeps runs that were created before the time.
func FilterByCreatedAtBefore(before time.Time) RecordFilter {
	return backend.FilterByCreatedAtBefore(before)
}

// FilterByUpdatedAtAfter keeps runs whose last version was made after the time.
func FilterByUpdatedAtAfter(after time.Time) RecordFilter {
	return backend.FilterByUpdatedAtAfter(after)
}

// FilterByUpdatedAtBefore keeps runs whose last version was made before the time.
func FilterByUpdatedAtBefore(before time.Time) RecordFilter {
	return backend.FilterByUpdatedAtBefore(before)
}

// FilterByReason keeps runs whose reason (why they are paused, cancelled, …) contains the text, byte for byte. An empty text keeps all.
func FilterByReason(contains string) RecordFilter { return backend.FilterByReason(contains) }

// MakeOutboxEventData encodes the event of a record, for stores that keep an outbox.
func MakeOutboxEventData(record Record) (OutboxEventData, error) {
	return backend.MakeOutboxEventData(record)
}

// Topic is the topic of a workflow's events of one status.
func Topic(workflowName string, statusType int) string {
	return backend.Topic(workflowName, statusType)
}

// DeleteTopic is the topic of a workflow's requests to delete a run's data.
func DeleteTopic(workflowName string) string { return backend.DeleteTopic(workflowName) }

// RunStateChangeTopic is the topic of a workflow's events that stop or end a run.
func RunStateChangeTopic(workflowName string) string {
	return backend.RunStateChangeTopic(workflowName)
}

// WithReceiverPollFrequency sets how often a receiver looks where nothing can notify it.
func WithReceiverPollFrequency(d time.Duration) ReceiverOption {
	return backend.WithReceiverPollFrequency(d)
}

// StreamFromLatest starts a new receiver name behind the last event.
func StreamFromLatest() ReceiverOption { return backend.StreamFromLatest() }
