package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

// How often the progress is shown: drawn over on a terminal, a line of its own elsewhere.
const (
	drawEvery = 100 * time.Millisecond
	lineEvery = time.Second
)

// barCells is the width of the bar, in characters.
const barCells = 24

// snapshot is how far the demo is.
type snapshot struct {
	done, total int
	// before is how many of those done were done when the showing began.
	before    int
	elapsed   time.Duration
	perSecond float64
}

// eta is about how long the rest will take; ok is false while nobody can know.
func (s snapshot) eta() (d time.Duration, ok bool) {
	here := s.done - s.before
	if here <= 0 || s.elapsed <= 0 || s.done >= s.total {
		return 0, false
	}
	return time.Duration(float64(s.elapsed) / float64(here) * float64(s.total-s.done)), true
}

// plain is the line for a pipe or a file.
func (s snapshot) plain() string {
	text := fmt.Sprintf("%s of %s orders, %s steps/s", thousands(int64(s.done)), thousands(int64(s.total)), thousands(int64(s.perSecond)))
	if d, ok := s.eta(); ok {
		text += ", about " + rough(d) + " left"
	}
	return text
}

// bar is the line for a terminal, without colours narrower than 80 characters.
func (s snapshot) bar(style term.Style) string {
	cells := 0
	if s.total > 0 {
		cells = barCells * s.done / s.total
	}
	text := "  " + style.Green(strings.Repeat("█", cells)) + style.Dim(strings.Repeat("░", barCells-cells)) +
		fmt.Sprintf("  %s/%s orders  %s steps/s", thousands(int64(s.done)), thousands(int64(s.total)), thousands(int64(s.perSecond)))
	if d, ok := s.eta(); ok {
		text += style.Dim("  " + rough(d) + " left")
	}
	return text
}

// progress shows how far the demo is until it is stopped. Lines for people may be said in between.
type progress struct {
	out   io.Writer
	style term.Style
	live  bool // out is a terminal
	quiet bool
	clock backend.Clock
	// look says how many orders are done of how many, how many were done before, and how many steps were made since when.
	look func() (s snapshot, steps int64)

	mu    sync.Mutex
	drawn bool
	quit  chan struct{}
	done  chan struct{}

	lastSteps int64
	lastAt    time.Duration
	speed     float64
}

// start begins to show; stop ends it.
func (p *progress) start() {
	p.quit, p.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.done)
		every := lineEvery
		if p.live {
			every = drawEvery
		}
		for {
			select {
			case <-p.quit:
				return
			case <-p.clock.After(every):
				p.show()
			}
		}
	}()
}

// stop ends the showing, takes the bar away and waits until nothing is drawn any more.
func (p *progress) stop() {
	close(p.quit)
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

// say writes a line without tearing the bar.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *progress) show() {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.measure()
	if !p.live {
		fmt.Fprintln(p.out, s.plain())
		return
	}
	p.wipe()
	fmt.Fprint(p.out, s.bar(p.style))
	p.drawn = true
}

// measure takes a snapshot; the speed is an average that forgets within about a second.
func (p *progress) measure() snapshot {
	s, steps := p.look()
	if dt := s.elapsed - p.lastAt; dt > 0 {
		now := float64(steps-p.lastSteps) / dt.Seconds()
		weight := min(1, dt.Seconds())
		if p.lastAt == 0 {
			weight = 1
		}
		p.speed += weight * (now - p.speed)
		p.lastSteps, p.lastAt = steps, s.elapsed
	}
	s.perSecond = p.speed
	return s
}

// wipe takes the bar away; p.mu is held.
func (p *progress) wipe() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
