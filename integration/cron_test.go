package integration_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	netresearch "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"

	"github.com/stillwater-go/workflow/internal/cron"
)

// The slots of a spec in UTC, as three other libraries compute them. A case that they mean differently is left out by its shape, each shape with
// its reason; all else has to be equal, by every one of them.

// oracle is another library.
type oracle struct {
	name string
	// next returns the slot after the instant. ok is false where the library gives up or refuses.
	next func(spec string, after time.Time) (slot time.Time, ok bool)
	// differs says why the library means something else by the spec, or nothing.
	differs func(f [5]string) string
	// search is how far it looks; zero is for ever.
	search time.Duration
}

const year = 365 * 24 * time.Hour

func oracles() []oracle {
	posix := netresearch.MustNewParser(netresearch.Minute | netresearch.Hour | netresearch.Dom | netresearch.Month | netresearch.Dow |
		netresearch.DowOrDom) // without this flag it takes days that satisfy both day fields
	return []oracle{
		{
			name: "robfig/cron", search: 4 * year, // its fifth year is the one in which it gives up
			next: func(spec string, after time.Time) (time.Time, bool) {
				s, err := robfig.ParseStandard(spec)
				if err != nil {
					return time.Time{}, false
				}
				slot := s.Next(after)
				return slot, !slot.IsZero()
			},
			differs: func(f [5]string) string {
				if strings.Contains(dropSteps(f[4]), "7") {
					return "7 is no day of the week there"
				}
				return ""
			},
		},
		{
			name: "netresearch/go-cron", search: 4 * year,
			next: func(spec string, after time.Time) (time.Time, bool) {
				s, err := posix.Parse(spec)
				if err != nil {
					return time.Time{}, false
				}
				slot := s.Next(after)
				return slot, !slot.IsZero()
			},
			differs: func(f [5]string) string {
				if stepOutruns(f) {
					return "a step that is not below its range is refused there"
				}
				if stepsToTheEnd(f[4]) {
					return "the week ends with 7 there, so that 5/1 has a Sunday"
				}
				return ""
			},
		},
		{
			name: "adhocore/gronx", search: year / 4, // it tries 500 times and stops, sometimes at a day that does not match
			next: func(spec string, after time.Time) (time.Time, bool) {
				slot, err := gronx.NextTickAfter(spec, after, false)
				return slot, err == nil
			},
			differs: func(f [5]string) string {
				for _, days := range []string{f[2], f[4]} {
					if strings.Contains(days, "*/") {
						return "a step behind a star does not restrict a day field there"
					}
					if strings.Contains(days, "*") && days != "*" {
						return "a star in a list is looked for in the first place, and in the day of the month alone"
					}
				}
				return ""
			},
		},
	}
}

// dropSteps removes what stands behind slashes.
func dropSteps(field string) string {
	items := strings.Split(field, ",")
	for i, item := range items {
		items[i], _, _ = strings.Cut(item, "/")
	}
	return strings.Join(items, ",")
}

// stepOutruns reports whether a step is as large as the values that it steps over.
func stepOutruns(f [5]string) bool {
	tops := [5]int{59, 23, 31, 12, 7}
	for i, field := range f {
		for item := range strings.SplitSeq(field, ",") {
			values, stepText, _ := strings.Cut(item, "/")
			step, _ := strconv.Atoi(stepText)
			firstText, lastText, ranged := strings.Cut(values, "-")
			first, _ := strconv.Atoi(firstText)
			last, _ := strconv.Atoi(lastText)
			if !ranged {
				last = tops[i]
			}
			if values == "*" && (i == 2 || i == 3) {
				first = 1
			}
			if step > 1 && step >= last-first+1 {
				return true
			}
		}
	}
	return false
}

// stepsToTheEnd reports whether an item is a value with a step.
func stepsToTheEnd(field string) bool {
	for item := range strings.SplitSeq(field, ",") {
		if values, _, stepped := strings.Cut(item, "/"); stepped && values != "*" && !strings.Contains(values, "-") {
			return true
		}
	}
	return false
}

// cronFields writes five random fields of the syntax that all have in common.
func cronFields(r *rand.Rand) [5]string {
	var f [5]string
	limits := [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}
	for i, limit := range limits {
		items := make([]string, 1+r.IntN(9)/7+r.IntN(9)/8)
		for k := range items {
			items[k] = cronItem(r, i, limit[0], limit[1])
		}
		f[i] = strings.Join(items, ",")
		if (i == 2 || i == 4) && r.IntN(20) == 0 {
			f[i] = "?"
		}
	}
	return f
}

func cronItem(r *rand.Rand, i, low, high int) string {
	a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
	a, b = min(a, b), max(a, b)
	step := "/" + strconv.Itoa(1+r.IntN(high-low))
	name := func(v int) string {
		switch {
		case i == 3 && r.IntN(3) == 0:
			return strings.ToUpper(time.Month(v).String()[:3])
		case i == 4 && r.IntN(3) == 0:
			return strings.ToLower(time.Weekday(v).String()[:3])
		}
		return strconv.Itoa(v)
	}
	switch r.IntN(9) {
	case 0, 1, 2:
		return "*"
	case 3:
		return "*" + step
	case 4:
		return name(a) + "-" + name(b)
	case 5:
		return strconv.Itoa(a) + "-" + strconv.Itoa(b) + step
	case 6:
		return strconv.Itoa(a) + step
	case 7:
		if i == 4 {
			return "7"
		}
	}
	return name(a)
}

// compareSlots compares some slots in a row and returns how many it could compare.
func compareSlots(t *testing.T, o oracle, f [5]string, after time.Time, slots int) int {
	t.Helper()
	spec := strings.Join(f[:], " ")
	s, err := cron.Parse(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.differs(f) != "" {
		return 0
	}
	compared := 0
	for range slots {
		want, found := o.next(spec, after)
		got, ok := s.Next(after)
		if o.search > 0 && (!ok || got.Sub(after) > o.search) {
			return compared // beyond its horizon
		}
		if ok != found || !got.Equal(want) {
			t.Fatalf("%q after %v: %v, %v; %s says %v, %v", spec, after, got, ok, o.name, want, found)
		}
		compared++
		after = got
	}
	return compared
}

func cronInstant(r *rand.Rand) time.Time {
	return time.Date(1970+r.IntN(150), 1, 1+r.IntN(366), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(2)*r.IntN(1e9), time.UTC)
}

func TestCronAgainstOtherLibraries(t *testing.T) {
	for _, o := range oracles() {
		t.Run(o.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2026, 10))
			compared := 0
			for range 5000 {
				compared += compareSlots(t, o, cronFields(r), cronInstant(r), 3)
			}
			if compared < 4000 {
				t.Errorf("only %d slots were compared: the shapes left out too much", compared)
			}
		})
	}
}

func FuzzCronAgainstOtherLibraries(f *testing.F) {
	all := oracles()
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		fields, after := cronFields(r), cronInstant(r)
		for _, o := range all {
			compareSlots(t, o, fields, after, 5)
		}
	})
}
