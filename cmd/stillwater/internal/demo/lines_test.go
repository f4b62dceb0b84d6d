package demo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/backend"
)

// line is a good line of input, with some of its text replaced: pairs of old and new.
func line(id string, replace ...string) string {
	text := fmt.Sprintf(`{"id":%q,"lines":[{"sku":"A","quantity":2,"unit_cents":150}],"currency":"EUR","total_cents":300}`, id)
	return strings.NewReplacer(replace...).Replace(text)
}

func mustRead(t *testing.T, input io.ReaderAt, bad func(int64, error)) *source {
	t.Helper()
	s, err := fromLines(input, bad)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// readLines reads an input and returns the ids of the good orders and the complaints by line.
func readLines(t *testing.T, input string) (*source, []string, map[int]string) {
	t.Helper()
	complaints := map[int]string{}
	s := mustRead(t, strings.NewReader(input), func(line int64, reason error) { complaints[int(line)] = reason.Error() })
	ids := make([]string, s.orders)
	for i := range ids {
		o, err := s.load(i)
		if err != nil {
			t.Fatalf("order %d: %v", i, err)
		}
		ids[i] = o.ID
		if held, err := s.holds(o.ID); err != nil || !held {
			t.Errorf("order %s is not found: %v", o.ID, err)
		}
	}
	if held, err := s.holds("no such order"); err != nil || held {
		t.Errorf("an order is found that is not there: %v", err)
	}
	return s, ids, complaints
}

func TestBadLines(t *testing.T) {
	for _, c := range []struct{ name, line, reason string }{
		{"not JSON", "order 17", "not JSON"},
		{"cut short", line("x")[:40], "not JSON"},
		{"two objects", line("x") + line("y"), "not JSON"},
		{"an array", "[]", "one JSON object"},
		{"a number for an id", `{"id":17}`, "id cannot be a number"},
		{"no id", line("x", `"id":"x",`, ""), "id is missing"},
		{"id with NUL", line("x", `"x"`, `"x\u0000y"`), "NUL"},
		{"id too long", line(strings.Repeat("x", 1001)), "1001 bytes"},
		{"invalid UTF-8", line("x", `"x"`, "\"x\xff\""), "UTF-8"},
		{"negative price", line("x", "150", "-150"), "unit_cents is negative"},
		{"negative total", line("x", "300", "-300"), "total_cents is negative"},
		{"wrong total", line("x", "300", "299"), "add up to 300"},
		{"no quantity", line("x", `"quantity":2,`, ""), "quantity is 0"},
		{"huge quantity", line("x", `"quantity":2`, `"quantity":1000001`), "quantity is 1000001"},
		{"overflow", line("x", "150", "9223372036854775807"), "too large"},
		{"larger than a number", line("x", "150", "92233720368547758070"), "unit_cents"},
		{"a fraction", line("x", "150", "1.5"), "unit_cents"},
		{"no lines", line("x", `"lines":[{"sku":"A","quantity":2,"unit_cents":150}],`, ""), "no lines"},
		{"no currency", line("x", "EUR", "eur"), "capital letters"},
		{"too large", line("x", `"id"`, `"notes":"`+strings.Repeat("n", backend.MaxObjectBytes)+`","id"`), "limit"},
		{"far too large", strings.Repeat("z", maxLineBytes+10), fmt.Sprint(maxLineBytes + 11)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ids, complaints := readLines(t, line("first")+"\n"+c.line+"\n"+line("last")+"\n")
			if got := strings.Join(ids, " "); got != "first last" {
				t.Errorf("orders %s", got)
			}
			if len(complaints) != 1 || !strings.Contains(complaints[2], c.reason) {
				t.Errorf("complaints %v, want %q on line 2", complaints, c.reason)
			}
			if s.badLines != 1 {
				t.Errorf("%d bad lines", s.badLines)
			}
		})
	}
}

func TestDuplicateIDNamesTheFirstLine(t *testing.T) {
	_, ids, complaints := readLines(t, line("a")+"\n"+line("b")+"\n"+line("a")+"\n")
	if strings.Join(ids, " ") != "a b" || complaints[3] != `id "a" was on line 1 already` {
		t.Errorf("orders %v, complaints %v", ids, complaints)
	}
}

// TestGoodLines reads what is unusual and still right.
func TestGoodLines(t *testing.T) {
	for name, input := range map[string]string{
		"no end of the last line": line("a") + "\n" + line("b"),
		"Windows":                 line("a") + "\r\n" + line("b") + "\r\n",
		"blank lines":             "\n\n" + line("a") + "\n  \n" + line("b") + "\n\n",
		"a mark at the beginning": "\uFEFF" + line("a") + "\n" + line("b") + "\n",
		"unknown fields":          line("a", `"id"`, `"colour":"red","id"`) + "\n" + line("b") + "\n",
		"a line beyond a buffer":  line("a", `"id"`, `"notes":"`+strings.Repeat("n", 300_000)+`","id"`) + "\n" + line("b") + "\n",
	} {
		if _, ids, complaints := readLines(t, input); strings.Join(ids, " ") != "a b" || len(complaints) > 0 {
			t.Errorf("%s: orders %v, complaints %v", name, ids, complaints)
		}
	}
	if s, ids, complaints := readLines(t, ""); len(ids)+len(complaints)+s.badLines != 0 {
		t.Errorf("nothing: orders %v, complaints %v", ids, complaints)
	}
}

// TestInputCannotSetWhatStepsDo keeps an input from bringing its own receipt.
func TestInputCannotSetWhatStepsDo(t *testing.T) {
	s, _, _ := readLines(t, line("a", `"id"`, `"receipt":"mine","tracking":"mine","paid_at":"2026-01-01T00:00:00Z","id"`))
	o, err := s.load(0)
	if err != nil || o.Receipt != "" || o.Tracking != "" || o.PaidAt != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestFingerprintIsTheContent(t *testing.T) {
	a, _, _ := readLines(t, line("a"))
	b, _, _ := readLines(t, line("a"))
	other, _, _ := readLines(t, line("a")+" ")
	if a.fingerprint != b.fingerprint || a.fingerprint == other.fingerprint {
		t.Errorf("%s, %s, %s", a.fingerprint, b.fingerprint, other.fingerprint)
	}
}

// TestChangedInputIsNoticed edits the input between the two readings.
func TestChangedInputIsNoticed(t *testing.T) {
	input := []byte(line("a"))
	s := mustRead(t, bytes.NewReader(input), func(int64, error) {})
	copy(input, bytes.Replace(input, []byte(`"a"`), []byte(`"b"`), 1))
	if o, err := s.load(0); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestWrittenOrdersAreRead(t *testing.T) {
	var b bytes.Buffer
	if err := WriteOrders(&b, 42, 50); err != nil {
		t.Fatal(err)
	}
	s, ids, complaints := readLines(t, b.String())
	if len(ids) != 50 || len(complaints) > 0 {
		t.Fatalf("%d orders, complaints %v", len(ids), complaints)
	}
	for i := range ids {
		got, err := s.load(i)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := encode(t, got), encode(t, Generate(42, i)); a != b {
			t.Fatalf("order %d: %s, was %s", i, a, b)
		}
	}
}

func encode(t *testing.T, o *Order) string {
	t.Helper()
	b, err := workflow.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
