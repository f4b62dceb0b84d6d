//go:build race

package integration

import "time"

// killWithin is the latest moment of a kill, from the start or from the worker's first sign. The race detector makes workers slow.
const killWithin = 150 * time.Millisecond
