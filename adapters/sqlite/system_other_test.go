//go:build !linux

package sqlite

import "errors"

// childLimited belongs to a test that runs on Linux alone.
func childLimited(*Backend) error { return errors.New("not on this platform") }
