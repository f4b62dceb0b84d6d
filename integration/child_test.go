package integration

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// child is a process that a test has started.
type child struct {
	cmd    *exec.Cmd
	stderr tail
	exited chan struct{} // closed when it has ended and everything it wrote is in lines
	err    error         // how it ended; read it after exited

	once sync.Once
}

// spawn starts a process and ends it with the test at the latest. Whole lines that the process writes to its descriptor 3 are handed to
// heard, one after the other, until it has ended; a line that was cut short by its death is not.
func spawn(t *testing.T, cmd *exec.Cmd, heard func(line string)) *child {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, exited: make(chan struct{})}
	cmd.ExtraFiles = []*os.File{w}
	if cmd.Stderr == nil {
		cmd.Stderr = &c.stderr
	}
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.exited)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			heard(line[:len(line)-1])
		}
		_ = r.Close()
		c.err = cmd.Wait()
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the process with SIGKILL and waits until it is gone and all that it wrote is heard.
func (c *child) kill() {
	c.once.Do(func() { _ = c.cmd.Process.Kill() }) // it may have ended by itself, which exited tells
	<-c.exited
}

// dead reports whether the process has ended.
func (c *child) dead() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// copyOfSelf is a command that runs this program with another task.
func copyOfSelf(t *testing.T, task string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), envWorker+"="+task), env...)
	return cmd
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 16 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if extra := len(w.buf) - tailBytes; extra > 0 {
		w.buf = append(w.buf[:0], w.buf[extra:]...)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(bytes.TrimSpace(w.buf))
}

var _ io.Writer = (*tail)(nil)
