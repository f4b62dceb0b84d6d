package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/engine"
	"github.com/stillwater-go/workflow/internal/machine"
)

// sale is an object of a usual kind and size: about 650 bytes of nested JSON.
type sale struct {
	ID       string     `json:"id"`
	Customer buyer      `json:"customer"`
	ShipTo   place      `json:"ship_to"`
	Lines    []saleLine `json:"lines"`
	Currency string     `json:"currency"`
	Total    int64      `json:"total"`
	PlacedAt time.Time  `json:"placed_at"`
	Notes    string     `json:"notes,omitempty"`
	Receipt  string     `json:"receipt,omitempty"`
	PaidAt   *time.Time `json:"paid_at,omitempty"`
}

type buyer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type place struct {
	Street   string `json:"street"`
	City     string `json:"city"`
	Postcode string `json:"postcode"`
	Country  string `json:"country"`
}

type saleLine struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitCents int64  `json:"unit_cents"`
}

func aSale() *sale {
	s := &sale{
		ID: "order-000123", Currency: "EUR", Total: 12345, PlacedAt: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC), Notes: "leave it with the neighbour",
		Customer: buyer{"customer-7", "Ada Lovelace", "ada@example.com"},
		ShipTo:   place{"12 Mill Lane", "Stillwater", "SW1 2AB", "GB"},
	}
	for i := range 4 {
		s.Lines = append(s.Lines, saleLine{fmt.Sprintf("sku-%04d", i), "a thing that was ordered", int64(i + 1), 1250})
	}
	return s
}

// storedSales are the objects that a step may find, by what is the matter with them.
func storedSales(t testing.TB) map[string][]byte {
	known, err := json.Marshal(aSale())
	if err != nil {
		t.Fatal(err)
	}
	beside := bytes.Replace(known, []byte(`{`), []byte(`{"loyalty":{"tier":"gold","points":1200},`), 1)
	return map[string][]byte{
		"known":         known,
		"unknown":       beside, // by a program with one more field
		"unknown/lines": bytes.ReplaceAll(beside, []byte(`{"sku"`), []byte(`{"gift":true,"sku"`)),
	}
}

// stages are the statuses of a sale's workflow.
type stage int

func (s stage) String() string { return [...]string{"", "Placed", "Paid"}[s] }

// BenchmarkStepCodec measures what a step costs around the user's code: the stored object is decoded, looked through for fields that its type has not,
// and encoded with them. It is all that the typed shell adds to the engine.
func BenchmarkStepCodec(b *testing.B) {
	ctx := context.Background()
	for name, opts := range map[string][]BuildOption{"json": nil, "version": {WithObjectVersion(1, map[uint]ObjectUpgrade{0: func(o json.RawMessage) (json.RawMessage, error) { return o, nil }})}} {
		handler := saleHandler(b, opts...)
		for _, what := range []string{"known", "unknown", "unknown/lines"} {
			b.Run(name+"/"+what, func(b *testing.B) {
				rec := &Record{WorkflowName: "sales", ForeignID: "order-000123", RunID: "run", Status: 1, Object: storedSales(b)[what],
					RunState: backend.RunStateRunning, Meta: backend.Meta{Version: 3, Visit: 3}}
				answer, err := handler(ctx, &engine.Attempt{Record: rec, Number: 1})
				if err != nil {
					b.Fatal(err)
				}
				rec.Object = answer.Object // stored by this very program, as after its first step
				b.SetBytes(int64(len(rec.Object)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := handler(ctx, &engine.Attempt{Record: rec, Number: 1}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkJSON is what encoding/json alone needs for the same object: below that, a step cannot come.
func BenchmarkJSON(b *testing.B) {
	stored := storedSales(b)["known"]
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		object := new(sale)
		if err := json.Unmarshal(stored, object); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(object); err != nil {
			b.Fatal(err)
		}
	}
}

// saleHandler is a step that changes one field, as the engine sees it.
func saleHandler(t testing.TB, opts ...BuildOption) func(context.Context, *engine.Attempt) (machine.Answer, error) {
	t.Helper()
	b := NewBuilder[sale, stage]("sales")
	b.AddStep(1, func(_ context.Context, r *Run[sale, stage]) (stage, error) {
		r.Object.Receipt = r.Object.ID
		return 2, nil
	}, 2)
	on := memory.New()
	t.Cleanup(func() { _ = on.Close() })
	w, err := b.BuildOn(on, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return w.spec.Steps[1].Run
}
