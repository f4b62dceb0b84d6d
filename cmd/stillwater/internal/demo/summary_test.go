package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

func write(t *testing.T, s *Summary) string {
	t.Helper()
	var b strings.Builder
	if err := s.Write(&b, term.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSummarySpeed(t *testing.T) {
	s := &Summary{}
	if s.measure(3000, 1.5); s.StepsPerSecond != 2000 || s.Steps != 3000 || s.ElapsedSeconds != 1.5 {
		t.Errorf("%+v", s)
	}
	for _, nothing := range []struct {
		steps   int64
		seconds float64
	}{{0, 0}, {0, -3}, {0, 5}} { // nothing was left to do
		if s.measure(nothing.steps, nothing.seconds); s.StepsPerSecond != 0 || s.ElapsedSeconds != 0 {
			t.Errorf("%v: %+v", nothing, s)
		}
	}
}

func TestSummaryText(t *testing.T) {
	s := &Summary{
		DB: "a b.db", Source: "10,000 orders generated from seed 1", Orders: 10_000, BadLines: 3, AlreadyThere: 4, Statuses: map[string]int{"Shipped": 9_700, "Declined": 300},
		Retries: 512, Steps: 29_700, ElapsedSeconds: 2, StepsPerSecond: 14_850, Charges: 9_700,
		LedgerCents: map[string]int64{"USD": 100, "EUR": 123_456_789}, Reconciled: true, Again: "stillwater demo",
	}
	text := write(t, s)
	for _, want := range []string{
		"9,700", "300", "512", "14,850 steps/s", "EUR 1,234,567.89, USD 1.00", "Bad lines           3", "Resumed             4",
		"Reconciled: every order", "stillwater check 'a b.db'", "stillwater demo --fresh",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colours where none were wanted")
	}

	s.Interrupted, s.Reconciled, s.Left = true, false, 7_000
	if text := write(t, s); !strings.Contains(text, "7,000 of 10,000 orders left") || !strings.Contains(text, "  stillwater demo\n") || strings.Contains(text, "Reconciled") {
		t.Errorf("interrupted:\n%s", text)
	}

	s.Interrupted, s.MismatchCount, s.Mismatches = false, 25, []Mismatch{{"ord-1", "has 2 runs instead of one"}}
	if text := write(t, s); !strings.Contains(text, "25 mismatches") || !strings.Contains(text, "  ord-1 has 2 runs instead of one\n  and 24 more\n") {
		t.Errorf("mismatches:\n%s", text)
	}
}

func TestAgainRepeatsTheArguments(t *testing.T) {
	for want, o := range map[string]Options{
		"stillwater demo": {DB: DefaultDB, Orders: DefaultOrders, Seed: DefaultSeed},
		"stillwater demo --orders 300 --seed=-2 --db '/data/it'\\''s here.db'": {DB: "/data/it's here.db", Orders: 300, Seed: -2},
		"stillwater demo --input - --db x.db":                                  {DB: "x.db", Input: "-", Orders: 5, Seed: 9},
	} {
		if got := o.Again(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.00", 5: "0.05", 123456: "1,234.56", -5: "-0.05", -100000: "-1,000.00"} {
		if got := money(n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		300 * time.Millisecond: "0.3 s", 42 * time.Second: "42 s", 125 * time.Second: "2 min 05 s",
	} {
		if got := rough(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
