//go:build !linux

package sqlite

import "os"

// checkFileSystem cannot tell a network file system on this platform.
func checkFileSystem(string) error { return nil }

// fileID tells that a file is there.
type fileID struct{ there bool }

// identify returns whether the path leads to a file.
func identify(path string) (fileID, error) {
	_, err := os.Stat(path)
	return fileID{there: err == nil}, err
}
