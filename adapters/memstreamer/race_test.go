//go:build race

package memstreamer_test

// flatEvents is how many events the memory test sends; the race detector makes each of them some twenty times slower.
const flatEvents = 300_000
