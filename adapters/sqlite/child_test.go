package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// childEnv makes the test binary play another process: what to do, then its arguments, separated by blanks.
const childEnv = "STILLWATER_SQLITE_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		if err := runChild(strings.Split(task, "\n")); err != nil {
			fmt.Fprintln(os.Stdout, "error", strings.ReplaceAll(err.Error(), "\n", "; "))
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild does what the parent asked for, in the child process.
func runChild(task []string) error {
	b, err := Open(task[1])
	if err != nil {
		return err
	}
	switch task[0] {
	case "open":
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done or gone
	case "advance":
		err = childAdvance(b, task[2])
	case "commit":
		err = childCommit(b, task[2], task[3])
	case "limited":
		err = childLimited(b)
	case "join":
		err = childJoin(b)
	}
	return errors.Join(err, b.Close())
}

// childAdvance commits the next version of four runs at a time, for ever, and says so after each commit.
func childAdvance(b *Backend, prefix string) error {
	ctx := context.Background()
	next := make([]uint, 4)
	for i := range next {
		r, err := b.Lookup(ctx, fmt.Sprint(prefix, i))
		switch {
		case errors.Is(err, backend.ErrRecordNotFound):
		case err != nil:
			return err
		default:
			next[i] = r.Meta.Version
		}
	}
	fmt.Println("open")
	for {
		batch := make([]*backend.Change, len(next))
		for i := range next {
			next[i]++
			id := fmt.Sprint(prefix, i)
			batch[i] = change(id, id, next[i])
		}
		if err := b.Commit(ctx, batch); err != nil {
			return err
		}
		line := "ack"
		for i, c := range batch {
			if c.Err != nil {
				return c.Err
			}
			line += " " + strconv.FormatUint(uint64(next[i]), 10)
		}
		fmt.Println(line)
	}
}

// childCommit commits n versions of one run as soon as the parent writes a line, and then one for each further line.
func childCommit(b *Backend, id, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	fmt.Println("open")
	in := bufio.NewScanner(os.Stdin)
	for v := uint(0); in.Scan(); {
		for range n {
			v++
			c := change(id, id, v)
			if err := errors.Join(b.Commit(context.Background(), []*backend.Change{c}), c.Err); err != nil {
				return err
			}
		}
		fmt.Println("done", v)
	}
	return nil
}

// childJoin takes the role of the test's workflow and keeps it.
func childJoin(b *Backend) error {
	leave, err := b.Join(context.Background(), testFlow, 16, func(g backend.Grant) { fmt.Println("granted", g.Epoch) })
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	leave()
	return nil
}

// child is a process that the test started.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t *testing.T, task ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(task, "\n"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			c.kill()
		}
	})
	return c
}

// line returns the child's next line; false when it ended.
func (c *child) line() (string, bool) {
	ok := c.out.Scan()
	return c.out.Text(), ok
}

// expect reads the child's next line, which must begin with the word.
func (c *child) expect(word string) string {
	c.t.Helper()
	line, ok := c.line()
	if !ok || !strings.HasPrefix(line, word) {
		c.t.Fatalf("child said %q (%v), want %q", line, ok, word)
	}
	return line
}

func (c *child) say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatal(err)
	}
}

// kill ends the child as a crash does, and returns what it had still said.
func (c *child) kill() (last []string) {
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	for {
		line, ok := c.line()
		if !ok {
			break
		}
		last = append(last, line)
	}
	_ = c.cmd.Wait() // it says "killed"
	return last
}

// end lets the child finish by itself.
func (c *child) end() {
	c.t.Helper()
	_ = c.in.Close()
	for {
		line, ok := c.line()
		if !ok {
			break
		}
		if strings.HasPrefix(line, "error") {
			c.t.Errorf("child: %s", line)
		}
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("child: %v", err)
	}
}
