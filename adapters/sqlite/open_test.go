package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustExec(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := otherDB(t, path)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenRefuses: what is not a store of ours is refused with a named error and a hint, and not changed.
func TestOpenRefuses(t *testing.T) {
	ours := func(t *testing.T, path string) {
		b, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, b, change("r", "f", 1))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"text file", func(t *testing.T, p string) { write(t, p, strings.Repeat("this is a letter. ", 100)) }, backend.ErrNotOurs},
		{"another application's database", func(t *testing.T, p string) { mustExec(t, p, "CREATE TABLE songs (id INTEGER)") }, backend.ErrNotOurs},
		{"another application's id", func(t *testing.T, p string) { mustExec(t, p, "PRAGMA application_id = 7") }, backend.ErrNotOurs},
		{"newer schema", func(t *testing.T, p string) { ours(t, p); mustExec(t, p, "PRAGMA user_version = 99") }, backend.ErrNewerSchema},
		{"other steps", func(t *testing.T, p string) { ours(t, p); mustExec(t, p, "UPDATE sw_migrations SET checksum = 'x'") }, backend.ErrNotOurs},
		{"folder", func(t *testing.T, p string) {
			if err := os.Mkdir(p, 0o700); err != nil {
				t.Fatal(err)
			}
		}, backend.ErrNotOurs},
		{"damaged", func(t *testing.T, p string) {
			ours(t, p)
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			for i := 120; i < len(data); i++ { // behind the header and into every page
				data[i] = 0x5a
			}
			write(t, p, string(data))
		}, backend.ErrCorrupt},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			for _, open := range []func(string, ...Option) (*Backend, error){Open, OpenReadOnly} {
				b, err := open(path)
				if err == nil {
					_ = b.Close()
					t.Fatal("it was opened")
				}
				var e *backend.Error
				if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Op != "open" || e.Hint == "" {
					t.Errorf("error is %v, want %v with a hint", err, c.want)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenPaths(t *testing.T) {
	for _, path := range []string{"", ":memory:", "file:x.db?mode=memory"} {
		if _, err := Open(path); !errors.Is(err, backend.ErrUnsafeStore) {
			t.Errorf("Open(%q): %v, want ErrUnsafeStore", path, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "such", "folder.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v, want os.ErrNotExist", err)
	}
	if _, err := OpenReadOnly(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read-only, missing file: %v, want os.ErrNotExist", err)
	}
	// A name that means something in a URI is a name like any other.
	path := filepath.Join(t.TempDir(), "50% off?#1 ünïcode&mode=ro.db")
	b := openAt(t, path)
	commit(t, b, change("r", "f", 1))
	if _, err := os.Stat(path); err != nil || b.Path() != path {
		t.Errorf("the file is not where it should be: %v, %s", err, b.Path())
	}
	// Another name of the same file shares its locks.
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if other := openAt(t, link); other.Path() != path {
		t.Errorf("by the link the path is %s", other.Path())
	}
}

// TestSettings: what was asked for is what the connections have (F2).
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		want string
	}{{nil, "2"}, {[]Option{WithSynchronous(SynchronousNormal)}, "1"}} {
		b := openTest(t, c.opts...)
		for pragma, want := range map[string]string{
			"synchronous": c.want, "journal_mode": "wal", "application_id": "1400138871", "secure_delete": "1", "trusted_schema": "0",
		} {
			if got, err := b.writer.c.pragma(t.Context(), pragma); err != nil || got != want {
				t.Errorf("%s is %s (%v), want %s", pragma, got, err, want)
			}
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x.db"), WithSynchronous(9)); !errors.Is(err, backend.ErrUnsafeStore) {
		t.Errorf("unknown Synchronous: %v", err)
	}
}

func TestOpenExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b := openAt(t, path, WithExclusive())
	if _, err := Open(path); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("second Open: %v, want ErrLocked", err)
	}
	commit(t, b, change("r", "f", 1))
	mustBeSound(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	if _, err := Open(path, WithExclusive()); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("exclusive Open beside another: %v, want ErrLocked", err)
	}
}

// TestSynctest: an exclusive store lives in a bubble of virtual time.
func TestSynctest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		b, err := Open(path, WithExclusive())
		if err != nil {
			t.Fatal(err)
		}
		stop := b.Watch(func() {})
		leave, err := b.Join(t.Context(), testFlow, 16, func(backend.Grant) {})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for v := uint(1); v <= 12; v++ {
			<-time.After(time.Hour)
			commit(t, b, change("r", "f", v))
		}
		if passed := time.Since(began); passed != 12*time.Hour {
			t.Errorf("%v passed, want 12h", passed)
		}
		leave()
		stop()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	w := openAt(t, path)
	commit(t, w, change("r", "f", 1))
	b := func() *Backend {
		b, err := OpenReadOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	defer b.Close()
	mustBeSound(t, b)
	if r, err := b.Lookup(t.Context(), "r"); err != nil || r.Meta.Version != 1 {
		t.Errorf("Lookup: %+v, %v", r, err)
	}
	c := change("r", "f", 2)
	if err := b.Commit(t.Context(), []*backend.Change{c}); !errors.Is(err, backend.ErrReadOnly) || !errors.Is(c.Err, backend.ErrReadOnly) {
		t.Errorf("Commit: %v, %v, want ErrReadOnly", err, c.Err)
	}
	if _, err := b.Join(t.Context(), testFlow, 4, nil); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("Join: %v, want ErrReadOnly", err)
	}
	if _, _, err := b.RoleScheduler().Await(t.Context(), "role"); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("Await: %v, want ErrReadOnly", err)
	}
	if !w.locks.alone() {
		t.Error("a reader counts as a Backend that has to be woken")
	}
}

