package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stillwater-go/workflow"
)

// sampleOrders is how many orders the checked-in sample holds.
const sampleOrders = 200

func samplePath() string { return filepath.Join("..", "..", "testdata", "orders.jsonl") }

// TestSampleIsGenerated compares the checked-in sample with the generator, byte by byte: what a seed means must never change, or a demo
// that was killed before an upgrade could not go on after it.
func TestSampleIsGenerated(t *testing.T) {
	want, err := os.ReadFile(samplePath())
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := WriteOrders(&got, DefaultSeed, sampleOrders); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the generator makes other orders than those in %s (make it new with: stillwater demo --orders %d --write-input)", samplePath(), sampleOrders)
	}
}

func TestGenerate(t *testing.T) {
	ids, currencies, bytesTotal := map[string]bool{}, map[string]int{}, 0
	const n = 2000
	for i := range n {
		o := Generate(7, i)
		if err := o.validate(); err != nil {
			t.Fatalf("order %d: %v", i, err)
		}
		if ids[o.ID] {
			t.Fatalf("order %d: id %s is there twice", i, o.ID)
		}
		ids[o.ID] = true
		currencies[o.Currency]++
		b, err := workflow.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		bytesTotal += len(b)
		if len(o.Lines) < 2 || len(o.Lines) > 5 {
			t.Errorf("order %d has %d lines", i, len(o.Lines))
		}
	}
	if mean := bytesTotal / n; mean < 500 || mean > 750 {
		t.Errorf("an order has %d bytes on average, want about 600", mean)
	}
	if len(currencies) != 3 {
		t.Errorf("currencies %v", currencies)
	}
	if a, b := Generate(7, 3), Generate(8, 3); a.ID == b.ID {
		t.Error("two seeds make the same order")
	}
}

// TestGatewayShares checks that the gateway fails and declines as often as the help says, and always answers in the end.
func TestGatewayShares(t *testing.T) {
	failed, declined := 0, 0
	const n = 10_000
	for i := range n {
		id := Generate(1, i).ID
		if gatewayFails(id, 1) {
			failed++
		}
		if gatewayDeclines(id) {
			declined++
		}
		if gatewayFails(id, sureAttempt) {
			t.Fatalf("%s fails for ever", id)
		}
	}
	if failed < n*4/100 || failed > n*6/100 {
		t.Errorf("%d of %d first attempts fail, want about 5 %%", failed, n)
	}
	if declined < n*2/100 || declined > n*4/100 {
		t.Errorf("%d of %d orders are declined, want about 3 %%", declined, n)
	}
}

// TestGeneratedOrdersAreFoundByTheirID keeps no list of them.
func TestGeneratedOrdersAreFoundByTheirID(t *testing.T) {
	src := generated(7, 20)
	for id, want := range map[string]bool{
		Generate(7, 0).ID: true, Generate(7, 19).ID: true,
		Generate(7, 20).ID: false, Generate(8, 0).ID: false, Generate(7, 0).ID + "0": false,
		"": false, "ord-": false, "ord-1": false, "ord--1-00000000": false, "ord-000000-00000000": false, "ord-99999999999999999999-00000000": false,
	} {
		if got, err := src.holds(id); err != nil || got != want {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
}
