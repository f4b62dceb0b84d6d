package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/benchmarks/load"
	"github.com/stillwater-go/workflow/benchmarks/raw"
)

// smallText is the size of the object where it is not what grows.
const smallText = 180

// upTo are the powers of ten from one size to another.
func upTo(from, to int) []int {
	var sizes []int
	for n := from; n <= to; n *= 10 {
		sizes = append(sizes, n)
	}
	return sizes
}

// stored measures with more and more finished runs in the file, and lists them in the end.
func (m *measurement) stored(ctx context.Context, r *results) error {
	path, have := m.file("stored"), 0
	for _, n := range upTo(1000, m.most) {
		if err := m.fill(ctx, path, n-have); err != nil {
			return err
		}
		have = n
		p, err := m.turn(ctx, "stored runs", n, path, 1, smallText)
		if err != nil {
			return err
		}
		r.Points = append(r.Points, p)
	}
	pages, err := m.list(ctx, path)
	r.Pages = pages
	return err
}

// fill writes finished runs, and waits until the system has written them to the disk: what it still holds back would slow the measurement.
func (m *measurement) fill(ctx context.Context, path string, runs int) (err error) {
	s, err := raw.Grow(ctx, path, "bare", smallText)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Write(ctx, runs, perCommit); err != nil {
		return err
	}
	settle(ctx)
	return nil
}

// page is how long it took to list a hundred runs.
type page struct {
	Of      string  `json:"of"`
	Stored  int64   `json:"stored"`
	Median  float64 `json:"median"` // milliseconds
	Highest float64 `json:"highest"`
}

// list measures pages of listings of the runs that are stored.
func (m *measurement) list(ctx context.Context, path string) (pages []page, err error) {
	on, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	w, err := steps("bare", func() {}).BuildOn(on)
	if err != nil {
		return nil, err
	}
	counts, err := w.Counts(ctx)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, c := range counts {
		total += c.Runs
	}
	where := workflow.Where
	for of, opts := range map[string][]workflow.ListOption{
		"oldest first": nil,
		"newest first": {workflow.NewestFirst()},
		"completed":    {workflow.NewestFirst(), where(workflow.FilterByRunState(workflow.RunStateCompleted))},
		"a foreign id": {where(workflow.FilterByForeignID("load-7-7"))},
		"paused":       {workflow.NewestFirst(), where(workflow.FilterByRunState(workflow.RunStatePaused))},
		"unfinished":   {where(workflow.FilterByRunState(workflow.RunStateInitiated, workflow.RunStateRunning))},
	} {
		var took []float64
		next := ""
		for range 50 {
			all := opts
			if next != "" {
				all = append(all[:len(all):len(all)], workflow.PageAfter(next))
			}
			from := time.Now()
			p, err := w.Runs(ctx, all...)
			if err != nil {
				return nil, err
			}
			took = append(took, 1e3*time.Since(from).Seconds())
			next = p.Next
		}
		pages = append(pages, page{Of: of, Stored: total, Median: middle(took), Highest: took[len(took)-1]})
		m.say("page of %s: %.2f ms, at most %.2f", of, middle(took), took[len(took)-1])
	}
	return pages, nil
}

// workflows measures with more and more workflows that share the work.
func (m *measurement) workflows(ctx context.Context, r *results) error {
	for _, n := range upTo(1, min(1000, m.most)) {
		p, err := m.turn(ctx, "workflows", n, m.file("flows-"+strconv.Itoa(n)), n, smallText)
		if err != nil {
			return err
		}
		r.Points = append(r.Points, p)
	}
	return nil
}

// timers measures while more and more runs of another workflow wait for a day.
func (m *measurement) timers(ctx context.Context, r *results) error {
	path, have := m.file("timers"), 0
	defer func() { m.beside = nil }()
	for _, n := range upTo(10, m.most/10) {
		m.beside = func(ctx context.Context, on *sqlite.Backend) (func(), error) {
			w, err := waiting().BuildOn(on)
			if err != nil {
				return nil, err
			}
			w.Run(ctx)
			if err := place(ctx, w, have, n); err != nil {
				w.Stop()
				return nil, err
			}
			if n > have {
				have = n
				settle(ctx)
			}
			return w.Stop, nil
		}
		p, err := m.turn(ctx, "runs in timers", n, path, 1, smallText)
		if err != nil {
			return err
		}
		r.Points = append(r.Points, p)
	}
	return nil
}

// waiting declares a workflow whose runs wait for a day.
func waiting() *workflow.Builder[load.Object, stage] {
	b := workflow.NewBuilder[load.Object, stage]("waiting")
	b.AddTimeout(first, workflow.DurationTimerFunc[load.Object, stage](24*time.Hour),
		func(context.Context, *workflow.Run[load.Object, stage], time.Time) (stage, error) { return ended, nil }, ended)
	return b
}

// place triggers the runs from have to n.
func place(ctx context.Context, w *flow, have, n int) error {
	for have < n {
		var starts []workflow.Start[load.Object, stage]
		for ; have < n && len(starts) < 500; have++ {
			starts = append(starts, workflow.Start[load.Object, stage]{ForeignID: "w" + strconv.Itoa(have)})
		}
		started, err := w.TriggerMany(ctx, starts...)
		if err != nil {
			return err
		}
		for _, s := range started {
			if s.Err != nil {
				return s.Err
			}
		}
	}
	return nil
}

// objects measures with larger and larger objects.
func (m *measurement) objects(ctx context.Context, r *results) error {
	for n := 1 << 10; n <= 64<<10; n *= 4 {
		p, err := m.turn(ctx, "bytes of an object", n, m.file("objects-"+strconv.Itoa(n)), 1, n)
		if err != nil {
			return err
		}
		r.Points = append(r.Points, p)
	}
	return nil
}
