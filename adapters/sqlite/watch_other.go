//go:build !linux

package sqlite

import "errors"

// fileWatch is not there on this platform; the store looks once a second instead.
type fileWatch struct{}

// errNoNotify says that this platform has no file watching that needs no further library.
var errNoNotify = errors.New("no file notification on this platform")

func watchFiles(string, func(), func()) (*fileWatch, error) { return nil, errNoNotify }

func (w *fileWatch) stop() error { return nil }
