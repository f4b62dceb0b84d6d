package backend

import (
	"strconv"
	"strings"
	"time"
)

// MakeFilter collects filters so that a store can ask what they want.
func MakeFilter(filters ...RecordFilter) *RecordFilters {
	var rf RecordFilters
	for _, f := range filters {
		f(&rf)
	}
	return &rf
}

// RecordFilters is what a listing is narrowed by. Filters of different fields must all hold, values of one field are alternatives.
type RecordFilters struct {
	byForeignID     Filter
	byStatus        Filter
	byRunState      Filter
	byCreatedAfter  FilterTime
	byCreatedBefore FilterTime
	byUpdatedAfter  FilterTime
	byUpdatedBefore FilterTime
	byReason        string
}

// RecordFilter narrows a listing.
type RecordFilter func(filters *RecordFilters)

// ByForeignID returns the filter on foreign ids.
func (r RecordFilters) ByForeignID() Filter { return r.byForeignID }

// ByStatus returns the filter on statuses, as decimal numbers.
func (r RecordFilters) ByStatus() Filter { return r.byStatus }

// ByRunState returns the filter on run states, as decimal numbers.
func (r RecordFilters) ByRunState() Filter { return r.byRunState }

// ByCreatedAtAfter returns the lower bound of the creation time.
func (r RecordFilters) ByCreatedAtAfter() FilterTime { return r.byCreatedAfter }

// ByCreatedAtBefore returns the upper bound of the creation time.
func (r RecordFilters) ByCreatedAtBefore() FilterTime { return r.byCreatedBefore }

// ByUpdatedAtAfter returns the lower bound of the time of the last version.
func (r RecordFilters) ByUpdatedAtAfter() FilterTime { return r.byUpdatedAfter }

// ByUpdatedAtBefore returns the upper bound of the time of the last version.
func (r RecordFilters) ByUpdatedAtBefore() FilterTime { return r.byUpdatedBefore }

// ByReason returns the text that Meta.RunStateReason has to contain, byte for byte; empty for any reason.
func (r RecordFilters) ByReason() string { return r.byReason }

// Extended reports whether a filter is set that classic stores know nothing of: those on the last version's time and on the reason.
func (r RecordFilters) Extended() bool {
	return r.byUpdatedAfter.Enabled || r.byUpdatedBefore.Enabled || r.byReason != ""
}

// Match reports whether the record passes every filter.
func (r RecordFilters) Match(rec *Record) bool {
	if r.byForeignID.Enabled && !r.byForeignID.Matches(rec.ForeignID) {
		return false
	}
	if r.byStatus.Enabled && !r.byStatus.Matches(strconv.Itoa(rec.Status)) {
		return false
	}
	if r.byRunState.Enabled && !r.byRunState.Matches(strconv.Itoa(int(rec.RunState))) {
		return false
	}
	if r.byCreatedAfter.Enabled && !r.byCreatedAfter.Matches(rec.CreatedAt) {
		return false
	}
	if r.byCreatedBefore.Enabled && !r.byCreatedBefore.Matches(rec.CreatedAt) {
		return false
	}
	if r.byUpdatedAfter.Enabled && !r.byUpdatedAfter.Matches(rec.UpdatedAt) {
		return false
	}
	if r.byUpdatedBefore.Enabled && !r.byUpdatedBefore.Matches(rec.UpdatedAt) {
		return false
	}
	return strings.Contains(rec.Meta.RunStateReason, r.byReason)
}

// Filter is a set of accepted values. The zero value is not enabled and matches nothing.
type Filter struct {
	// Enabled says that the listing is narrowed by it.
	Enabled bool
	// IsMultiMatch says that there is more than one accepted value.
	IsMultiMatch bool
	values       []string
}

// Matches reports whether the value is one of the accepted.
func (f Filter) Matches(findValue string) bool {
	for _, v := range f.values {
		if v == findValue {
			return true
		}
	}
	return false
}

// MultiValues returns all accepted values.
func (f Filter) MultiValues() []string { return append([]string(nil), f.values...) }

// Value returns the first accepted value.
func (f Filter) Value() string {
	if len(f.values) == 0 {
		return ""
	}
	return f.values[0]
}

// FilterTime is a bound on a time. The zero value is not enabled.
type FilterTime struct {
	Enabled bool
	value   time.Time
	after   bool
}

// Matches reports whether the time lies strictly beyond the bound, on its side.
func (f FilterTime) Matches(findValue time.Time) bool {
	if f.after {
		return findValue.After(f.value)
	}
	return findValue.Before(f.value)
}

// Value returns the bound.
func (f FilterTime) Value() time.Time { return f.value }

func makeFilter(values []string) Filter {
	return Filter{Enabled: true, IsMultiMatch: len(values) > 1, values: values}
}

// FilterByForeignID keeps runs of any of these foreign ids.
func FilterByForeignID(foreignIDs ...string) RecordFilter {
	values := append([]string(nil), foreignIDs...)
	return func(f *RecordFilters) { f.byForeignID = makeFilter(values) }
}

// FilterByStatus keeps runs in any of these statuses.
func FilterByStatus[statusType ~int | ~int8 | ~int16 | ~int32 | ~int64](statuses ...statusType) RecordFilter {
	values := make([]string, 0, len(statuses))
	for _, s := range statuses {
		values = append(values, strconv.FormatInt(int64(s), 10))
	}
	return func(f *RecordFilters) { f.byStatus = makeFilter(values) }
}

// FilterByRunState keeps runs in any of these run states.
func FilterByRunState(runStates ...RunState) RecordFilter {
	values := make([]string, 0, len(runStates))
	for _, s := range runStates {
		values = append(values, strconv.Itoa(int(s)))
	}
	return func(f *RecordFilters) { f.byRunState = makeFilter(values) }
}

// FilterByCreatedAtAfter keeps runs that were created after the time.
func FilterByCreatedAtAfter(after time.Time) RecordFilter {
	return func(f *RecordFilters) { f.byCreatedAfter = FilterTime{Enabled: true, value: after, after: true} }
}

// FilterByCreatedAtBefore keeps runs that were created before the time.
func FilterByCreatedAtBefore(before time.Time) RecordFilter {
	return func(f *RecordFilters) { f.byCreatedBefore = FilterTime{Enabled: true, value: before} }
}

// FilterByUpdatedAtAfter keeps runs whose last version was made after the time.
func FilterByUpdatedAtAfter(after time.Time) RecordFilter {
	return func(f *RecordFilters) { f.byUpdatedAfter = FilterTime{Enabled: true, value: after, after: true} }
}

// FilterByUpdatedAtBefore keeps runs whose last version was made before the time.
func FilterByUpdatedAtBefore(before time.Time) RecordFilter {
	return func(f *RecordFilters) { f.byUpdatedBefore = FilterTime{Enabled: true, value: before} }
}

// FilterByReason keeps runs whose reason (why they are paused, cancelled, …) contains the text, byte for byte. An empty text keeps all.
func FilterByReason(contains string) RecordFilter {
	return func(f *RecordFilters) { f.byReason = contains }
}
