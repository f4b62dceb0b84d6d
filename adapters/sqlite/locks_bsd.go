//go:build darwin || freebsd || netbsd || openbsd

package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// fileLocks holds one Backend's locks. Without locks on byte ranges that belong to an open file, each role has a file of its own.
type fileLocks struct {
	path      string
	file      *os.File
	bell      *os.File
	exclusive bool

	mu    sync.Mutex
	roles map[int64]*os.File
}

// openLocks opens the lock file and the doorbell and takes the presence lock.
func openLocks(path string, exclusive bool) (*fileLocks, error) {
	f, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	kind := syscall.LOCK_SH
	if exclusive {
		kind = syscall.LOCK_EX
	}
	ok, err := flock(f, kind)
	switch {
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case !ok:
		return nil, errors.Join(errExclusive, f.Close())
	}
	l := &fileLocks{path: path, file: f, exclusive: exclusive, roles: map[int64]*os.File{}}
	if l.bell, err = os.OpenFile(path+bellSuffix, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// alone reports whether no other Backend has the file open. A shared lock cannot be asked about without risking it, so the
// answer is no unless the file is held exclusively; a doorbell rung for nobody costs one small write.
func (l *fileLocks) alone() bool { return l.exclusive }

// tryRole takes the lock at the offset, unless another Backend holds it.
func (l *fileLocks) tryRole(offset int64) (bool, error) {
	f, err := os.OpenFile(fmt.Sprintf("%s%s-%x", l.path, lockSuffix, offset), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, err
	}
	ok, err := flock(f, syscall.LOCK_EX)
	if err != nil || !ok {
		return false, errors.Join(err, f.Close())
	}
	l.mu.Lock()
	l.roles[offset] = f
	l.mu.Unlock()
	return true, nil
}

// freeRole gives the lock at the offset back and wakes those who wait for one.
func (l *fileLocks) freeRole(offset int64) error {
	l.mu.Lock()
	f := l.roles[offset]
	delete(l.roles, offset)
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	err := f.Close()
	_, werr := l.file.WriteAt([]byte{1}, 0)
	return errors.Join(err, werr)
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
func (l *fileLocks) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, f := range l.roles {
		errs = append(errs, f.Close())
	}
	clear(l.roles)
	return errors.Join(append(errs, l.file.Close(), l.bell.Close())...)
}

func flock(f *os.File, kind int) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), kind|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}
