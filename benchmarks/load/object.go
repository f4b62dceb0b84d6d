package load

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Steps is how many durable steps a run has, and Transitions how many versions it leaves: the trigger makes the first.
const (
	Steps       = 3
	Transitions = Steps + 1
)

// ObjectBytes is the size of the object as JSON.
const ObjectBytes = 200

// Object is what a run carries. Every step adds one to Count.
type Object struct {
	Count int    `json:"count"`
	Text  string `json:"text"`
}

// NewObject returns the object that every run starts with.
func NewObject() Object {
	const frame = len(`{"count":0,"text":""}`)
	return Object{Text: strings.Repeat("x", ObjectBytes-frame)}
}

// JSON returns the object as every engine stores it.
func (o Object) JSON() []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // a number and a text can always be encoded
	}
	return b
}

// Check returns an error unless the object has been through all steps unharmed.
func (o Object) Check() error {
	if o.Count != Steps || len(o.Text) != len(NewObject().Text) {
		return fmt.Errorf("the run ended with count %d and %d bytes of text, want %d and %d", o.Count, len(o.Text), Steps, len(NewObject().Text))
	}
	return nil
}
