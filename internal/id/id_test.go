package id_test

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/id"
)

func TestShapeAndOrder(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	prev := ""
	for i := range 1000 {
		got := id.New(at.Add(time.Duration(i) * time.Millisecond))
		if !shape.MatchString(got) {
			t.Fatalf("New = %q, which is no UUID of version 7", got)
		}
		if got <= prev {
			t.Fatalf("New = %q after %q: a later id must be greater", got, prev)
		}
		prev = got
	}
}

func TestUnique(t *testing.T) {
	const workers, each = 8, 2000
	at := time.Unix(0, 0)
	ids := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				ids[w] = append(ids[w], id.New(at))
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, list := range ids {
		for _, s := range list {
			if seen[s] {
				t.Fatalf("id %q was made twice", s)
			}
			seen[s] = true
		}
	}
}
