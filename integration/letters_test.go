package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// letter is what the other killed workflow is about: the one that is driven from outside.
type letter struct {
	Heard     []string // the ids of the signals that took effect
	NotBefore time.Time
	Since     time.Time // when it began to wait to be fetched
	Reminders int
	FetchedBy string // the callback that fetched it
	Early     bool   // something began before its time
}

type letterStatus int

const (
	letterPosted letterStatus = iota + 1
	letterSorted
	letterFranked
	letterHeld
	letterWaiting
	letterFetched
	letterReturned
	letterDelivered
)

func (s letterStatus) String() string {
	names := [...]string{"?", "Posted", "Sorted", "Franked", "Held", "Waiting", "Fetched", "Returned", "Delivered"}
	if s > 0 && int(s) < len(names) {
		return names[s]
	}
	return names[0]
}

const (
	letterFlow = "letters"
	stamps     = 3 // signals that a letter needs before it goes on

	remindAfter = 5 * time.Millisecond
	returnAfter = 15 * time.Millisecond
	laterBy     = 20 * time.Millisecond // of letters that start later
	letterLife  = 60 * time.Millisecond // of letters that nobody looks after
)

var errClerk = errors.New("the clerk is out")

// letterKind is how a letter's life is to go. It follows from its foreign id, so that every process knows it; the first bag of every life has
// one of each.
type letterKind int

const (
	letterForgotten letterKind = iota // nobody looks after it: its deadline ends it
	letterUnclaimed                   // nobody fetches it: a timeout returns it
	letterContested                   // a callback and a timeout race for it
	letterOrdinary                    // a callback fetches it
)

func kindOf(foreignID string) letterKind {
	var bag, n int
	parts := strings.Split(foreignID, "-") // see postman.start
	bag, _ = strconv.Atoi(parts[max(len(parts)-2, 0)])
	n, _ = strconv.Atoi(parts[len(parts)-1])
	return letterKind(min((bag*lettersInBag+n)%8, int(letterOrdinary)))
}

func startsLate(foreignID string) bool { return chance(foreignID, "late")%4 == 0 }

var stampSignal, releaseSignal = workflow.NewSignal[string]("stamp"), workflow.NewSignal[string]("release")

type letterRun = workflow.Run[letter, letterStatus]

// newLetters builds the workflow: signals of which three are needed, one that mostly comes early, a callback, two timeouts of one status, and
// hooks, all of which fail now and then. told is what the hooks do.
func newLetters(on backend.Backend, told func(hook string, rec *workflow.Record)) (*workflow.Workflow[letter, letterStatus], error) {
	b := workflow.NewBuilder[letter, letterStatus](letterFlow)
	quick := []workflow.Option{workflow.ErrBackOff(2 * time.Millisecond), workflow.MaxBackOff(10 * time.Millisecond), workflow.PauseAfterErrCount(-1)}
	b.AddStep(letterPosted, func(_ context.Context, r *letterRun) (letterStatus, error) {
		r.Object.Early = r.Object.Early || time.Now().Before(r.Object.NotBefore)
		return letterSorted, nil
	}, letterSorted)
	workflow.AddSignal(b, letterSorted, stampSignal, func(_ context.Context, r *letterRun, id string) (letterStatus, error) {
		if err := hear(r, id); err != nil {
			return 0, err
		}
		if len(r.Object.Heard) < stamps {
			return r.SaveAndRepeat()
		}
		return letterFranked, nil
	}, letterFranked).WithOptions(quick...)
	b.AddStep(letterFranked, onTo(letterHeld), letterHeld)
	workflow.AddSignal(b, letterHeld, releaseSignal, func(_ context.Context, r *letterRun, id string) (letterStatus, error) {
		r.Object.Since = time.Now()
		return letterWaiting, hear(r, id)
	}, letterWaiting).WithOptions(quick...)
	b.AddCallback(letterWaiting, func(_ context.Context, r *letterRun, payload io.Reader) (letterStatus, error) {
		var key bytes.Buffer
		_, err := key.ReadFrom(payload)
		r.Object.FetchedBy = key.String()
		return letterFetched, err
	}, letterFetched)
	b.AddTimeout(letterWaiting, timerAfter(func(string) time.Duration { return remindAfter }), func(_ context.Context, r *letterRun, now time.Time) (letterStatus, error) {
		r.Object.Early = r.Object.Early || now.Before(r.Object.Since.Add(remindAfter))
		r.Object.Reminders++
		return r.SaveAndRepeat()
	}).WithOptions(quick...)
	b.AddTimeout(letterWaiting, timerAfter(patienceOf), func(_ context.Context, r *letterRun, now time.Time) (letterStatus, error) {
		r.Object.Early = r.Object.Early || now.Before(r.Object.Since.Add(patienceOf(r.ForeignID)))
		return letterReturned, nil
	}, letterReturned).WithOptions(quick...)
	b.AddStep(letterFetched, onTo(letterDelivered), letterDelivered)
	b.AddStep(letterReturned, onTo(letterDelivered), letterDelivered)
	hook := func(name string) workflow.RunStateChangeHookFunc[letter, letterStatus] {
		return func(_ context.Context, rec *workflow.TypedRecord[letter, letterStatus]) error {
			if rand.IntN(20) == 0 {
				return errClerk
			}
			told(name, &rec.Record)
			return nil
		}
	}
	b.OnAnyStatus(hook("status")).WithOptions(quick...)
	b.OnRunStateChange(hook("state")).WithOptions(quick...)
	return b.BuildOn(on, quiet())
}

