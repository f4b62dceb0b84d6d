package demo

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// refused runs the demo and returns the words of its refusal.
func refused(t *testing.T, o Options) (string, error) {
	t.Helper()
	s, err := Run(t.Context(), o)
	if err == nil {
		t.Fatalf("the demo ran: %+v", s)
	}
	return err.Error(), err
}

func TestResumeWithOtherArgumentsIsRefused(t *testing.T) {
	o := small(t, 20)
	mustRun(t, o)
	for _, change := range []func(*Options){
		func(o *Options) { o.Orders = 21 },
		func(o *Options) { o.Seed = 2 },
		func(o *Options) { o.Input, o.Stdin = "-", strings.NewReader(line("a")) },
	} {
		other := o
		change(&other)
		text, _ := refused(t, other)
		for _, want := range []string{"seed=1 orders=20", "--fresh", "--db"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in: %s", want, text)
			}
		}
	}
	expect(t, mustRun(t, o), 1, 20) // and nothing was harmed

	other := o
	other.Seed, other.Fresh = 2, true
	expect(t, mustRun(t, other), 2, 20)
}

// foreignStore makes a store with a run of another program.
func foreignStore(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "production.db")
	store, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b := workflow.NewBuilder[Order, Status]("invoices")
	b.AddStep(StatusPlaced, func(context.Context, *workflow.Run[Order, Status]) (Status, error) { return StatusPaid, nil }, StatusPaid)
	w, err := b.BuildOn(store)
	if err == nil {
		_, err = w.Trigger(t.Context(), "invoice-1")
	}
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestForeignFilesAreLeftAlone gives the demo files that are not its own, with and without --fresh.
func TestForeignFilesAreLeftAlone(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("do not touch\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a text": text, "another program's store": foreignStore(t), "a folder": t.TempDir()} {
		for _, fresh := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				before := contents(t, path)
				o := small(t, 5)
				o.DB, o.Fresh = path, fresh
				words, _ := refused(t, o)
				if fresh && !strings.Contains(words, "--fresh deletes nothing") {
					t.Errorf("fresh: %s", words)
				}
				if !fresh && !strings.Contains(words, "--db") && name != "a folder" {
					t.Errorf("no hint: %s", words)
				}
				if after := contents(t, path); after != before {
					t.Error("the file was changed")
				}
			})
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		return "folder"
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFreshDeletesTheDemoAlone looks at every file of the folder.
func TestFreshDeletesTheDemoAlone(t *testing.T) {
	o := small(t, 5)
	dir := filepath.Dir(o.DB)
	mustRun(t, o)
	for _, name := range []string{"demo.db.bak", "demo.db-copy", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeOld(t.Context(), o.DB); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "demo.db-copy demo.db.bak other" {
		t.Errorf("left: %s", got)
	}
	if err := removeOld(t.Context(), o.DB); err != nil { // nothing there is fine
		t.Error(err)
	}
}

func TestFreshFollowsNoLink(t *testing.T) {
	o := small(t, 5)
	mustRun(t, o)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(o.DB, link); err != nil {
		t.Fatal(err)
	}
	other := o
	other.DB, other.Fresh = link, true
	if words, _ := refused(t, other); !strings.Contains(words, "not a regular file") {
		t.Error(words)
	}
	if _, err := os.Stat(o.DB); err != nil {
		t.Error(err)
	}
}

// TestTwoDemosDoNotShareAFile starts a second one while the first has the file.
func TestTwoDemosDoNotShareAFile(t *testing.T) {
	o := small(t, 5)
	mustRun(t, o)
	store, err := sqlite.Open(o.DB, sqlite.WithExclusive())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, fresh := range []bool{false, true} {
		o.Fresh = fresh
		if words, err := refused(t, o); !errors.Is(err, backend.ErrLocked) || !strings.Contains(words, "another program is using it") {
			t.Errorf("fresh %v: %s", fresh, words)
		}
	}
}

func TestEmptyFileBecomesTheStore(t *testing.T) {
	o := small(t, 5)
	if err := os.WriteFile(o.DB, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Fresh = true
	expect(t, mustRun(t, o), 1, 5)
}

// TestKilledWhileTheStoreWasMade begins with what a process leaves that was killed before its first commit: a database with nothing in it.
func TestKilledWhileTheStoreWasMade(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		o := small(t, 5)
		o.Fresh = fresh
		db, err := sql.Open("sqlite", o.DB)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec("PRAGMA journal_mode=WAL; CREATE TABLE x (y); DROP TABLE x")
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(o.DB); err != nil || info.Size() == 0 {
			t.Fatal(info, err)
		}
		expect(t, mustRun(t, o), 1, 5)
	}
}

// TestAnotherApplicationsDatabaseIsRefused differs from an empty one by its mark alone.
func TestAnotherApplicationsDatabaseIsRefused(t *testing.T) {
	o := small(t, 5)
	db, err := sql.Open("sqlite", o.DB)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("PRAGMA application_id=17")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if words, err := refused(t, o); !errors.Is(err, backend.ErrNotOurs) {
		t.Error(words)
	}
}

func TestWhatCannotRun(t *testing.T) {
	o := small(t, 0)
	if words, _ := refused(t, o); !strings.Contains(words, "number of orders is 0") {
		t.Error(words)
	}
	o = small(t, 5)
	o.Input = filepath.Join(t.TempDir(), "missing.jsonl")
	if words, err := refused(t, o); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(words, "missing.jsonl") {
		t.Error(words)
	}
	if _, err := os.Stat(o.DB); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a store was made for nothing")
	}
	o = small(t, 5)
	o.DB = filepath.Join(t.TempDir(), "no", "such", "folder.db")
	if words, _ := refused(t, o); !strings.Contains(words, "folder") {
		t.Error(words)
	}
}
