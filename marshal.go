package workflow

import "encoding/json"

// Marshal encodes an object as JSON: as it is stored, unless the workflow has [WithCodec] or [WithObjectVersion].
func Marshal[T any](t *T) ([]byte, error) { return json.Marshal(t) }

// Unmarshal decodes what [Marshal] made. Nothing at all leaves t as it is.
func Unmarshal[T any](b []byte, t *T) error {
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, t)
}
