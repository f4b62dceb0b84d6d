package backend_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// The bytes of an event are stored by programs that move over from the predecessor and by every store: they never change.
func TestOutboxBytesAreGolden(t *testing.T) {
	rec := backend.Record{WorkflowName: "my wf", ForeignID: "f", RunID: "r-1", RunState: backend.RunStateRunning, Status: 300, Meta: backend.Meta{Version: 7}}
	got, err := backend.MakeOutboxEventData(rec)
	if err != nil {
		t.Fatal(err)
	}
	const want = "10ac02" + // field 2, varint 300
		"1a0f0a0a666f726569676e5f6964120166" + // foreign_id: f
		"1a130a0e7265636f72645f76657273696f6e120137" + // record_version: 7
		"1a0d0a0672756e5f69641203722d31" + // run_id: r-1
		"1a0e0a0972756e5f7374617465120132" + // run_state: 2
		"1a120a05746f70696312096d795f77662d333030" + // topic: my_wf-300
		"1a160a0d776f726b666c6f775f6e616d6512056d79207766" + // workflow_name: my wf
		"2203722d31" // field 4: r-1
	if hex.EncodeToString(got.Data) != want {
		t.Errorf("bytes = %x\nwant    %s", got.Data, want)
	}
	if !strings.HasPrefix(got.ID, "outbox-id-") || got.WorkflowName != "my wf" {
		t.Errorf("id %q of workflow %q", got.ID, got.WorkflowName)
	}
	again, _ := backend.MakeOutboxEventData(rec)
	if again.ID == got.ID {
		t.Error("two events have one id")
	}
}

func TestOutboxRoundTripAndTopics(t *testing.T) {
	for state, topic := range map[backend.RunState]string{
		backend.RunStateInitiated:            "a_b--5",
		backend.RunStateRunning:              "a_b--5",
		backend.RunStatePaused:               "a_b-run-state-change",
		backend.RunStateCancelled:            "a_b-run-state-change",
		backend.RunStateCompleted:            "a_b-run-state-change",
		backend.RunStateDataDeleted:          "a_b-run-state-change",
		backend.RunStateRequestedDataDeleted: "a_b-delete",
	} {
		rec := backend.Record{WorkflowName: "a b", ForeignID: "ü\"", RunID: "run", RunState: state, Status: -5}
		data, err := backend.MakeOutboxEventData(rec)
		if err != nil {
			t.Fatal(err)
		}
		m, err := backend.ParseOutboxEventData(data.Data)
		if err != nil {
			t.Fatal(err)
		}
		if m.Type != -5 || m.RunID != "run" || m.Headers[backend.HeaderForeignID] != "ü\"" || m.Headers[backend.HeaderTopic] != topic {
			t.Errorf("%v: read back %+v, want topic %q", state, m, topic)
		}
	}
}

func TestMalformedOutboxBytes(t *testing.T) {
	for what, b := range map[string]string{
		"varint without an end": "10ff",
		"bytes past the end":    "22ff01",
		"unknown wire type":     "17",
		"map entry cut":         "1a020aff",
		"fixed64 cut":           "0900",
		"endless varint":        "10ffffffffffffffffffffff01",
	} {
		raw, _ := hex.DecodeString(b)
		if _, err := backend.ParseOutboxEventData(raw); !errors.Is(err, backend.ErrMalformedOutbox) {
			t.Errorf("%s: %v, want ErrMalformedOutbox", what, err)
		}
	}
	raw, _ := hex.DecodeString("0a03616263" + "2d01020304" + "110102030405060708" + "2203722d31")
	if m, err := backend.ParseOutboxEventData(raw); err != nil || m.RunID != "r-1" {
		t.Errorf("fields that we do not know are passed over: %+v, %v", m, err)
	}
}

func FuzzParseOutboxEventData(f *testing.F) {
	data, _ := backend.MakeOutboxEventData(backend.Record{WorkflowName: "w", ForeignID: "f", RunID: "r", Status: 3})
	f.Add(data.Data)
	f.Add([]byte{0x10, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := backend.ParseOutboxEventData(b)
		if err != nil && !errors.Is(err, backend.ErrMalformedOutbox) {
			t.Errorf("error without its sentinel: %v", err)
		}
		if again, _ := backend.ParseOutboxEventData(b); err == nil && !reflect.DeepEqual(m, again) {
			t.Errorf("read twice: %+v and %+v", m, again)
		}
	})
}
