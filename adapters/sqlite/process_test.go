package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

// TestKill: children that commit are killed at random moments; nothing that was acknowledged is lost, and the file stays sound
// (G1, G2, F1).
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	rng := rand.New(rand.NewPCG(1, 2))
	acked := make([]uint64, 4)
	total, behind := 0, 0
	gap := 750 * time.Microsecond // what a commit takes
	for n := range kills {
		c := startChild(t, "advance", path, "run-")
		c.expect("open")
		looks, began := rng.IntN(8), time.Now()
		for range looks {
			total += note(t, acked, c.expect("ack"))
		}
		if looks > 1 {
			gap = max(750*time.Microsecond, time.Since(began)/time.Duration(looks)) // more on a machine that is busy
		}
		// The kill falls anywhere in a commit, or in one of the next.
		pause(time.Duration(rng.Int64N(int64(2 * gap))))
		for _, line := range c.kill() {
			got := note(t, acked, line)
			total += got
			behind += min(got, 1)
		}
		if n%20 == 19 || n == kills-1 {
			verifyAcked(t, path, acked)
		}
	}
	t.Logf("%d kills, %d acknowledged transitions, %d commits between the last look and the kill", kills, total, behind)
	if behind == 0 {
		t.Error("every kill came right behind an acknowledgement: the moments are not random")
	}
}

// pause waits as long as asked, for the sake of the moment at which it ends.
func pause(d time.Duration) { <-time.After(d) }

// note files what a child acknowledged and returns how many transitions that were. A last line may be cut short by the kill.
func note(t *testing.T, acked []uint64, line string) int {
	words := strings.Fields(line)
	if len(words) != len(acked)+1 || words[0] != "ack" {
		if strings.HasPrefix(line, "error") {
			t.Errorf("child: %s", line)
		}
		return 0
	}
	for i, w := range words[1:] {
		v, err := strconv.ParseUint(w, 10, 64)
		if err != nil {
			t.Errorf("line %q: %v", line, err)
			return 0
		}
		acked[i] = max(acked[i], v)
	}
	return len(acked)
}

