//go:build !race

package sqlite

// kills is how many child processes the crash test kills.
const kills = 300

// slowRows is how many rows make a statement that takes some tenths of a second.
const slowRows = 1_000_000
