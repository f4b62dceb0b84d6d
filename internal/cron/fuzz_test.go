package cron_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/cron"
)

// spec is a random spec and, worked out beside the parser, what it allows.
type spec struct {
	text       string
	allows     [5]map[int]bool
	restricted [5]bool
}

// randomSpec writes a spec whose lists are short, so that some slots are far apart and some are close.
func randomSpec(r *rand.Rand) spec {
	var s spec
	var texts []string
	for i, limit := range [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}} {
		s.allows[i], s.restricted[i] = map[int]bool{}, true
		var items []string
		for range 1 + r.IntN(8)/6 + r.IntN(8)/7 {
			items = append(items, s.randomItem(r, i, limit[0], limit[1]))
		}
		texts = append(texts, strings.Join(items, ","))
	}
	s.text = strings.Join(texts, " ")
	return s
}

// randomItem writes one item of a list and notes what it allows.
func (s *spec) randomItem(r *rand.Rand, i, low, high int) string {
	allow := func(first, last, step int) {
		for v := first; v <= last; v += step {
			s.allows[i][v] = true
		}
	}
	value := func() int { return low + r.IntN(high-low+1) }
	first, last := value(), value()
	first, last = min(first, last), max(first, last)
	step := 1 + r.IntN(high)
	switch kind := r.IntN(10); {
	case kind < 3:
		allow(low, high, 1)
		s.restricted[i] = false
		return "*"
	case kind == 3:
		allow(low, high, step)
		s.restricted[i] = s.restricted[i] && step != 1
		return "*/" + strconv.Itoa(step)
	case kind == 4:
		allow(first, last, 1)
		return write(r, i, first) + "-" + write(r, i, last)
	case kind == 5:
		allow(first, last, step)
		return write(r, i, first) + "-" + write(r, i, last) + "/" + strconv.Itoa(step)
	case kind == 6:
		allow(first, high, step)
		return write(r, i, first) + "/" + strconv.Itoa(step)
	case kind == 7 && i == 4:
		s.allows[i][0] = true
		return "7"
	default:
		allow(first, first, 1)
		return write(r, i, first)
	}
}

// write writes a value as a number or, half the time, as its name.
func write(r *rand.Rand, i, v int) string {
	name := ""
	switch i {
	case 3:
		name = time.Month(v).String()[:3]
	case 4:
		name = time.Weekday(v).String()[:3]
	}
	switch r.IntN(4) {
	case 0:
		return cmp.Or(strings.ToUpper(name), strconv.Itoa(v))
	case 1:
		return cmp.Or(strings.ToLower(name), strconv.Itoa(v))
	}
	return strconv.Itoa(v)
}

// matches reports whether the fields allow what a clock shows.
func (s *spec) matches(shown time.Time) bool {
	dom, dow := s.allows[2][shown.Day()], s.allows[4][int(shown.Weekday())]
	day := dom && dow
	if s.restricted[2] && s.restricted[4] {
		day = dom || dow
	}
	return day && s.allows[0][shown.Minute()] && s.allows[1][shown.Hour()] && s.allows[3][int(shown.Month())]
}

// walk finds every slot in (after, after+window] by looking at the zone's clock once a minute, the way somebody sitting in front of it
// would. It needs a zone whose clock changes on whole minutes.
func (s *spec) walk(after time.Time, window time.Duration, loc *time.Location) []time.Time {
	shown := func(at time.Time) time.Time { // what the clock shows, as if it were UTC
		_, offset := at.In(loc).Zone()
		return at.UTC().Add(time.Duration(offset) * time.Second)
	}
	var found []time.Time
	at := after.UTC().Truncate(time.Minute).Add(-72 * time.Hour)
	latest := shown(at)
	for end := after.Add(window); !at.After(end); at = at.Add(time.Minute) {
		now := shown(at)
		due := false
		if len(s.allows[1]) == 24 {
			due = s.matches(now)
		} else {
			for m := latest.Add(time.Minute); !m.After(now); m = m.Add(time.Minute) {
				due = due || s.matches(m)
			}
		}
		if now.After(latest) {
			latest = now
		}
		if due && at.After(after) {
			found = append(found, at)
		}
	}
	return found
}

// check compares Next with the slots that walk finds.
func (s *spec) check(t *testing.T, after time.Time, window time.Duration, loc *time.Location) {
	t.Helper()
	sched, err := cron.Parse(s.text, loc)
	if err != nil {
		t.Fatal(err)
	}
	var got []time.Time
	for at := after; ; {
		next, ok := sched.Next(at)
		if ok && !next.After(at) {
			t.Fatalf("%q in %v: after %v comes %v", s.text, loc, at, next)
		}
		if at = next; !ok || next.After(after.Add(window)) {
			break
		}
		got = append(got, next.UTC())
	}
	if want := s.walk(after, window, loc); !slices.EqualFunc(got, want, time.Time.Equal) {
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
				got, want = got[i:min(i+3, len(got))], want[i:min(i+3, len(want))]
				break
			}
		}
		t.Fatalf("%q in %v after %v: the first difference is\n got %v\nwant %v", s.text, loc, after, got, want)
	}
}

