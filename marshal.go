package workflow

import "encoding/json"

// Marshal encodes an object as it is stored: JSON.
func Marshal[T any](t *T) ([]byte, error) { return json.Marshal(t) }

// Unmarshal decodes a stored object. An empty one leaves t as it is.
func Unmarshal[T any](b []byte, t *T) error {
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, t)
}
