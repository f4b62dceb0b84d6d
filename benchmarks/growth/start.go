package main

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stillwater-go/workflow/adapters/sqlite"
)

// startUp is how long it takes from opening a store with many unfinished runs to full speed.
type startUp struct {
	Unfinished int     `json:"unfinished"`
	FirstStep  float64 `json:"firstStep"` // milliseconds
	Steps      float64 `json:"steps"`     // per second: the median of all windows
	FullSpeed  float64 `json:"fullSpeed"` // seconds to the first window of four fifths of that
}

// window is what the speed is taken over.
const window = 250 * time.Millisecond

// start triggers runs in a process that does not work on them, and opens the store again in one that does.
func (m *measurement) start(ctx context.Context, r *results) (err error) {
	n := m.most / 10
	path := m.file("start")
	on, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	w, err := steps("bench", func() {}).BuildOn(on)
	if err == nil {
		err = place(ctx, w, 0, n)
	}
	if err := errors.Join(err, on.Close()); err != nil {
		return err
	}
	settle(ctx)

	from := time.Now()
	var made, firstAt atomic.Int64
	if on, err = sqlite.Open(path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	w, err = steps("bench", func() {
		if made.Add(1) == 1 {
			firstAt.Store(int64(time.Since(from)))
		}
	}).BuildOn(on)
	if err != nil {
		return err
	}
	w.Run(ctx)
	defer w.Stop()
	var speeds []float64
	for last := int64(0); last < int64(3*n) && ctx.Err() == nil; {
		begun := time.Now()
		wait(ctx, window)
		now := made.Load()
		speeds = append(speeds, float64(now-last)/time.Since(begun).Seconds())
		last = now
	}
	if len(speeds) > 1 {
		speeds = speeds[:len(speeds)-1] // the last one is not full
	}
	s := &startUp{Unfinished: n, FirstStep: float64(firstAt.Load()) / 1e6, Steps: middle(append([]float64(nil), speeds...))}
	for i, v := range speeds {
		if v >= 0.8*s.Steps {
			s.FullSpeed = float64(i+1) * window.Seconds()
			break
		}
	}
	m.say("start with %d: first step after %.0f ms, full speed after %.2f s", n, s.FirstStep, s.FullSpeed)
	r.Start = s
	return ctx.Err()
}

// settle has the system write what it holds back.
func settle(ctx context.Context) {
	syscall.Sync()
	wait(ctx, time.Second)
}
