package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	everydayKills = 150
	verifyEvery   = 50 // kills between two looks at the store
	reportEvery   = 100
	roundKills    = 500 // kills that one store sees; the next round begins with a new one
	readyWithin   = time.Minute
	longLife      = 2 * time.Second // of a few workers: cursors are stored once a second, so that the others all begin where these have ended
	saidUpTo      = 80              // acknowledgements after which a worker is killed
	saidWithin    = 2 * time.Second // and when it is killed if it has not made as many
)

// TestKillLoop kills a worker at random moments, again and again, and proves that nothing that was acknowledged is lost, nothing is done
// twice, and that every run comes to its end. (G1 to G7, G12)
func TestKillLoop(t *testing.T) {
	newRig(t, 1).run(number(t, envKills, everydayKills))
}

// TestKillTwoProcesses has two workers share one store and kills them by turns.
func TestKillTwoProcesses(t *testing.T) {
	newRig(t, 2).run((number(t, envKills, everydayKills) + 4) / 5)
}

// rig kills workers.
type rig struct {
	t       *testing.T
	workers int
	random  *rand.Rand
	began   time.Time
	kills   int
	lives   int
	total   figures
	acks    int

	path  string
	heard *acks
	slots []*slot
}

// slot is the place of one worker; its process changes.
type slot struct {
	child *child
	ready chan struct{}
	said  chan struct{} // one for each line, as far as somebody takes them
}

func newRig(t *testing.T, workers int) *rig {
	seed := uint64(number(t, envSeed, int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("the moments come from %s=%d", envSeed, seed)
	return &rig{t: t, workers: workers, random: rand.New(rand.NewPCG(seed, uint64(workers))), began: time.Now()}
}

// run makes n kills, in rounds, and more of them where the machine is so slow that the workers have done too little by then.
func (r *rig) run(n int) {
	for r.kills < n || r.kills < tooSlow*n && r.thin(n) != "" {
		dir := r.t.TempDir()
		r.path = filepath.Join(dir, "parcels.db")
		r.heard = newAcks()
		left := n - r.kills
		if left <= 0 {
			left = n
		}
		r.round(r.kills + min(left, roundKills))
		if err := os.RemoveAll(dir); err != nil {
			r.t.Fatal(err)
		}
	}
	took := time.Since(r.began)
	r.t.Logf("%d kills of %d workers in %v (%.1f/s): %d acknowledgements, %d runs, %d versions; %d completed, %d cancelled, %d paused by an operator",
		r.kills, r.workers, took.Round(time.Millisecond), float64(r.kills)/took.Seconds(), r.acks,
		r.total.runs, r.total.transitions, r.total.completed, r.total.cancelled, r.total.paused)
	r.t.Log(r.total.letters)
	if thin := r.thin(n); thin != "" {
		r.t.Error(thin)
	}
}

// tooSlow is how many times as many kills as were asked for are made at most.
const tooSlow = 4

// thin says why what was done proves nothing about n kills.
func (r *rig) thin(n int) string {
	switch l := r.total.letters; {
	case l.fetched == 0 || l.delivered == l.fetched || l.expired == 0 || l.signals < n || l.told < n:
		return "the letters have gone too few ways for this to prove anything"
	case r.total.completed == 0 || r.total.cancelled+r.total.paused == 0 || r.acks < n:
		return "the workers have done too little for this to prove anything"
	}
	return ""
}

// round kills until there were upTo kills in all, then drains the store and verifies it.
func (r *rig) round(upTo int) {
	r.slots = make([]*slot, r.workers)
	for i := range r.slots {
		r.slots[i] = r.start()
	}
	for i := 0; r.kills < upTo; i = (i + 1) % r.workers {
		r.killOne(r.slots[i])
		if r.kills%verifyEvery == 0 {
			r.killAll()
			verify(r.t, r.path, r.heard, false)
		}
		if r.kills%reportEvery == 0 {
			took := time.Since(r.began)
			r.t.Logf("%d kills, %.1f/s", r.kills, float64(r.kills)/took.Seconds())
		}
		for i, s := range r.slots {
			if s.child.dead() {
				r.slots[i] = r.start()
			}
		}
	}
	r.killAll()
	r.drain()
	f := verify(r.t, r.path, r.heard, true)
	r.total.runs += f.runs
	r.total.transitions += f.transitions
	r.total.completed += f.completed
	r.total.cancelled += f.cancelled
	r.total.paused += f.paused
	r.total.letters.add(f.letters)
	r.acks += r.heard.lines
}

// start starts a worker under a new prefix.
func (r *rig) start() *slot {
	r.lives++
	s := &slot{ready: make(chan struct{}), said: make(chan struct{}, saidUpTo)}
	var once sync.Once
	heard := r.heard
	s.child = spawn(r.t, copyOfSelf(r.t, "parcels", envDB+"="+r.path, envPrefix+"="+fmt.Sprintf("w%d", r.lives)), func(line string) {
		heard.hear(line)
		if line == "ready" {
			once.Do(func() { close(s.ready) })
		}
		select {
		case s.said <- struct{}{}:
		default:
		}
	})
	return s
}

// killOne lets the worker live for a random while and kills it: counted from its start, from its first sign, or in acknowledgements, so that
// it comes to something on a slow machine too.
func (r *rig) killOne(s *slot) {
	within := killWithin
	switch n := r.random.IntN(100); {
	case n < 4:
		within = longLife
	case n < 50:
		select {
		case <-s.ready:
		case <-s.child.exited:
		case <-time.After(readyWithin):
			r.t.Fatalf("the worker is not ready after %v: %s", readyWithin, &s.child.stderr)
		}
	case n < 75:
		enough := time.After(saidWithin)
		for n := r.random.IntN(saidUpTo); n > 0; n-- {
			select {
			case <-s.said:
			case <-s.child.exited:
				n = 0
			case <-enough:
				n = 0
			}
		}
		within = time.Millisecond
	}
	select {
	case <-time.After(time.Duration(r.random.Int64N(int64(within)))):
	case <-s.child.exited:
		r.t.Fatalf("the worker ended by itself: %v: %s", s.child.err, &s.child.stderr)
	}
	s.child.kill()
	r.kills++
}

// killAll kills the workers that still live.
func (r *rig) killAll() {
	for _, s := range r.slots {
		s.child.kill()
	}
}

// drain runs the last worker, which brings every run to its end.
func (r *rig) drain() {
	c := spawn(r.t, copyOfSelf(r.t, "drain", envDB+"="+r.path, envPrefix+"=drain"), r.heard.hear)
	select {
	case <-c.exited:
	case <-time.After(drainTimeout + time.Minute):
		c.kill()
		r.t.Fatalf("the drain does not end: %s", &c.stderr)
	}
	if c.err != nil {
		verify(r.t, r.path, r.heard, false)
		r.t.Fatalf("drain: %v: %s", c.err, &c.stderr)
	}
}
