package cron_test

import (
	"slices"
	"testing"
	"time"
)

// slots returns up to n slots after the instant, as the zone's clock shows them.
func slots(t *testing.T, spec, after string, n int) []string {
	t.Helper()
	from, err := time.Parse(time.RFC3339Nano, after)
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, spec, nil)
	var got []string
	for range n {
		next, ok := s.Next(from)
		if !ok {
			return append(got, "none")
		}
		if !next.After(from) {
			t.Fatalf("%q: Next(%v) = %v, not after it", spec, from, next)
		}
		from = next
		got = append(got, next.Format("2006-01-02T15:04:05Z07:00"))
	}
	return got
}

type slotCase struct {
	name, spec, after string
	want              []string
}

func runSlots(t *testing.T, tests []slotCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := slots(t, tt.spec, tt.after, len(tt.want)); !slices.Equal(got, tt.want) {
				t.Errorf("%q after %s:\n got %v\nwant %v", tt.spec, tt.after, got, tt.want)
			}
		})
	}
}

func TestNextUTC(t *testing.T) {
	runSlots(t, []slotCase{
		{"strictly after", "* * * * *", "2026-07-01T00:00:00Z", []string{"2026-07-01T00:01:00Z"}},
		{"a nanosecond before", "0 0 1 7 *", "2026-06-30T23:59:59.999999999Z", []string{"2026-07-01T00:00:00Z"}},
		{"a nanosecond behind", "* * * * *", "2026-07-01T00:00:00.000000001Z", []string{"2026-07-01T00:01:00Z"}},
		{"over midnight, month and year", "*/40 22-23 * * *", "2026-12-31T23:00:00Z", []string{"2026-12-31T23:40:00Z", "2027-01-01T22:00:00Z"}},
		{"31st only in long months", "0 0 31 * *", "2026-01-31T00:00:00Z", []string{"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z", "2026-08-31T00:00:00Z"}},
		{"29 February", "0 0 29 2 *", "2024-02-29T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{"29 February across 2100", "0 0 29 2 *", "2096-02-29T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"29 February across 2000", "0 0 29 2 *", "1996-02-29T00:00:00Z", []string{"2000-02-29T00:00:00Z"}},
		{"30 February", "0 0 30 2 *", "2024-01-01T00:00:00Z", []string{"none"}},
		{"31st of short months", "0 0 31 2,4,6,9,11 *", "2024-01-01T00:00:00Z", []string{"none"}},
		{"30 February or a Monday", "0 0 30 2 1", "2026-01-01T00:00:00Z", []string{"2026-02-02T00:00:00Z", "2026-02-09T00:00:00Z"}},
		{"either day field", "0 0 13 * fri", "2026-03-01T00:00:00Z", []string{"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z", "2026-03-27T00:00:00Z", "2026-04-03T00:00:00Z", "2026-04-10T00:00:00Z", "2026-04-13T00:00:00Z"}},
		{"a star restricts nothing", "0 0 * * mon", "2026-03-01T00:00:00Z", []string{"2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"}},
		{"1-31 is restricted", "0 0 1-31 * mon", "2026-03-01T00:00:00Z", []string{"2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"}},
		{"*/2 is restricted", "0 0 */2 * mon", "2026-03-01T00:00:00Z", []string{"2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", "2026-03-05T00:00:00Z"}},
		{"seven is Sunday", "0 0 * * 7", "2026-03-01T00:00:00Z", []string{"2026-03-08T00:00:00Z"}},
		{"every, from the epoch", "@every 7h", "1970-01-01T00:00:00Z", []string{"1970-01-01T07:00:00Z", "1970-01-01T14:00:00Z"}},
		{"every, before the epoch", "@every 7h", "1969-12-31T17:00:00Z", []string{"1970-01-01T00:00:00Z"}},
		{"every, far before the epoch", "@every 24h", "1899-05-05T05:05:05.5Z", []string{"1899-05-06T00:00:00Z", "1899-05-07T00:00:00Z"}},
		{"every second", "@every 1s", "2026-03-01T00:00:00.25Z", []string{"2026-03-01T00:00:01Z", "2026-03-01T00:00:02Z"}},
		{"every 250 years", "@every 2191500h", "1970-01-01T00:00:00Z", []string{"2220-01-03T12:00:00Z", "none"}},
		{"the last slot", "* * * * *", "2261-12-31T23:58:00Z", []string{"2261-12-31T23:59:00Z", "none"}},
		{"past the end", "* * * * *", "2300-01-01T00:00:00Z", []string{"none"}},
		{"year 1", "0 0 1 1 *", "0001-01-01T00:00:00Z", []string{"0002-01-01T00:00:00Z"}},
	})
}

