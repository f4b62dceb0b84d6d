package sqlite

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/stillwater-go/workflow/backend"
)

// errSharingViolation is the system's answer for a file that another process keeps to itself.
const errSharingViolation = syscall.Errno(32)

// fileLocks holds one Backend's presence. On Windows a store serves one Backend at a time: the lock file is opened without
// sharing, and the system closes it when the process dies. So every role is free for whoever got that far.
type fileLocks struct {
	file  *os.File
	grant atomic.Int64
}

// openLocks opens the lock file for this Backend alone.
func openLocks(path string, _ bool) (*fileLocks, error) {
	name, err := syscall.UTF16PtrFromString(path + lockSuffix)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS,
		syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, errSharingViolation):
		return nil, fmt.Errorf("%w: on this platform one process at a time can have the store open", backend.ErrLocked)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path+lockSuffix, err)
	}
	return &fileLocks{file: os.NewFile(uintptr(h), path+lockSuffix)}, nil
}

// alone is always true here.
func (l *fileLocks) alone() bool { return true }

// tryRole always succeeds: nobody else is there.
func (l *fileLocks) tryRole(int64) (bool, error) { return true, nil }

// freeRole has nobody to wake.
func (l *fileLocks) freeRole(int64) error { return nil }

// nextEpoch counts the grants since the store was opened.
func (l *fileLocks) nextEpoch(int64) (int64, error) { return l.grant.Add(1), nil }

// ring has nobody to tell.
func (l *fileLocks) ring() error { return nil }

// close lets the next Backend in.
func (l *fileLocks) close() error { return l.file.Close() }
