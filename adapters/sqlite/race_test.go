//go:build race

package sqlite

// kills is how many child processes the crash test kills; the race detector makes each one slow.
const kills = 40

// slowRows is how many rows make a statement that takes some tenths of a second.
const slowRows = 200_000
