package machine_test

import (
	"math"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/machine"
)

func TestPolicyDefaults(t *testing.T) {
	type policy = machine.Policy
	for _, tt := range []struct {
		name     string
		in, want policy
	}{
		{"zero", policy{}, policy{time.Second, 5 * time.Minute, 10}},
		{"one field leaves the others alone: back-off", policy{BackOff: 2 * time.Second}, policy{2 * time.Second, 5 * time.Minute, 10}},
		{"maximum", policy{MaxBackOff: time.Hour}, policy{time.Second, time.Hour, 10}},
		{"attempts", policy{MaxAttempts: 3}, policy{time.Second, 5 * time.Minute, 3}},
		{"for ever", policy{MaxAttempts: -1}, policy{time.Second, 5 * time.Minute, -1}},
		{"a long back-off raises the maximum", policy{BackOff: time.Hour}, policy{time.Hour, time.Hour, 10}},
		{"a stated maximum stays below", policy{BackOff: time.Hour, MaxBackOff: time.Minute}, policy{time.Hour, time.Minute, 10}},
		{"negative durations", policy{BackOff: -1, MaxBackOff: -1}, policy{time.Second, 5 * time.Minute, 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.WithDefaults(); got != tt.want {
				t.Errorf("WithDefaults() = %+v, want %+v", got, tt.want)
			}
			if got := tt.want.WithDefaults(); got != tt.want {
				t.Errorf("a second WithDefaults() = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestSpanDoublesUpToTheMaximum(t *testing.T) {
	p := machine.Policy{BackOff: time.Second, MaxBackOff: 10 * time.Second}
	for _, tt := range []struct {
		attempts int
		want     time.Duration
	}{
		{-1, time.Second}, {0, time.Second}, {1, time.Second}, {2, 2 * time.Second}, {3, 4 * time.Second}, {4, 8 * time.Second},
		{5, 10 * time.Second}, {6, 10 * time.Second}, {1000, 10 * time.Second}, {math.MaxInt, 10 * time.Second},
	} {
		if got := machine.Span(p, tt.attempts); got != tt.want {
			t.Errorf("Span after %d attempts = %v, want %v", tt.attempts, got, tt.want)
		}
	}
	if got := machine.Span(machine.Policy{BackOff: time.Hour, MaxBackOff: time.Minute}, 1); got != time.Minute {
		t.Errorf("Span with a maximum below the back-off = %v, want %v", got, time.Minute)
	}
}

// A maximum as large as a duration can be means "no maximum", and must not overflow into a wait of nothing.
func TestSpanDoesNotOverflow(t *testing.T) {
	p := machine.Policy{BackOff: time.Second, MaxBackOff: math.MaxInt64}
	last := time.Duration(0)
	for attempts := 1; attempts < 200; attempts++ {
		span := machine.Span(p, attempts)
		if span < last || span < time.Second {
			t.Fatalf("Span after %d attempts = %v, after the attempt before %v", attempts, span, last)
		}
		last = span
	}
	if last != math.MaxInt64 {
		t.Errorf("Span ends at %v, want the maximum", last)
	}
}

func TestRetry(t *testing.T) {
	p := machine.Policy{BackOff: time.Second, MaxBackOff: 10 * time.Second, MaxAttempts: 5}
	forever := machine.Policy{BackOff: time.Second, MaxBackOff: 10 * time.Second, MaxAttempts: -1}
	giveUp := machine.Decision{GiveUp: true}
	wait := func(d time.Duration) machine.Decision { return machine.Decision{Wait: d} }
	for _, tt := range []struct {
		name   string
		policy machine.Policy
		f      machine.Failure
		chance float64
		want   machine.Decision
	}{
		{"first", p, machine.Failure{Attempts: 1}, 0.5, wait(500 * time.Millisecond)},
		{"third", p, machine.Failure{Attempts: 3}, 0.5, wait(2 * time.Second)},
		{"lucky", p, machine.Failure{Attempts: 3}, 0, wait(0)},
		{"last but one", p, machine.Failure{Attempts: 4}, 0.25, wait(2 * time.Second)},
		{"last", p, machine.Failure{Attempts: 5}, 0.5, giveUp},
		{"beyond the last", p, machine.Failure{Attempts: 6}, 0.5, giveUp},
		{"one attempt only", machine.Policy{MaxAttempts: 1}, machine.Failure{Attempts: 1}, 0.5, giveUp},
		{"permanent", p, machine.Failure{Attempts: 1, Permanent: true}, 0.5, giveUp},
		{"permanent, for ever", forever, machine.Failure{Attempts: 1, Permanent: true, After: time.Hour}, 0.5, giveUp},
		{"for ever", forever, machine.Failure{Attempts: 1_000_000}, 0.5, wait(5 * time.Second)},
		{"asked to wait, longer than the maximum", p, machine.Failure{Attempts: 1, After: time.Hour}, 0.5, wait(time.Hour)},
		{"asked to wait at the last attempt", p, machine.Failure{Attempts: 5, After: time.Hour}, 0.5, giveUp},
		{"asked to wait less than nothing", p, machine.Failure{Attempts: 1, After: -time.Hour}, 0.5, wait(500 * time.Millisecond)},
		{"the defaults", machine.Policy{}, machine.Failure{Attempts: 2}, 0.5, wait(time.Second)},
		{"the defaults' last", machine.Policy{}, machine.Failure{Attempts: 10}, 0.5, giveUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := machine.Retry(tt.policy, tt.f, tt.chance); got != tt.want {
				t.Errorf("Retry = %+v, want %+v", got, tt.want)
			}
		})
	}
}
