package backend

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// newOutboxID returns a random id for an outbox event.
func newOutboxID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make outbox id: %w", err)
	}
	return OutboxIDPrefix + hex.EncodeToString(b[:]), nil
}