func TestNextFromTheEndsOfTime(t *testing.T) {
	for _, spec := range []string{"* * * * *", "30 4 29 2 *", "@every 5m"} {
		for _, zone := range []string{"UTC", "America/New_York", "Pacific/Apia"} {
			s := parse(t, spec, nil)
			s = parse(t, "CRON_TZ="+zone+" "+s.String(), nil)
			for _, after := range []time.Time{{}, time.Unix(-1<<62, 0), time.Unix(-1<<40, 0)} {
				if next, ok := s.Next(after); !ok || !next.After(after) {
					t.Errorf("%v after %d: %v, %v", s, after.Unix(), next, ok)
				}
			}
			for _, after := range []time.Time{time.Unix(1<<40, 0), time.Unix(1<<62, 0), time.Unix(1<<63-1, 0)} {
				if next, ok := s.Next(after); ok {
					t.Errorf("%v after %d: %v, want none", s, after.Unix(), next)
				}
			}
		}
	}
}

// Clocks that go forward skip times, clocks that go back show some twice.
func TestNextWhenClocksChange(t *testing.T) {
	runSlots(t, []slotCase{
		{"New York, gap, a time", "TZ=America/New_York 30 2 * * *", "2026-03-07T12:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"New York, gap, times that coincide", "TZ=America/New_York */20 2,3 * * *", "2026-03-08T05:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00", "2026-03-08T03:40:00-04:00", "2026-03-09T02:00:00-04:00"}},
		{"New York, gap, hours by step", "TZ=America/New_York 15 */2 * * *", "2026-03-08T05:00:00Z",
			[]string{"2026-03-08T00:15:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T04:15:00-04:00"}},
		{"New York, gap, rhythm", "TZ=America/New_York */30 * * * *", "2026-03-08T06:00:00Z",
			[]string{"2026-03-08T01:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"}},
		{"New York, gap, hourly", "TZ=America/New_York 30 * * * *", "2026-03-08T06:00:00Z",
			[]string{"2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"}},
		{"New York, overlap, a time", "TZ=America/New_York 30 1 * * *", "2026-10-31T12:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"New York, overlap, asked in the second pass", "TZ=America/New_York 30 1 * * *", "2026-11-01T06:10:00Z",
			[]string{"2026-11-02T01:30:00-05:00"}},
		{"New York, overlap, times on both sides", "TZ=America/New_York */30 1,2 * * *", "2026-11-01T04:00:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T02:00:00-05:00"}},
		{"New York, overlap, rhythm", "TZ=America/New_York */30 * * * *", "2026-11-01T05:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00"}},
		{"New York, all hours written out are a rhythm", "TZ=America/New_York 30 0-11,12-23 * * *", "2026-11-01T05:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"}},
		{"London, gap", "TZ=Europe/London 15,45 1 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T02:00:00+01:00", "2026-03-30T01:15:00+01:00"}},
		{"London, overlap", "TZ=Europe/London 15,45 1 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T01:15:00+01:00", "2026-10-25T01:45:00+01:00", "2026-10-26T01:15:00Z"}},
		{"Lord Howe, gap of half an hour", "TZ=Australia/Lord_Howe 10,40 2 * * *", "2026-10-03T12:00:00Z",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-04T02:40:00+11:00", "2026-10-05T02:10:00+11:00"}},
		{"Lord Howe, overlap of half an hour", "TZ=Australia/Lord_Howe 40 1 * * *", "2026-04-04T12:00:00Z",
			[]string{"2026-04-05T01:40:00+11:00", "2026-04-06T01:40:00+10:30"}},
		{"Lord Howe, overlap, rhythm", "TZ=Australia/Lord_Howe */15 * * * *", "2026-04-04T14:30:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30", "2026-04-05T02:00:00+10:30"}},
		{"Casablanca, Ramadan begins", "TZ=Africa/Casablanca 30 2 * * *", "2026-02-14T12:00:00Z",
			[]string{"2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00Z"}},
		{"Casablanca, Ramadan ends", "TZ=Africa/Casablanca 30 2 * * *", "2026-03-21T12:00:00Z",
			[]string{"2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00"}},
		{"Kathmandu, no whole hour from UTC", "TZ=Asia/Kathmandu 0 6 * * *", "2026-03-01T00:15:00Z",
			[]string{"2026-03-02T06:00:00+05:45"}},
		{"Kathmandu, fifteen minutes ahead in 1986", "TZ=Asia/Kathmandu 5 0 1 1 *", "1985-06-01T00:00:00Z",
			[]string{"1986-01-01T00:15:00+05:45", "1987-01-01T00:05:00+05:45"}},
		{"Apia, a day that did not exist, times", "TZ=Pacific/Apia 0 9,18 * * *", "2011-12-29T20:00:00Z",
			[]string{"2011-12-29T18:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"}},
		{"Apia, a day that did not exist, its date", "TZ=Pacific/Apia 0 9 30 12 *", "2011-01-01T00:00:00Z",
			[]string{"2011-12-31T00:00:00+14:00", "2012-12-30T09:00:00+14:00"}},
		{"Apia, a day that did not exist, rhythm", "TZ=Pacific/Apia 0 * 30 12 *", "2011-01-01T00:00:00Z",
			[]string{"2012-12-30T00:00:00+14:00"}},
		{"Kwajalein, a day that did not exist, 1993", "TZ=Pacific/Kwajalein 0 12 * 8 *", "1993-08-20T00:00:00Z",
			[]string{"1993-08-20T12:00:00-12:00", "1993-08-22T00:00:00+12:00", "1993-08-22T12:00:00+12:00"}},
		{"Alaska, a date that was shown twice, 1867", "TZ=America/Juneau 0 20 * 10 *", "1867-10-18T00:00:00Z",
			[]string{"1867-10-18T20:00:00+15:02", "1867-10-19T20:00:00-08:57"}},
		{"every is elapsed time", "TZ=America/New_York @every 1h", "2026-11-01T04:00:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"}},
	})
}

func TestEveryFiveMinutesThroughBothHours(t *testing.T) {
	for _, name := range []string{"America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia"} {
		s := parse(t, "CRON_TZ="+name+" */5 * * * *", nil)
		at := time.Date(2011, 12, 1, 0, 0, 0, 0, time.UTC)
		for end := at.AddDate(1, 0, 0); at.Before(end); {
			next, ok := s.Next(at)
			if !ok || next.Sub(at) != 5*time.Minute {
				t.Fatalf("%v: after %v comes %v, want five minutes", s, at, next)
			}
			at = next
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, spec := range []string{"* * * * *", "30 2 * * mon-fri", "0 0 29 2 *", "TZ=America/New_York 30 2 * * *", "TZ=America/New_York 0 * 29 2 *", "@every 5m"} {
		b.Run(spec, func(b *testing.B) {
			s := parse(b, spec, nil)
			after := time.Date(2096, 2, 29, 12, 0, 0, 0, time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(after)
			}
		})
	}
}