func onTo(s letterStatus) workflow.ConsumerFunc[letter, letterStatus] {
	return func(context.Context, *letterRun) (letterStatus, error) { return s, nil }
}

func timerAfter(d func(foreignID string) time.Duration) workflow.TimerFunc[letter, letterStatus] {
	return func(_ context.Context, r *letterRun, now time.Time) (time.Time, error) {
		return now.Add(d(r.ForeignID)), nil
	}
}

// patienceOf is how long a letter waits to be fetched.
func patienceOf(foreignID string) time.Duration {
	if k := kindOf(foreignID); k == letterUnclaimed || k == letterContested {
		return returnAfter
	}
	return time.Hour
}

// hear takes a signal, at the second attempt now and then.
func hear(r *letterRun, id string) error {
	if r.Attempt() == 1 && chance(id, "hear")%5 == 0 {
		return errClerk
	}
	r.Object.Heard = append(r.Object.Heard, id)
	return nil
}

// signalsFor are the ids of all signals that a letter needs, the stamps first.
func signalsFor(runID string) []string {
	ids := make([]string, stamps+1)
	for i := range ids {
		ids[i] = runID + "/" + strconv.Itoa(i)
	}
	return ids
}

// startOf says how a letter begins. A start of the same foreign id is the same start.
func startOf(foreignID string, now time.Time) workflow.Start[letter, letterStatus] {
	l := &letter{}
	opts := []workflow.TriggerOption[letter, letterStatus]{
		workflow.WithStartKey[letter, letterStatus]("letter " + foreignID), workflow.WithInitialValue[letter, letterStatus](l),
	}
	if startsLate(foreignID) {
		l.NotBefore = now.Add(laterBy)
		opts = append(opts, workflow.WithStartAt[letter, letterStatus](l.NotBefore))
	}
	life := time.Hour
	if kindOf(foreignID) == letterForgotten {
		life = letterLife
	}
	opts = append(opts, workflow.WithRunTimeout[letter, letterStatus](life))
	return workflow.Start[letter, letterStatus]{ForeignID: foreignID, Options: opts}
}

// letterMoves are the moves that are legal, by cause.
var letterMoves = map[backend.Cause]map[letterStatus][]letterStatus{
	backend.CauseTrigger:  {0: {letterPosted}},
	backend.CauseStep:     {letterPosted: {letterSorted}, letterFranked: {letterHeld}, letterFetched: {letterDelivered}, letterReturned: {letterDelivered}},
	backend.CauseSignal:   {letterSorted: {letterSorted, letterFranked}, letterHeld: {letterWaiting}},
	backend.CauseCallback: {letterWaiting: {letterFetched}},
	backend.CauseTimeout:  {letterWaiting: {letterWaiting, letterReturned}},
}

func isLetterMove(cause backend.Cause, from, to int) bool {
	return slices.Contains(letterMoves[cause][letterStatus(from)], letterStatus(to))
}
