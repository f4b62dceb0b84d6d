package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// fileWatch tells when another process touches the lock file or the doorbell. One goroutine waits in the runtime's poller.
type fileWatch struct {
	file *os.File
	done sync.WaitGroup
}

// watchFiles starts to watch. onLock is called when a role may have become free, onBell when something may have been
// committed; both from one goroutine, and they must return soon.
func watchFiles(path string, onLock, onBell func()) (*fileWatch, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	lock, err := syscall.InotifyAddWatch(fd, path+lockSuffix, syscall.IN_MODIFY|syscall.IN_CLOSE_WRITE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("inotify: watch %s: %w", path+lockSuffix, err), f.Close())
	}
	bell, err := syscall.InotifyAddWatch(fd, path+bellSuffix, syscall.IN_MODIFY)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("inotify: watch %s: %w", path+bellSuffix, err), f.Close())
	}
	w := &fileWatch{file: f}
	w.done.Go(func() { w.run(int32(lock), int32(bell), onLock, onBell) })
	return w, nil
}

// stop ends the watch and waits for a running call. It must not be called by onLock or onBell.
func (w *fileWatch) stop() error {
	err := w.file.Close()
	w.done.Wait()
	return err
}

func (w *fileWatch) run(lock, bell int32, onLock, onBell func()) {
	buf := make([]byte, 4096)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return // closed by stop; no other error can be mended here, and roles are also tried once a second
		}
		var lockHit, bellHit bool
		for b := buf[:n]; len(b) >= syscall.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(b))
			mask := binary.NativeEndian.Uint32(b[4:])
			size := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			overflow := mask&syscall.IN_Q_OVERFLOW != 0
			lockHit = lockHit || wd == lock || overflow
			bellHit = bellHit || wd == bell || overflow
			b = b[min(size, len(b)):]
		}
		if bellHit {
			onBell()
		}
		if lockHit {
			onLock()
		}
	}
}
