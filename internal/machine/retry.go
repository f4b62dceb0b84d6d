package machine

import (
	"time"
)

// Policy says how a failed delivery is tried again. Use it through WithDefaults.
type Policy struct {
	// BackOff is the upper bound of the wait before the second attempt; it doubles with each further one. Defaults to one second.
	BackOff time.Duration
	// MaxBackOff bounds the wait. Defaults to five minutes, or to BackOff where that is longer.
	MaxBackOff time.Duration
	// MaxAttempts is after how many attempts the run is paused. Defaults to 10; negative means never.
	MaxAttempts int
}

// The defaults of a Policy.
const (
	DefaultBackOff     = time.Second
	DefaultMaxBackOff  = 5 * time.Minute
	DefaultMaxAttempts = 10
)

// WithDefaults fills in what is zero.
func (p Policy) WithDefaults() Policy {
	if p.BackOff <= 0 {
		p.BackOff = DefaultBackOff
	}
	if p.MaxBackOff <= 0 {
		p.MaxBackOff = max(DefaultMaxBackOff, p.BackOff)
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = DefaultMaxAttempts
	}
	return p
}

// Failure is what the rules need to know of a failed attempt.
type Failure struct {
	// Attempts counts the attempts made, this one included.
	Attempts int
	// Permanent says that trying again is useless.
	Permanent bool
	// After is how long the user's code asked to wait; zero leaves it to the policy.
	After time.Duration
}

// Decision is what becomes of a failed delivery.
type Decision struct {
	// GiveUp says that there is no further attempt: the run is paused by the engine (a hook's delivery is held).
	GiveUp bool
	// Wait is how long until the next attempt.
	Wait time.Duration
}

// Retry decides by the policy. chance is a random number from 0 to 1: the wait is spread over the whole span ("full jitter", after
// Marc Brooker, "Exponential Backoff And Jitter", 2015), so that failures of one moment do not come back in one moment.
func Retry(p Policy, f Failure, chance float64) Decision {
	p = p.WithDefaults()
	if f.Permanent || (p.MaxAttempts > 0 && f.Attempts >= p.MaxAttempts) {
		return Decision{GiveUp: true}
	}
	if f.After > 0 {
		return Decision{Wait: Bounded(f.After)}
	}
	return Decision{Wait: Bounded(time.Duration(chance * float64(Span(p, f.Attempts))))}
}

// Bounded cuts a wait to a hundred years: a store keeps times in nanoseconds of 64 bits, which end in 2262.
func Bounded(d time.Duration) time.Duration { return min(d, 100*365*24*time.Hour) }

// Span is the upper bound of the wait after so many attempts.
func Span(p Policy, attempts int) time.Duration {
	p = p.WithDefaults()
	span := p.BackOff
	for i := 1; i < attempts && span < p.MaxBackOff; i++ {
		if span > p.MaxBackOff/2 {
			return p.MaxBackOff // doubling could overflow
		}
		span *= 2
	}
	return min(span, p.MaxBackOff)
}
