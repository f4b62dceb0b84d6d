package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxSpec is the largest number of bytes in a spec.
const MaxSpec = 1000

// ErrSpec says that a text is no schedule spec. It comes wrapped, with the field, its value and what is allowed.
var ErrSpec = errors.New("schedule spec")

// Parse reads a spec. zone is where its fields are read when it names no zone; nil is UTC. Every error matches [ErrSpec].
func Parse(spec string, zone *time.Location) (*Schedule, error) {
	if len(spec) > MaxSpec {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSpec, len(spec), MaxSpec)
	}
	if zone == nil {
		zone = time.UTC
	}
	s := &Schedule{zone: zone}
	words := strings.FieldsFunc(spec, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) > 0 {
		key, name, found := strings.Cut(words[0], "=")
		if found && (key == "CRON_TZ" || key == "TZ") {
			if err := s.setZone(name); err != nil {
				return nil, err
			}
			words = words[1:]
		}
	}
	if len(words) > 0 && strings.HasPrefix(words[0], "@") {
		return s.describe(words)
	}
	return s.fields(words)
}

// setZone takes the zone that the spec names.
func (s *Schedule) setZone(name string) error {
	if name == "" || name == "Local" { // Local is another zone on every machine
		return bad("zone", name, "allowed are names of the IANA database, such as Europe/London, and UTC")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return fmt.Errorf("%w: zone %q: allowed are names of the IANA database that this machine or program has: %w", ErrSpec, short(name), err)
	}
	s.zone, s.named = zone, name
	return nil
}

// describe reads what begins with "@".
func (s *Schedule) describe(words []string) (*Schedule, error) {
	name := strings.ToLower(words[0])
	if name == "@every" {
		return s.every(words[1:])
	}
	fields, known := map[string]string{
		"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
		"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
	}[name]
	if !known || len(words) > 1 {
		return nil, bad("descriptor", strings.Join(words, " "),
			"allowed are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every <duration>")
	}
	return s.fields(strings.Fields(fields))
}

// every reads the interval of "@every".
func (s *Schedule) every(words []string) (*Schedule, error) {
	text := strings.Join(words, " ")
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return nil, bad("@every", text, "allowed is a duration of whole seconds, at least 1s, such as 90s or 1h30m")
	}
	s.interval = int64(d / time.Second)
	return s, nil
}

// fields reads the five fields.
func (s *Schedule) fields(words []string) (*Schedule, error) {
	defs := fieldDefs()
	if len(words) != len(defs) {
		return nil, fmt.Errorf("%w: %d fields in %q: allowed are five (minute hour day-of-month month day-of-week) or a descriptor such as @daily",
			ErrSpec, len(words), short(strings.Join(words, " ")))
	}
	for i, f := range []*field{&s.minute, &s.hour, &s.dom, &s.month, &s.dow} {
		var err error
		if *f, err = defs[i].parse(words[i]); err != nil {
			return nil, err
		}
	}
	s.never = !s.possible()
	return s, nil
}

// possible reports whether some year has a day that matches.
func (s *Schedule) possible() bool {
	if !s.dow.any {
		return true // either is enough, or every day of the month is allowed
	}
	const leap = 2000
	for m := time.January; m <= time.December; m++ {
		if s.month.has(int(m)) && lowest(s.dom.set, 1) <= daysIn(leap, m) {
			return true
		}
	}
	return false
}

func (d fieldDef) bad(value, allowed string) error { return bad(d.name, value, allowed) }

// bad is the error for a value that a part of the spec does not allow.
func bad(part, value, allowed string) error {
	return fmt.Errorf("%w: %s %q: %s", ErrSpec, part, short(value), allowed)
}

// short keeps a value readable in an error.
func short(value string) string {
	const most = 60
	if len(value) <= most {
		return value
	}
	return value[:most] + "…"
}
