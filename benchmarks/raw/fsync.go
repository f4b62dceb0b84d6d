package raw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// Fsync measures how often a second the disk takes 4 KiB at the end of a file and says that it has them.
func Fsync(ctx context.Context, job load.Job) (_ *load.Outcome, err error) {
	f, err := os.Create(filepath.Join(job.Dir, "append"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, 4096)
	var took []time.Duration
	begun := time.Now()
	for time.Since(begun) < job.Load/2 && ctx.Err() == nil {
		from := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := forceData(f); err != nil {
			return nil, err
		}
		took = append(took, time.Since(from))
	}
	n := float64(len(took))
	per := n / time.Since(begun).Seconds()
	return &load.Outcome{
		Lone:  load.Latencies(took),
		Extra: []load.Figure{{Name: "4 KiB appended and forced", Value: per, Unit: "1/s"}},
	}, ctx.Err()
}
