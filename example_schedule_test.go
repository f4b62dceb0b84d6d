package workflow_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

type (
	// Report is what the runs are about.
	Report struct{ Kind string }

	// ReportStatus is where a report is.
	ReportStatus = OrderStatus
)

func reports() *workflow.Builder[Report, ReportStatus] {
	b := workflow.NewBuilder[Report, ReportStatus]("reports")
	b.AddStep(Placed, func(ctx context.Context, r *workflow.Run[Report, ReportStatus]) (ReportStatus, error) {
		return Shipped, nil
	}, Shipped)
	return b
}

// A report every working day at eight in London, whatever the clocks there do. It is stored, and fires whichever program runs the workflow.
func ExampleWorkflow_Schedule() {
	store := memory.New()
	defer store.Close()
	w, err := reports().BuildOn(store, workflow.WithClock(newFakeClock())) // it is 23 November 2026, noon
	if err != nil {
		log.Fatal(err)
	}
	err = w.Schedule("daily report", "CRON_TZ=Europe/London 0 8 * * mon-fri",
		workflow.WithScheduleInitialValue[Report, ReportStatus](&Report{Kind: "sales"}),
		workflow.WithMissedSlots[Report, ReportStatus](workflow.SkipMissed),
	)
	if err != nil {
		log.Fatal(err)
	}
	w.Run(context.Background())
	defer w.Stop()

	all, err := w.Schedules(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range all {
		fmt.Println(s.ID, "-", s.Next.Format(time.RFC1123), "- missed slots:", s.Missed)
	}
	// Output: daily report - Tue, 24 Nov 2026 08:00:00 GMT - missed slots: skip
}

// An operator pauses a schedule, and has it fire out of turn.
func ExampleWorkflow_PauseSchedule() {
	store := memory.New()
	defer store.Close()
	w, err := reports().BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Schedule("nightly", "@daily"); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	w.Run(ctx)
	defer w.Stop()

	if err := w.PauseSchedule(ctx, "nightly", "the printer is broken"); err != nil {
		log.Fatal(err)
	}
	s, err := w.LookupSchedule(ctx, "nightly")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.State, "by the", s.PausedBy, "-", s.Reason)

	id, err := w.TriggerSchedule(ctx, "nightly")
	if err != nil {
		log.Fatal(err)
	}
	run, err := w.Await(ctx, "nightly", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.RunState)
	fmt.Println(w.ResumeSchedule(ctx, "nightly"))
	// Output:
	// Paused by the operator - the printer is broken
	// Completed
	// <nil>
}

// The slots of a spec, before anything is stored: in the night of 28 March 2027 the clocks in Berlin jump from two to three.
func ExamplePreviewSchedule() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		log.Fatal(err)
	}
	slots, err := workflow.PreviewSchedule("30 2 * * *", berlin, time.Date(2027, 3, 27, 0, 0, 0, 0, berlin), 3)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range slots {
		fmt.Println(s)
	}
	// Output:
	// 2027-03-27 02:30:00 +0100 CET
	// 2027-03-28 03:00:00 +0200 CEST
	// 2027-03-29 02:30:00 +0200 CEST
}
