package cron

import (
	"math"
	"time"
)

// Wall seconds are what a zone's clock shows, counted like Unix seconds as if it showed UTC: instant + offset.
const (
	firstSecond = -62135596800 // 0001-01-01 00:00:00 UTC
	lastSecond  = 9214646399   // 2261-12-31 23:59:59 UTC
	lastYear    = 2262         // on the clocks of zones that are ahead

	// reach is further than two clocks of one zone were ever apart: the International Date Line moved places by 24 hours.
	reach = 48 * 60 * 60
)

// Next returns the first slot strictly after the instant, in the schedule's zone. ok is false when there is none, as for 30 February and past
// the end of 2261.
func (s *Schedule) Next(after time.Time) (next time.Time, ok bool) {
	sec := after.Unix()
	if sec >= lastSecond || s.never {
		return time.Time{}, false
	}
	sec = max(sec, firstSecond-1)
	var slot int64
	switch {
	case s.interval > 0:
		slot, ok = (floorDiv(sec, s.interval)+1)*s.interval, true
	case s.hour.set == fieldDefs()[1].all():
		slot, ok = s.nextOfRhythm(sec)
	default:
		slot, ok = s.nextOfDay(sec)
	}
	if !ok || slot <= sec || slot > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(slot, 0).In(s.Zone()), true
}

// nextOfRhythm finds the next instant at which the clock shows a matching minute. It looks at one stretch of constant offset after
// the other.
func (s *Schedule) nextOfRhythm(sec int64) (int64, bool) {
	p := s.periodAt(sec)
	for from := sec + 1; ; from = p.start {
		wall, ok := s.wallFrom(from + p.offset)
		if !ok {
			return 0, false
		}
		if wall-p.offset < p.end {
			return wall - p.offset, true
		}
		if p.end > lastSecond {
			return 0, false
		}
		p = s.periodAt(p.end)
	}
}

// nextOfDay finds the next named time: the first one that no clock has shown or passed yet, at the first instant that shows or passes it.
func (s *Schedule) nextOfDay(sec int64) (int64, bool) {
	wall, ok := s.wallFrom(s.shown(sec) + 1)
	if !ok {
		return 0, false
	}
	from := max(sec+1, wall-reach)
	for p := s.periodAt(from); ; p = s.periodAt(p.end) {
		if at := max(wall-p.offset, p.start); at < p.end {
			return at, true
		}
		if p.end > lastSecond {
			return 0, false
		}
	}
}

// shown returns the latest time that the clock has shown up to the instant: more than it shows now while it repeats an hour.
func (s *Schedule) shown(sec int64) int64 {
	p := s.periodAt(sec)
	latest := sec + p.offset
	for p.start > sec-reach {
		last := p.start - 1
		p = s.periodAt(last)
		latest = max(latest, last+p.offset)
	}
	return latest
}

// period is a stretch of time, from start up to but not including end, in which the zone's offset does not change.
type period struct{ start, end, offset int64 }

func (s *Schedule) periodAt(sec int64) period {
	t := time.Unix(sec, 0).In(s.Zone())
	_, offset := t.Zone()
	p := period{start: math.MinInt64, end: math.MaxInt64, offset: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	return p
}

// wallFrom returns the first wall second, at or after the given one, that begins a minute which the fields allow.
func (s *Schedule) wallFrom(wall int64) (int64, bool) {
	wall = max(wall, firstSecond)
	if wall > lastSecond+reach {
		return 0, false
	}
	t := time.Unix(wall, 0).UTC()
	if t.Second() > 0 {
		t = t.Add(time.Duration(60-t.Second()) * time.Second)
	}
	year, m, day := t.Date()
	month, hour, minute := int(m), t.Hour(), t.Minute()
	for year <= lastYear {
		if n := lowest(s.month.set, month); n != month {
			if n < 0 {
				year, n = year+1, 1
			}
			month, day, hour, minute = n, 1, 0, 0
			continue
		}
		if n := lowest(s.days(year, time.Month(month)), day); n != day {
			if n < 0 {
				month, n = month+1, 1
			}
			day, hour, minute = n, 0, 0
			continue
		}
		if n := lowest(s.hour.set, hour); n != hour {
			if n < 0 {
				day, n = day+1, 0
			}
			hour, minute = n, 0
			continue
		}
		if minute = lowest(s.minute.set, minute); minute < 0 {
			hour, minute = hour+1, 0
			continue
		}
		return time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC).Unix(), true
	}
	return 0, false
}

// days returns the days of the month that match.
func (s *Schedule) days(year int, month time.Month) uint64 {
	all := span(1, daysIn(year, month), 1)
	const weekly = 1<<0 | 1<<7 | 1<<14 | 1<<21 | 1<<28
	first := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	var byWeek uint64
	for i := range 7 {
		if s.dow.has((first + i) % 7) {
			byWeek |= weekly << (1 + i)
		}
	}
	if !s.dom.any && !s.dow.any {
		return (s.dom.set | byWeek) & all
	}
	return s.dom.set & byWeek & all
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// floorDiv divides and rounds down.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