// change is a moment at which a zone's clock does something.
type change struct {
	loc *time.Location
	at  time.Time
}

// changes lists moments around which clocks did something, and some where they did not.
func changes(t testing.TB) []change {
	var all []change
	for _, line := range []string{
		"UTC 2024-02-28 1999-12-31",
		"America/New_York 2026-03-07 2026-10-31",
		"Europe/London 2026-03-28 2026-10-24 1947-05-10",
		"Australia/Lord_Howe 2026-04-04 2026-10-03 1985-10-26",
		"Africa/Casablanca 2026-02-14 2026-03-21",
		"Asia/Kathmandu 1985-12-31 2026-01-01",
		"Pacific/Apia 2011-12-29 2012-03-31",
		"America/Havana 2026-03-07 2026-10-31",
		"Antarctica/Troll 2026-03-28 2026-10-24",
		"Pacific/Kwajalein 1993-08-20 1969-09-29",
	} {
		words := strings.Fields(line)
		for _, day := range words[1:] {
			at, err := time.Parse(time.DateOnly, day)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, change{zone(t, words[0]), at})
		}
	}
	return all
}

func TestNextAgainstTheClockOnTheWall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range changes(t) {
		for range 20 {
			s := randomSpec(r)
			s.check(t, c.at.Add(time.Duration(r.IntN(1440))*time.Minute), 48*time.Hour, c.loc)
		}
	}
}

func FuzzNextInZones(f *testing.F) {
	all := changes(f)
	f.Add(uint64(1), uint8(0), int16(30))
	f.Fuzz(func(t *testing.T, seed uint64, change uint8, minutes int16) {
		c := all[int(change)%len(all)]
		s := randomSpec(rand.New(rand.NewPCG(seed, 0)))
		s.check(t, c.at.Add(time.Duration(minutes)*time.Minute), 36*time.Hour, c.loc)
	})
}

// FuzzNext looks at any instant in UTC, and at the next slot alone.
func FuzzNext(f *testing.F) {
	f.Add(uint64(1), int64(0), int32(0))
	f.Add(uint64(7), int64(1<<33), int32(1))
	f.Add(uint64(9), int64(-1<<40), int32(999999999))
	f.Fuzz(func(t *testing.T, seed uint64, sec int64, nsec int32) {
		s := randomSpec(rand.New(rand.NewPCG(seed, 1)))
		after := time.Unix(sec, int64(uint32(nsec)%1e9)).UTC()
		next, ok := parse(t, s.text, nil).Next(after)
		if ok && (!next.After(after) || next.Second() != 0 || next.Nanosecond() != 0 || !s.matches(next)) {
			t.Fatalf("%q after %v: %v", s.text, after, next)
		}
		if after.Unix() < -62135596800 || after.Unix() > 9214646399-86400 {
			return
		}
		for at := after.Truncate(time.Minute).Add(time.Minute); at.Before(after.Add(24 * time.Hour)); at = at.Add(time.Minute) {
			if s.matches(at) {
				if !ok || !next.Equal(at) {
					t.Fatalf("%q after %v: %v, %v; want %v", s.text, after, next, ok, at)
				}
				return
			}
		}
		if ok && next.Before(after.Add(24*time.Hour)) {
			t.Fatalf("%q after %v: %v, which no field allows", s.text, after, next)
		}
	})
}

// FuzzParse hands over any text: it is refused with ErrSpec or makes a schedule whose canonical form has the same slots.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"* * * * *", "*/5 1-30/7 ? jan,Feb-dec sun", "@every 1h30m", "@daily", "CRON_TZ=Europe/London 0 0 1-31 * 7", "TZ=UTC @hourly",
		"0 0 31 2 *", "5/15 * 1,15 * fri-sun", "61 * * * *", "* * * *",
	} {
		f.Add(text, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, sec int64) {
		s, err := cron.Parse(text, nil)
		if err != nil {
			if !errors.Is(err, cron.ErrSpec) {
				t.Fatalf("%q: %v is no ErrSpec", text, err)
			}
			return
		}
		again, err := cron.Parse(s.String(), nil)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, s, err)
		}
		if again.String() != s.String() || again.Zone().String() != s.Zone().String() {
			t.Fatalf("%q became %q, then %q", text, s, again)
		}
		at := time.Unix(sec, 0)
		for range 5 {
			want, ok := s.Next(at)
			got, okAgain := again.Next(at)
			if ok != okAgain || !got.Equal(want) {
				t.Fatalf("%q after %v: %v, %v; as %q: %v, %v", text, at, want, ok, s, got, okAgain)
			}
			if ok && !want.After(at) {
				t.Fatalf("%q after %v: %v", text, at, want)
			}
			at = want
		}
	})
}