func verifyAcked(t *testing.T, path string, acked []uint64) {
	t.Helper()
	b, err := Open(path)
	if err != nil {
		t.Fatalf("open after kills: %v", err)
	}
	mustBeSound(t, b)
	for i, v := range acked {
		if v == 0 {
			continue
		}
		r, err := b.Lookup(t.Context(), fmt.Sprint("run-", i))
		if err != nil || uint64(r.Meta.Version) < v {
			t.Errorf("run %d: acknowledged version %d is lost: %+v, %v", i, v, r, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestKillWhileOpening: a process that dies while it makes the file leaves one that the next can open (F54).
func TestKillWhileOpening(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	began := time.Now()
	c := startChild(t, "open", filepath.Join(t.TempDir(), "store.db"))
	c.expect("open")
	usual := time.Since(began)
	c.kill()
	unfinished := 0
	for n := range kills / 4 {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("store-%d.db", n))
		c := startChild(t, "open", path)
		pause(usual/4 + time.Duration(rng.Int64N(int64(usual)))) // from before it has begun until after it is done
		said := c.kill()
		if _, err := os.Stat(path); err == nil && len(said) == 0 {
			unfinished++
		}
		b, err := Open(path)
		if err != nil {
			t.Fatalf("open after kill %d: %v", n, err)
		}
		commit(t, b, change("r", "f", 1))
		mustBeSound(t, b)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of %d children died while they made the file; opening takes %v with the start of the process", unfinished, kills/4, usual)
	if unfinished == 0 {
		t.Error("no kill fell into the making of the file")
	}
}

// TestOpenAtOnce: several processes that find no file make it once (F54).
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var children []*child
	for range 5 {
		children = append(children, startChild(t, "open", path))
	}
	for _, c := range children {
		c.expect("open")
	}
	b := openAt(t, path)
	for _, c := range children {
		c.end()
	}
	commit(t, b, change("r", "f", 1))
}

// TestCommitAtOnce: two processes commit at the same time; none is told that the file is busy (F6).
func TestCommitAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	const each = 500
	var children []*child
	for i := range 2 {
		children = append(children, startChild(t, "commit", path, fmt.Sprint("run-", i), strconv.Itoa(each)))
	}
	for _, c := range children {
		c.expect("open")
	}
	for _, c := range children {
		c.say("go")
	}
	for _, c := range children {
		c.expect("done 500")
		c.end()
	}
	b := openAt(t, path)
	if head, err := b.Head(t.Context()); err != nil || head != 2*each {
		t.Errorf("head is %d (%v), want %d", head, err, 2*each)
	}
}

// TestWakeByAnotherProcess: a commit of another process is announced at once, each of them, and reads see it.
func TestWakeByAnotherProcess(t *testing.T) {
	b := openTest(t)
	c := startChild(t, "commit", b.Path(), "run", "1")
	c.expect("open")
	changed := make(chan struct{}, 100)
	stop := b.Watch(func() { changed <- struct{}{} })
	defer stop()
	var slowest, fastest time.Duration
	for i := range 20 {
		began := time.Now()
		c.say("go")
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatal("no wake-up")
		}
		took := time.Since(began)
		c.expect("done")
		if slowest = max(slowest, took); i == 0 || took < fastest {
			fastest = took
		}
		if head, err := b.Head(t.Context()); err != nil || head != int64(i+1) {
			t.Fatalf("head is %d (%v) after the wake-up, want %d", head, err, i+1)
		}
	}
	t.Logf("from the request to the wake-up, with the other process's commit: %v to %v", fastest, slowest)
	if fastest > lookEvery/2 {
		t.Errorf("the fastest wake-up took %v: it came from no notification", fastest)
	}
	c.end()
}

// TestRoleAfterKill: the roles of a process that dies go to the one that waits, at once.
func TestRoleAfterKill(t *testing.T) {
	b := openTest(t)
	fastest := patience
	for range 5 {
		c := startChild(t, "join", b.Path())
		c.expect("") // "open" and "granted" come in any order
		c.expect("")
		granted := make(chan backend.Grant, 1)
		leave, err := b.Join(t.Context(), testFlow, 16, func(g backend.Grant) { granted <- g })
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-granted:
			t.Fatal("granted while another process holds the roles")
		case <-time.After(30 * time.Millisecond):
		}
		began := time.Now()
		c.kill()
		select {
		case g := <-granted:
			if len(g.Buckets) != 16 || g.Context.Err() != nil {
				t.Errorf("grant is %+v", g)
			}
		case <-time.After(patience):
			t.Fatal("the roles of a dead process were not handed over")
		}
		fastest = min(fastest, time.Since(began))
		leave()
	}
	t.Logf("from the kill to the grant: %v at the fastest", fastest)
	if fastest > tryEvery/2 {
		t.Errorf("the fastest hand-over took %v: it came from no notification", fastest)
	}
}

// TestNoDoorbellAlone: a Backend that is alone rings nobody, and one that has company does.
func TestNoDoorbellAlone(t *testing.T) {
	b := openTest(t)
	if !b.locks.alone() {
		t.Error("a lone Backend does not know that it is alone")
	}
	commit(t, b, change("r", "f", 1))
	if rung := bellSize(t, b.Path()); rung != 0 {
		t.Error("a lone Backend rang the doorbell")
	}
	c := startChild(t, "open", b.Path())
	c.expect("open")
	if b.locks.alone() {
		t.Error("the other process is not seen")
	}
	commit(t, b, change("r", "f", 2))
	if rung := bellSize(t, b.Path()); rung == 0 {
		t.Error("the doorbell was not rung")
	}
	c.kill()
	if !b.locks.alone() {
		t.Error("a dead process is still seen")
	}
}
