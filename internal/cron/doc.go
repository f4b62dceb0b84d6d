// Package cron reads schedule specs and computes their slots: the instants at which a schedule is due. It is pure: it has no
// clock, starts nothing and keeps nothing. Equal specs have equal slots in every process and after every restart.
//
// # The grammar
//
//	spec   = [ "CRON_TZ=" zone " " | "TZ=" zone " " ] ( five fields | descriptor )
//	fields = minute (0-59) hour (0-23) day-of-month (1-31) month (1-12, jan-dec) day-of-week (0-7, sun-sat)
//	field  = item { "," item }
//	item   = ( "*" | value | value "-" value ) [ "/" step ]
//
// Fields are separated by spaces or tabs. Names are read in any case. "?" is "*" in the two day fields. 0 and 7 are Sunday, and as
// the end of a range so is "sun": fri-sun. "5/15" starts at 5 and goes to the field's end. A range never wraps: other programs
// disagree about what fri-mon means, so it is an error. So is a step that exceeds the field, because "*/90" minutes is not what it
// looks like. The descriptors are @yearly or @annually, @monthly, @weekly, @daily or @midnight, @hourly, and @every <duration>.
//
// # Day of month and day of week
//
// A day field is unrestricted when one of its items is "*" or "?", without a step or with step 1; every other one is restricted, 1-31
// and */2 too. When both are restricted a day matches that satisfies either of them, as POSIX has it; otherwise it has to satisfy
// both, which the unrestricted one always is.
//
// # Intervals
//
// The slots of "@every d" are the multiples of d since the Unix epoch, 1970-01-01 00:00:00 UTC, in elapsed time: a start or a
// restart moves none of them, and a zone has no meaning. "@every 24h" is midnight UTC; "@every 7h" falls on other hours each day.
//
// # When the clocks change
//
// The hour field decides, by the hours that it allows and not by how they are written.
//
// A spec with fixed hours (any that leaves out at least one) names times of day, and each of them comes once on every day that
// matches. Its slot is the first instant at which the zone's clock shows that time or, where the clock jumps over it, a later
// one. So a time in a gap fires at the first instant after the gap, several such times and one that is due at that instant are one
// slot, and a time that the clock shows twice fires when it is first shown. This has no limit: what would have been due on
// 30 December 2011 in Apia, a day that did not exist, is due at the first instant of the 31st.
//
// A spec that allows every hour names a rhythm. It fires whenever the zone's clock shows a matching minute: in both passes through
// a repeated hour, so that */5 * * * * keeps its five minutes, and never for minutes that were jumped over.
//
// This is the rule of Vixie's cron (version 4.1), which runs jobs with a "*" by elapsed time and the others once, with two
// differences. There a "*" in the minute field is enough, so that "*/5 2 * * *" would be lost on a day without the hour from two to
// three; here a named hour is never lost. And there a jump of three hours or more counts as a clock that was set right; here the
// zone's rules are the only thing that moves the clock.
//
// # Bounds
//
// A spec has at most [MaxSpec] bytes. Slots lie from year 1 to the end of 2261 UTC. Next jumps from field to field and from one change
// of the clocks to the next; a search ends within the eight years that may lie between two 29ths of February, or a year more where
// the slot falls into a gap.
//
// # How it fails
//
// Parse returns an error that matches [ErrSpec] and names the field, the value and what is allowed. Next does not fail; it reports that
// there is no further slot. A Schedule is immutable and safe for concurrent use.
package cron
