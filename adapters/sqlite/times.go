package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"time"
)

// noTime stands for the zero time. It sorts before every other one.
const noTime = math.MinInt64

// errTimeRange says that a time cannot be stored exactly.
var errTimeRange = errors.New("time out of range: only years 1678 to 2261 can be stored")

// nanos returns a time as it is stored.
func nanos(what string, t time.Time) (int64, error) {
	if t.IsZero() {
		return noTime, nil
	}
	n := t.UnixNano()
	if n == noTime || !time.Unix(0, n).Equal(t) {
		return 0, fmt.Errorf("%s: %w", what, errTimeRange)
	}
	return n, nil
}

// clampNanos returns the nearest storable time, for a bound that need not be stored.
func clampNanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return noTime
	case t.Before(time.Unix(0, math.MinInt64+1)):
		return noTime
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// timeOf returns a stored time.
func timeOf(n int64) time.Time {
	if n == noTime {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// orNull binds a stored time that is mostly absent: none as NULL, which takes no room.
func orNull(n int64) driver.Value {
	if n == noTime {
		return nil
	}
	return n
}

// orNoTime reads such a time.
func orNoTime(v driver.Value) int64 {
	if n, ok := v.(int64); ok {
		return n
	}
	return noTime
}

// asInt, asText and asBlob read a column; a NULL gives the zero value.
func asInt(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func asText(v driver.Value) string {
	s, _ := v.(string)
	return s
}

// asBlob keeps the difference between NULL (nil) and no bytes (empty).
func asBlob(v driver.Value) []byte {
	b, ok := v.([]byte)
	if ok && b == nil {
		return []byte{}
	}
	return b
}

// blob binds bytes: nil as NULL.
func blob(b []byte) driver.Value {
	if b == nil {
		return nil
	}
	return b
}

// nanosErr reports whether a time can be stored.
func nanosErr(what string, t time.Time) error {
	_, err := nanos(what, t)
	return err
}
