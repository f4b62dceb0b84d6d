package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Open-file-description locks: they belong to the open file, not to the process, so two Backends in one process exclude each
// other as two processes do, and the kernel frees them when the last descriptor goes, also on kill -9.
const (
	ofdGetLock = 36
	ofdSetLock = 37
)

// fileLocks holds one Backend's locks: a shared one at byte 0 says that it is present, one byte per role says who plays it.
type fileLocks struct {
	file      *os.File
	bell      *os.File
	exclusive bool
}

// openLocks opens the lock file and the doorbell and takes the presence lock.
func openLocks(path string, exclusive bool) (*fileLocks, error) {
	f, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	kind := int16(syscall.F_RDLCK)
	if exclusive {
		kind = syscall.F_WRLCK
	}
	l := &fileLocks{file: f, exclusive: exclusive}
	ok, err := l.set(kind, presenceByte)
	switch {
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case !ok:
		return nil, errors.Join(errExclusive, f.Close())
	}
	if l.bell, err = os.OpenFile(path+bellSuffix, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// alone reports whether no other Backend has the file open.
func (l *fileLocks) alone() bool {
	if l.exclusive {
		return true
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: presenceByte, Len: 1}
	if err := syscall.FcntlFlock(l.file.Fd(), ofdGetLock, &lock); err != nil {
		return false
	}
	return lock.Type == syscall.F_UNLCK
}

// tryRole takes the lock at the offset, unless another Backend holds it.
func (l *fileLocks) tryRole(offset int64) (bool, error) { return l.set(syscall.F_WRLCK, offset) }

// freeRole gives the lock at the offset back and wakes those who wait for one.
func (l *fileLocks) freeRole(offset int64) error {
	if _, err := l.set(syscall.F_UNLCK, offset); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte{1}, 0)
	return err
}

// nextEpoch counts the grants of the role in the lock file. The caller holds the role.
func (l *fileLocks) nextEpoch(slot int64) (int64, error) {
	var b [8]byte
	at := epochBase + 8*slot
	if _, err := l.file.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	epoch := binary.LittleEndian.Uint64(b[:]) + 1
	binary.LittleEndian.PutUint64(b[:], epoch)
	if _, err := l.file.WriteAt(b[:], at); err != nil {
		return 0, err
	}
	return int64(epoch), nil
}

// ring tells the other Backends on the file that something was committed.
func (l *fileLocks) ring() error {
	_, err := l.bell.WriteAt([]byte{1}, 0)
	return err
}

// close gives every lock back.
func (l *fileLocks) close() error { return errors.Join(l.file.Close(), l.bell.Close()) }

func (l *fileLocks) set(kind int16, offset int64) (bool, error) {
	for {
		lock := syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: offset, Len: 1}
		err := syscall.FcntlFlock(l.file.Fd(), ofdSetLock, &lock)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES):
			return false, nil
		default:
			return false, fmt.Errorf("lock byte %d of %s: %w", offset, l.file.Name(), err)
		}
	}
}
