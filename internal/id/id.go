// Package id makes run ids, mostly UUIDs of version 7 (RFC 9562), whose order is the order of their making to the millisecond, so that an
// index on them grows at its end.
package id

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// New returns a run id made at now. It is safe for concurrent use.
func New(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails, by its contract
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return text(b)
}

// Of returns the run id that a workflow and a key of its own always have: a UUID of version 8 (RFC 9562) made of the first bits of the
// SHA-256 of both. It never changes, because stored runs depend on it.
func Of(workflowName, key string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(workflowName)) + ":" + workflowName + key))
	b := [16]byte(sum[:16])
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return text(b)
}

// text writes an id in its usual form.
func text(b [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
