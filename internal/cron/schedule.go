package cron

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Schedule is a parsed spec. Parse makes it; the zero value has no slots.
type Schedule struct {
	minute, hour, dom, month, dow field

	interval int64          // seconds of @every; zero for five fields
	zone     *time.Location // never nil after Parse
	named    string         // the zone as the spec names it, or empty
	never    bool           // no year has such a day
}

// Zone returns the zone in which the fields are read: the one that the spec names, else the default that Parse was given.
func (s *Schedule) Zone() *time.Location {
	if s.zone == nil {
		return time.UTC
	}
	return s.zone
}

// String returns the canonical form: specs with the same slots by the same fields have the same one, and Parse makes an equal schedule
// of it. A zone is part of it exactly when the spec named one; where it did not, give Parse the same default again.
func (s *Schedule) String() string {
	var b strings.Builder
	if s.named != "" {
		b.WriteString("CRON_TZ=" + s.named + " ")
	}
	if s.interval > 0 {
		b.WriteString("@every " + (time.Duration(s.interval) * time.Second).String())
		return b.String()
	}
	defs := fieldDefs()
	for i, f := range []field{s.minute, s.hour, s.dom, s.month, s.dow} {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f.format(defs[i]))
	}
	return b.String()
}

// format writes the values in the shortest of a few ways: "*", a step, or a list of values and ranges.
func (f field) format(def fieldDef) string {
	if f.any || (!def.day && f.set == def.all()) {
		return "*"
	}
	if text, ok := f.progression(def); ok {
		return text
	}
	var items []string
	for v := lowest(f.set, 0); v >= 0; {
		last := v
		for f.has(last + 1) {
			last++
		}
		switch {
		case last == v:
			items = append(items, strconv.Itoa(v))
		case last == v+1:
			items = append(items, strconv.Itoa(v), strconv.Itoa(last))
		default:
			items = append(items, strconv.Itoa(v)+"-"+strconv.Itoa(last))
		}
		v = lowest(f.set, last+1)
	}
	return strings.Join(items, ",")
}

// progression writes three or more values at one distance of at least two as a range with a step.
func (f field) progression(def fieldDef) (string, bool) {
	first, last := lowest(f.set, 0), bits.Len64(f.set)-1
	step := lowest(f.set, first+1) - first
	if step < 2 || bits.OnesCount64(f.set) < 3 || f.set != span(first, last, step) {
		return "", false
	}
	if first == def.min && last+step > def.top() {
		return "*/" + strconv.Itoa(step), true
	}
	return strconv.Itoa(first) + "-" + strconv.Itoa(last) + "/" + strconv.Itoa(step), true
}