// TestOpenBesideOneThatMakesTheFile: while another process makes the file, whose it is is read as of one moment.
func TestOpenBesideOneThatMakesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	first, err := dial(dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	second, err := dial(dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	second.raw = beforeQuery{second.raw, func(query string) {
		if query == "PRAGMA user_version" { // after the application's id, before everything else
			asked = true
			_ = all[0].apply(t.Context(), first) // the reader may keep it out; then it is for later
		}
	}}
	if _, err := checkOurs(t.Context(), second, true); err != nil || !asked {
		t.Errorf("a file that is being made: %v (asked %v)", err, asked)
	}
}

// beforeQuery is a connection that does something before each query.
type beforeQuery struct {
	rawConn
	do func(query string)
}

func (c beforeQuery) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.do(query)
	return c.rawConn.QueryContext(ctx, query, args)
}

// TestMigrationIsAtomic: a step that fails half-way leaves nothing behind.
func TestMigrationIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	c, err := dial(dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	m := migration{version: 1, script: "CREATE TABLE sw_half (x); CREATE TABLE sw_half (x);"}
	if err := m.apply(context.Background(), c); err == nil {
		t.Fatal("a broken step succeeded")
	}
	n, _, err := c.queryInt(t.Context(), "SELECT count(*) FROM sqlite_schema")
	if err != nil || n != 0 {
		t.Errorf("%d objects are left (%v)", n, err)
	}
	openAt(t, path)
}

func TestSoundVersion(t *testing.T) {
	for version, want := range map[string]bool{
		"3.44.5": false, "3.44.6": true, "3.45.0": false, "3.50.6": false, "3.50.7": true, "3.51.2": false, "3.51.3": true,
		"3.52.0": false, "3.53.0": true, "3.54.1": true, "4.0.0": true, "2.8.17": false, "3.7.0": false, "x": false, "3.x.1": false,
	} {
		if got := soundVersion(version); got != want {
			t.Errorf("soundVersion(%q) is %v", version, got)
		}
	}
}

// TestDriverPin: the driver works with exactly the version of modernc.org/libc that it was made with.
func TestDriverPin(t *testing.T) {
	list := func(format, module string) string {
		cmd := exec.Command("go", "list", "-m", "-f", format, module)
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list -m %s: %v", module, err)
		}
		return strings.TrimSpace(string(out))
	}
	text, err := os.ReadFile(list("{{.GoMod}}", "modernc.org/sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`modernc\.org/libc (v\S+)`).FindStringSubmatch(string(text))
	if got := list("{{.Version}}", "modernc.org/libc"); want == nil || got != want[1] {
		t.Errorf("modernc.org/libc is pinned at %s, the driver wants %v", got, want)
	}
	if got := list("{{.Version}}", "modernc.org/sqlite"); got != "v1.61.1" {
		t.Errorf("modernc.org/sqlite is %s", got)
	}
}
