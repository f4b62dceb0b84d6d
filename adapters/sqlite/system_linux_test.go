package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// TestHealsAfterIOError: writes that the system refuses fail the commits that need them and nothing else; when the system gives in,
// the store goes on (F4, F5). A limit on the size of files plays the failing disk, in a process of its own.
func TestHealsAfterIOError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	c := startChild(t, "limited", path)
	c.expect("refused")
	c.expect("healed 5")
	c.end()
	b := openAt(t, path)
	if r, err := b.Lookup(t.Context(), "r"); err != nil || r.Meta.Version != 5 {
		t.Errorf("run is %+v, %v", r, err)
	}
}

// childLimited commits while the system refuses to let files grow, and after it has given in.
func childLimited(b *Backend) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	if err := b.Commit(ctx, []*backend.Change{change("r", "f", 1)}); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	info, err := os.Stat(b.Path() + "-wal")
	if err != nil {
		return err
	}
	small := limit
	small.Cur = uint64(info.Size()) + 3000 // less than a page of the log
	for v := uint(2); v <= 5; v++ {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
			return err
		}
		c := change("r", "f", v)
		err := b.Commit(ctx, []*backend.Change{c})
		if err == nil || c.Err == nil || c.Pos != 0 {
			return fmt.Errorf("version %d was stored against the limit: %w", v, c.Err)
		}
		if v == 2 {
			fmt.Println("refused", err)
		}
		if r, err := b.Lookup(ctx, "r"); err != nil || r.Meta.Version != v-1 {
			return fmt.Errorf("run is %+v, %w", r, err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		c = change("r", "f", v)
		if err := errors.Join(b.Commit(ctx, []*backend.Change{c}), c.Err); err != nil {
			return fmt.Errorf("after the limit: %w", err)
		}
		if info, err = os.Stat(b.Path() + "-wal"); err != nil {
			return err
		}
		small.Cur = uint64(info.Size()) + 3000
	}
	fmt.Println("healed 5")
	return nil
}

// TestOpenWithoutPermission: a folder or file that may not be written is named as such. Root may write everywhere, so the
// test then plays somebody else in a child process.
func TestOpenWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	b := openAt(t, path)
	commit(t, b, change("r", "f", 1))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for p := dir; strings.HasPrefix(p, os.TempDir()) && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe := filepath.Join(dir, "child.test")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	try := func(path string) string {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"=open\n"+path)
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, _ := cmd.Output() // it fails, and says why
		return string(out)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if got := try(filepath.Join(dir, "new.db")); !strings.Contains(got, backend.ErrReadOnly.Error()) {
		t.Errorf("folder that may not be written: %q", got)
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{lockSuffix, bellSuffix} {
		if err := os.Chmod(path+suffix, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got := try(path); !strings.Contains(got, backend.ErrReadOnly.Error()) {
		t.Errorf("file that may not be written: %q", got)
	}
}
