package raw

import (
	"context"
	"encoding/json"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// Grow opens a file that may hold runs already, to write behind them. The objects that it writes carry text of so many bytes.
func Grow(ctx context.Context, path, workflow string, textBytes int) (*Store, error) {
	s, err := open(ctx, path, Best())
	if err != nil {
		return nil, err
	}
	for v := range s.objects {
		if v > 0 {
			o := load.Object{Count: v - 1, Text: string(text(textBytes))}
			if s.objects[v], err = json.Marshal(o); err != nil {
				return nil, err
			}
		}
	}
	_, err = s.c.exec("INSERT INTO sw_workflows (name, buckets, first_pos) VALUES (?, ?, 1) ON CONFLICT DO NOTHING", []driverValue{workflow, int64(buckets)})
	if err == nil {
		err = s.know(ctx, workflow)
	}
	return s, err
}

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

// Rate writes for a while with so many transitions per commit, and returns how many a second.
func (s *Store) Rate(ctx context.Context, perCommit int, long time.Duration) (float64, error) {
	if len(s.slots) != perCommit { // else the runs under way go on
		s.Spread(perCommit)
	}
	n, begun := 0, time.Now()
	for time.Since(begun) < long {
		k, err := s.Commit(ctx, -1)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// Finish takes the runs that are under way to their ends, and starts none.
func (s *Store) Finish(ctx context.Context) error {
	for {
		if n, err := s.Commit(ctx, s.started); err != nil || n == 0 {
			return err
		}
	}
}
