//go:build !race

package sqlite

// kills is how many child processes the crash test kills.
const kills = 300
