package integration

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
	"github.com/stillwater-go/workflow/adapters/sqlite"
	"github.com/stillwater-go/workflow/backend"
)

// poisonRuns are the runs of one pass, the poisoned one among them.
const poisonRuns = 1000

var errPoison = errors.New("poison")

// BenchmarkPoison measures how much one bad run delays 999 good ones: b.N pairs of passes, one with a bad run and one without, in turn, each on a new
// store. It reports the median time of the passes, the median ratio of the pairs, and the ratio of the fastest passes, which a busy machine disturbs
// least. Use -benchtime=9x or more. (G8)
func BenchmarkPoison(b *testing.B) {
	for _, store := range []string{"memory", "sqlite"} {
		for _, kind := range []string{"step", "hang", "signal", "hook"} {
			b.Run(kind+"/"+store, func(b *testing.B) {
				var with, without []time.Duration
				var ratios []float64
				poisonPass(b, store, "") // the first one is slow by itself
				for i := range b.N {
					var bad, good time.Duration
					if i%2 == 0 {
						bad, good = poisonPass(b, store, kind), poisonPass(b, store, "")
					} else {
						good, bad = poisonPass(b, store, ""), poisonPass(b, store, kind)
					}
					with, without = append(with, bad), append(without, good)
					ratios = append(ratios, float64(bad)/float64(good))
				}
				b.ReportMetric(float64(median(with).Microseconds())/1000, "ms-with")
				b.ReportMetric(float64(median(without).Microseconds())/1000, "ms-without")
				b.ReportMetric(middle(ratios), "ratio")
				b.ReportMetric(float64(with[0])/float64(without[0]), "ratio-of-fastest") // median has sorted them
			})
		}
	}
}

// poisonPass takes a thousand runs through a step, a signal and a step, and a hook of every status, and returns when the 999 good ones were
// through. The other one is as bad as kind says.
func poisonPass(b *testing.B, store, kind string) time.Duration {
	b.Helper()
	var on backend.Backend = memory.New()
	if store == "sqlite" {
		file, err := sqlite.Open(filepath.Join(b.TempDir(), "poison.db"))
		if err != nil {
			b.Fatal(err)
		}
		on = file
	}
	var told sync.WaitGroup // of the ends of the good runs
	told.Add(poisonRuns - 1)
	w := poisonable(b, on, kind, told.Done)
	w.Run(context.Background())
	ids := make([]workflow.Start[benchObject, benchStatus], poisonRuns)
	for i := range ids {
		ids[i].ForeignID = "good-" + strconv.Itoa(i)
	}
	ids[poisonRuns/3].ForeignID = "bad-0"
	began := time.Now()
	started, err := w.TriggerMany(context.Background(), ids...)
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := g; i < len(started); i += 16 {
				if _, err := w.SignalRun(context.Background(), started[i].RunID, "go", nil); err != nil {
					b.Error(err)
				}
			}
		})
	}
	told.Wait()
	took := time.Since(began)
	wg.Wait()
	w.Stop()
	if err := on.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

// poisonable builds the workflow of a pass. ended is called for each good run.
func poisonable(b *testing.B, on backend.Backend, kind string, ended func()) *workflow.Workflow[benchObject, benchStatus] {
	type run = workflow.Run[benchObject, benchStatus]
	bad := func(foreignID string) bool { return strings.HasPrefix(foreignID, "bad") }
	opts := []workflow.Option{workflow.ErrBackOff(10 * time.Millisecond), workflow.MaxBackOff(100 * time.Millisecond)}
	step := func(to benchStatus) workflow.ConsumerFunc[benchObject, benchStatus] {
		return func(ctx context.Context, r *run) (benchStatus, error) {
			switch {
			case bad(r.ForeignID) && kind == "step":
				return 0, errPoison
			case bad(r.ForeignID) && kind == "hang":
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return to, nil
		}
	}
	builder := workflow.NewBuilder[benchObject, benchStatus]("poison")
	builder.AddStep(1, step(2), 2).WithOptions(opts...)
	workflow.AddSignal(builder, 2, workflow.NewSignal[int]("go"), func(_ context.Context, r *run, _ int) (benchStatus, error) {
		if bad(r.ForeignID) && kind == "signal" {
			return 0, errPoison
		}
		return 3, nil
	}, 3).WithOptions(opts...)
	builder.AddStep(3, step(4), 4).WithOptions(opts...)
	var once sync.Map // a hook may be told twice
	builder.OnAnyStatus(func(_ context.Context, rec *workflow.TypedRecord[benchObject, benchStatus]) error {
		if bad(rec.ForeignID) && kind == "hook" {
			return errPoison
		}
		if rec.Status != 4 || bad(rec.ForeignID) {
			return nil
		}
		if _, twice := once.LoadOrStore(rec.RunID, true); !twice {
			ended()
		}
		return nil
	}).WithOptions(opts...)
	w, err := builder.BuildOn(on, quiet(), workflow.WithStopTimeout(time.Millisecond))
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// middle is the median.
func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
