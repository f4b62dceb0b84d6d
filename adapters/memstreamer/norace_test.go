//go:build !race

package memstreamer_test

// flatEvents is how many events the memory test sends.
const flatEvents = 10_000_000
