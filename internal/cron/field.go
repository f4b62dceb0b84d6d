package cron

import (
	"math/bits"
	"strconv"
	"strings"
)

// field is what one of the five fields allows.
type field struct {
	set uint64 // bit v stands for the value v
	any bool   // unrestricted; it matters in the two day fields
}

func (f field) has(v int) bool { return v >= 0 && v < 64 && f.set&(1<<v) != 0 }

// lowest returns the smallest value of the set that is not below from, or -1.
func lowest(set uint64, from int) int {
	if from > 63 {
		return -1
	}
	if set &= ^uint64(0) << max(from, 0); set == 0 {
		return -1
	}
	return bits.TrailingZeros64(set)
}

// span returns the set of first, first+step, … up to last.
func span(first, last, step int) uint64 {
	var set uint64
	for v := first; v <= last; v += step {
		set |= 1 << v
	}
	return set
}

// fieldDef is what the grammar says about a field.
type fieldDef struct {
	name     string
	min, max int
	names    []string // of the values from min on
	allowed  string
	day      bool // the field counts as restricted or not, and takes "?"
}

func fieldDefs() [5]fieldDef {
	return [5]fieldDef{
		{name: "minute", max: 59, allowed: "0-59"},
		{name: "hour", max: 23, allowed: "0-23"},
		{name: "day-of-month", min: 1, max: 31, allowed: "1-31", day: true},
		{name: "month", min: 1, max: 12, allowed: "1-12 or jan-dec",
			names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{name: "day-of-week", max: 7, allowed: "0-7 or sun-sat", day: true,
			names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// week reports whether the values are days of the week, where 7 is another way to write 0.
func (d fieldDef) week() bool { return d.max == 7 }

// top is the highest value that a set holds.
func (d fieldDef) top() int {
	if d.week() {
		return 6
	}
	return d.max
}

func (d fieldDef) all() uint64 { return span(d.min, d.top(), 1) }

// parse reads a whole field.
func (d fieldDef) parse(text string) (field, error) {
	var f field
	for item := range strings.SplitSeq(text, ",") {
		set, any, err := d.item(item)
		if err != nil {
			return field{}, err
		}
		f.set |= set
		f.any = f.any || any
	}
	return f, nil
}

// item reads one item of a list; any reports one that leaves the field unrestricted.
func (d fieldDef) item(text string) (set uint64, any bool, err error) {
	values, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		n, ok := number(stepText)
		if !ok || n < 1 || n > d.max {
			return 0, false, d.bad(text, "a step is a number from 1 to "+strconv.Itoa(d.max)+"; longer intervals are written @every <duration>")
		}
		step = n
	}
	if values == "*" || (values == "?" && d.day) {
		return span(d.min, d.top(), step), step == 1, nil
	}
	firstText, lastText, ranged := strings.Cut(values, "-")
	first, ok := d.value(firstText)
	if !ok {
		return 0, false, d.bad(text, d.allows())
	}
	last := first
	switch {
	case ranged:
		if last, ok = d.value(lastText); !ok {
			return 0, false, d.bad(text, d.allows())
		}
		if d.week() && last == 0 && first > 0 && strings.ToLower(lastText) == "sun" {
			last = 7
		}
		if last < first {
			return 0, false, d.bad(text, "a range ends where it starts or later; write two, as in "+d.example())
		}
	case stepped:
		last = max(first, d.top())
	}
	set = span(first, last, step)
	if d.week() && set&(1<<7) != 0 {
		set = set&^(1<<7) | 1
	}
	return set, false, nil
}

// value reads a number or a name.
func (d fieldDef) value(text string) (int, bool) {
	lower := strings.ToLower(text)
	for i, name := range d.names {
		if lower == name {
			return d.min + i, true
		}
	}
	n, ok := number(text)
	return n, ok && n >= d.min && n <= d.max
}

// number reads decimal digits, and nothing else that strconv would take.
func number(text string) (int, bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// allows says what a value may be.
func (d fieldDef) allows() string {
	star := "*"
	if d.day {
		star = "* or ?"
	}
	return "allowed are " + star + ", values of " + d.allowed + ", ranges a-b, steps /n, and lists of them with commas"
}

// example is a range that would wrap, written as two.
func (d fieldDef) example() string {
	if d.week() {
		return "fri-sat,sun-mon"
	}
	return strconv.Itoa(d.max-1) + "-" + strconv.Itoa(d.max) + "," + strconv.Itoa(d.min) + "-" + strconv.Itoa(d.min+1)
}
