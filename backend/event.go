package backend

import (
	"strconv"
	"strings"
	"time"
)

// Event tells that a run has a new version. It carries no state: who receives it looks the run up.
type Event struct {
	// ID grows within a topic.
	ID int64
	// ForeignID is the run id, by a classic quirk: the user's own key is in the headers.
	ForeignID string
	// Type is the status that the run is in.
	Type int
	// Headers carry what is needed to route and to judge the event.
	Headers map[Header]string
	// CreatedAt is when the streamer took it.
	CreatedAt time.Time
}

// ConnectorEvent is an event of an outside stream.
type ConnectorEvent struct {
	ID        string
	ForeignID string
	Type      string
	Headers   map[string]string
	CreatedAt time.Time
}

// Header names one of an event's headers.
type Header string

// The headers.
const (
	HeaderWorkflowName  Header = "workflow_name"
	HeaderForeignID     Header = "foreign_id"
	HeaderTopic         Header = "topic"
	HeaderRunID         Header = "run_id"
	HeaderRunState      Header = "run_state"
	HeaderRecordVersion Header = "record_version"
	HeaderConnectorData Header = "connector_data"
)

// EventFilter reports whether an event is to be left out.
type EventFilter func(e *Event) bool

// FilterUsing reports whether any filter leaves the event out.
func FilterUsing(e *Event, filters ...EventFilter) bool {
	for _, f := range filters {
		if f(e) {
			return true
		}
	}
	return false
}

// ConnectorEventFilter reports whether a connector's event is to be left out.
type ConnectorEventFilter func(e *ConnectorEvent) bool

// FilterConnectorEventUsing reports whether any filter leaves the event out.
func FilterConnectorEventUsing(e *ConnectorEvent, filters ...ConnectorEventFilter) bool {
	for _, f := range filters {
		if f(e) {
			return true
		}
	}
	return false
}

// Topic is the topic of a workflow's events of one status.
func Topic(workflowName string, statusType int) string {
	return topicName(workflowName) + "-" + strconv.Itoa(statusType)
}

// DeleteTopic is the topic of a workflow's requests to delete a run's data.
func DeleteTopic(workflowName string) string { return topicName(workflowName) + "-delete" }

// RunStateChangeTopic is the topic of a workflow's events that stop or end a run.
func RunStateChangeTopic(workflowName string) string {
	return topicName(workflowName) + "-run-state-change"
}

func topicName(workflowName string) string { return strings.ReplaceAll(workflowName, " ", "_") }

// OutboxEvent is an event that waits in a RecordStore to be sent.
type OutboxEvent struct {
	ID           string
	WorkflowName string
	// Data is what MakeOutboxEventData made.
	Data      []byte
	CreatedAt time.Time
}
