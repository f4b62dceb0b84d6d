package machine_test

import (
	"testing"
	"time"

	"github.com/stillwater-go/workflow/backend"
	"github.com/stillwater-go/workflow/internal/machine"
)

// BenchmarkAdvance measures what the rules cost for each step.
func BenchmarkAdvance(b *testing.B) {
	g := orders()
	for _, c := range []struct {
		name   string
		answer machine.Answer
	}{
		{"proceed", machine.Answer{Status: statusDone, Description: "Done", Object: []byte("{}")}},
		{"repeat", machine.Answer{Verb: machine.Repeat, Object: []byte("{}")}},
		{"pause", machine.Answer{Verb: machine.PauseRun, Reason: "why", Object: []byte("{}")}},
		{"skip", machine.Answer{Verb: machine.Skip}},
		{"undeclared", machine.Answer{Status: statusNew}},
	} {
		b.Run(c.name, func(b *testing.B) {
			rec := record(backend.RunStateRunning, statusOpen)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := machine.Advance(rec, g, c.answer, now); (err != nil) != (c.name == "undeclared") {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart measures the rules' part of a trigger.
func BenchmarkStart(b *testing.B) {
	g, rec := orders(), record(backend.RunStateUnknown, statusNew)
	b.ReportAllocs()
	for b.Loop() {
		if machine.Start(*rec, g, now).Meta.Version != 1 {
			b.Fatal("no first version")
		}
	}
}

// BenchmarkJudge measures what is asked of each stored delivery that comes due.
func BenchmarkJudge(b *testing.B) {
	rec := record(backend.RunStateRunning, statusOpen)
	b.ReportAllocs()
	for b.Loop() {
		if machine.Judge(rec, rec.Meta.Version) != machine.Deliver {
			b.Fatal("not delivered")
		}
	}
}

// BenchmarkRetry measures what is asked after a failed attempt.
func BenchmarkRetry(b *testing.B) {
	p := machine.Policy{}.WithDefaults()
	b.ReportAllocs()
	for b.Loop() {
		if d := machine.Retry(p, machine.Failure{Attempts: 3}, 0.5); d.GiveUp || d.Wait <= 0 || d.Wait > time.Hour {
			b.Fatal(d)
		}
	}
}

// TestAdvanceMakesTheNextRecordAndNothingElse: one allocation for each version of every run.
func TestAdvanceMakesTheNextRecordAndNothingElse(t *testing.T) {
	g, rec := orders(), record(backend.RunStateRunning, statusOpen)
	answer := machine.Answer{Status: statusDone, Description: "Done", Object: []byte("{}")}
	got := testing.AllocsPerRun(1000, func() {
		if _, err := machine.Advance(rec, g, answer, now); err != nil {
			t.Fatal(err)
		}
	})
	if got > 1 {
		t.Errorf("Advance allocates %v times, want once", got)
	}
}
