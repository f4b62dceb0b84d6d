package chart_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/stillwater-go/workflow/benchmarks/chart"
)

var update = flag.Bool("update", false, "write the golden file")

func TestChart(t *testing.T) {
	c := chart.Chart{
		Title: "Runs & steps",
		Panels: []chart.Panel{
			{Title: "steps/s", Bars: []chart.Bar{
				{Group: "memory", Label: "ours", Class: "ours", Value: 81234, Low: 70000, High: 90000},
				{Group: "disk", Label: "limit", Class: "limit", Value: 56789, Low: 56789, High: 56789},
				{Group: "disk", Label: "peer <x>", Class: "peer", Value: 118},
			}},
			{Title: "empty"},
			{Title: "ms", Bars: []chart.Bar{{Group: "disk", Label: "ours", Class: "ours", Value: 0.034}, {Group: "disk", Label: "peer", Class: "peer", Value: 153.2}}},
		},
		Notes: []string{"one", "two"},
	}
	var b bytes.Buffer
	if err := chart.Write(&b, c); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v", err)
		}
	}
	const golden = "testdata/chart.svg"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("the chart is not the golden one; look at it and run the test with -update")
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.034: "0.034", 0.1: "0.1", 1: "1", 2.44: "2.4", 9.96: "10", 10: "10", 118.4: "118", 1000: "1,000", 81234: "81,234", 1234567: "1,234,567"} {
		if got := chart.Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}
