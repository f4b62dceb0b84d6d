//go:build !race

package integration

import "time"

// killWithin is the latest moment of a kill, from the start or from the worker's first sign.
const killWithin = 40 * time.Millisecond
