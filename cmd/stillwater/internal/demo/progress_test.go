package demo

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

// screen collects what is written to it.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// watch shows the progress of a demo that does 100 orders and 300 steps a second, for as long as said, in the time of the bubble.
func watch(t *testing.T, p *progress, last time.Duration) string {
	t.Helper()
	out := &screen{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p.out, p.clock = out, backend.RealClock{}
		p.look = func() (snapshot, int64) {
			since := time.Since(began)
			return snapshot{done: 50 + int(since.Seconds()*100), total: 1050, before: 50, elapsed: since}, int64(since.Seconds() * 300)
		}
		p.start()
		<-time.After(last)
		p.stop()
	})
	return out.String()
}

func TestProgressInAPipe(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(watch(t, &progress{}, 3500*time.Millisecond), "\n"), "\n")
	want := []string{
		"150 of 1,050 orders, 300 steps/s, about 9.0 s left",
		"250 of 1,050 orders, 300 steps/s, about 8.0 s left",
		"350 of 1,050 orders, 300 steps/s, about 7.0 s left",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestProgressOnATerminal(t *testing.T) {
	text := watch(t, &progress{live: true}, 1050*time.Millisecond)
	draws := strings.Split(text, "\r\x1b[K")
	if len(draws) != 11 || draws[10] != "" { // ten bars, and nothing after the last was wiped away
		t.Fatalf("%d draws, the last %q", len(draws), draws[len(draws)-1])
	}
	if want := "  ███░░░░░░░░░░░░░░░░░░░░░  150/1,050 orders  300 steps/s  9.0 s left"; draws[9] != want {
		t.Errorf("got  %q\nwant %q", draws[9], want)
	}
	for _, d := range draws {
		if n := utf8.RuneCountInString(d); n > 79 || strings.Contains(d, "\n") {
			t.Errorf("%d characters: %q", n, d)
		}
	}
}

func TestProgressQuiet(t *testing.T) {
	if text := watch(t, &progress{quiet: true, live: true}, 5*time.Second); text != "" {
		t.Errorf("quiet says %q", text)
	}
}

// TestSayDoesNotTearTheBar writes a message while a bar is drawn.
func TestSayDoesNotTearTheBar(t *testing.T) {
	out := &screen{}
	p := &progress{out: out, live: true, look: func() (snapshot, int64) { return snapshot{total: 2, done: 1}, 0 }}
	p.show()
	bar := out.String()
	p.say("disk %s", "full")
	if got := out.String(); got != bar+"\r\x1b[Kdisk full\n" {
		t.Errorf("%q", got)
	}
}

func TestBarIsFullAtTheEndAndColoured(t *testing.T) {
	text := snapshot{done: 10, total: 10, elapsed: time.Second}.bar(term.Colored())
	if !strings.Contains(text, "\x1b[32m"+strings.Repeat("█", barCells)+"\x1b[0m") || strings.Contains(text, "░") || strings.Contains(text, "left") {
		t.Errorf("%q", text)
	}
	if text := (snapshot{}).bar(term.Style{}); !strings.Contains(text, strings.Repeat("░", barCells)) {
		t.Errorf("nothing to do: %q", text)
	}
}
