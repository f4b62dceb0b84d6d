package workflow

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/stillwater-go/workflow/backend"
)

// The bounds of a listing's pages.
const (
	// DefaultPageSize is how many runs a page holds when nothing else is said.
	DefaultPageSize = 100
	// MaxPageSize is how many it holds at most.
	MaxPageSize = 1000
)

// listing says which runs to list.
type listing struct {
	workflow string
	filters  []RecordFilter
	order    OrderType
	size     int
	token    string
}

// ListOption narrows, orders or continues a listing of runs.
type ListOption func(l *listing)

// Where keeps the runs that pass every filter, such as [FilterByStatus], [FilterByRunState] or [FilterByReason].
func Where(filters ...RecordFilter) ListOption {
	return func(l *listing) { l.filters = append(l.filters, filters...) }
}

// InWorkflow keeps the runs of one workflow, for listings of an [Operator] that sees them all.
func InWorkflow(name string) ListOption { return func(l *listing) { l.workflow = name } }

// NewestFirst lists the runs that were created last first. Without it the oldest come first.
func NewestFirst() ListOption { return func(l *listing) { l.order = OrderTypeDescending } }

// PageSize sets how many runs a page holds. Defaults to [DefaultPageSize]; zero or less is the default, and more than [MaxPageSize] is that.
func PageSize(runs int) ListOption { return func(l *listing) { l.size = runs } }

// PageAfter continues a listing behind a page whose Next this is. The workflow and the order must be the same as for that page.
func PageAfter(token string) ListOption { return func(l *listing) { l.token = token } }

// Page is a part of a listing.
type Page[T any] struct {
	Runs []T
	// Next is for [PageAfter]; empty on the last page.
	Next string
}

// RunView is a run as of one version, as listings and histories show it. Its object is decoded when asked for.
type RunView[Type any, Status StatusType] struct {
	Record
	Status  Status
	trimmed bool
	decode  func(*Record) (*TypedRecord[Type, Status], error)
}

// Object decodes the object. It returns [ErrObjectGone] for an old version whose object is no longer kept.
func (v RunView[Type, Status]) Object() (*Type, error) {
	if v.trimmed {
		return nil, &Error{Op: "read object", Workflow: v.WorkflowName, RunID: v.RunID, Err: fmt.Errorf("%w: version %d", ErrObjectGone, v.Meta.Version)}
	}
	t, err := v.decode(&v.Record)
	if err != nil {
		return nil, &Error{Op: "read object", Workflow: v.WorkflowName, RunID: v.RunID, Err: err}
	}
	return t.Object, nil
}

// Runs returns a page of the workflow's runs as they are now, in the order of their creation.
//
// On a backend that is a [Finder], pages stay right while runs come and go: none is skipped or comes twice. On other parts, such as classic ones, every
// run of the workflow is read up to the page's end, and one that is created or erased meanwhile may be skipped or come twice. A token that is not of
// this listing is [ErrPageToken].
func (w *Workflow[Type, Status]) Runs(ctx context.Context, opts ...ListOption) (Page[RunView[Type, Status]], error) {
	page, err := w.operator("").Runs(ctx, opts...)
	out := Page[RunView[Type, Status]]{Next: page.Next}
	for _, rec := range page.Runs {
		out.Runs = append(out.Runs, w.viewOf(rec, false))
	}
	return out, err
}

// AllRuns is [Workflow.Runs] over all pages. An error is yielded once, last.
func (w *Workflow[Type, Status]) AllRuns(ctx context.Context, opts ...ListOption) iter.Seq2[RunView[Type, Status], error] {
	return func(yield func(RunView[Type, Status], error) bool) {
		for rec, err := range w.operator("").AllRuns(ctx, opts...) {
			var v RunView[Type, Status]
			if err == nil {
				v = w.viewOf(rec, false)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func (w *Workflow[Type, Status]) viewOf(rec *Record, trimmed bool) RunView[Type, Status] {
	v := RunView[Type, Status]{Record: *rec, Status: Status(rec.Status), trimmed: trimmed, decode: w.typedRecord}
	v.Record.Object = append([]byte(nil), rec.Object...) // the caller may change what it gets
	return v
}

// Runs returns a page of runs; see [Workflow.Runs]. Without [InWorkflow] it lists the runs of all workflows. The records must not be changed.
func (o *Operator) Runs(ctx context.Context, opts ...ListOption) (Page[*Record], error) {
	l := o.listing(opts)
	page, err := l.page(ctx, o.e.Backend())
	if err != nil {
		return Page[*Record]{}, &Error{Op: "list runs", Workflow: l.workflow, Err: err}
	}
	return page, nil
}

// AllRuns is [Operator.Runs] over all pages. An error is yielded once, last.
func (o *Operator) AllRuns(ctx context.Context, opts ...ListOption) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for token := ""; ; {
			more := opts
			if token != "" {
				more = append(opts[:len(opts):len(opts)], PageAfter(token))
			}
			page, err := o.Runs(ctx, more...)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, rec := range page.Runs {
				if !yield(rec, nil) {
					return
				}
			}
			if token = page.Next; token == "" {
				return
			}
		}
	}
}

func (o *Operator) listing(opts []ListOption) listing {
	l := listing{order: OrderTypeAscending}
	for _, opt := range opts {
		opt(&l)
	}
	if o.code != nil {
		l.workflow = o.code.workflow
	}
	if l.size <= 0 {
		l.size = DefaultPageSize
	}
	l.size = min(l.size, MaxPageSize)
	return l
}

func (l listing) page(ctx context.Context, b Backend) (Page[*Record], error) {
	f, keyed := b.(Finder)
	after, err := l.decode(keyed)
	if err != nil {
		return Page[*Record]{}, err
	}
	if !keyed {
		return l.scan(ctx, b, after)
	}
	found, err := f.Find(ctx, backend.Query{WorkflowName: l.workflow, After: after, Order: l.order, Limit: l.size + 1, Filters: l.filters})
	if err != nil {
		return Page[*Record]{}, err
	}
	var page Page[*Record]
	if len(found) > l.size {
		found = found[:l.size]
		page.Next = l.encode(true, found[l.size-1].Key)
	}
	for _, one := range found {
		page.Runs = append(page.Runs, one.Record)
	}
	return page, nil
}

// scan finds a page by reading everything: other stores' own filters differ, and know less.
func (l listing) scan(ctx context.Context, b Backend, offset int64) (Page[*Record], error) {
	filter := backend.MakeFilter(l.filters...)
	var page Page[*Record]
	for {
		recs, err := b.List(ctx, l.workflow, offset, MaxPageSize, l.order)
		if err != nil {
			return Page[*Record]{}, err
		}
		for i := range recs {
			if !filter.Match(&recs[i]) {
				continue
			}
			if len(page.Runs) == l.size {
				page.Next = l.encode(false, offset+int64(i))
				return page, nil
			}
			page.Runs = append(page.Runs, &recs[i])
		}
		if offset += int64(len(recs)); len(recs) < MaxPageSize {
			return page, nil
		}
	}
}

// A token holds: its version and kind, the order, a place in the listing, and a checksum over these and the workflow's name.
const (
	tokenByKey    = 1
	tokenByOffset = 2
	tokenBytes    = 1 + 1 + 8 + 4
)

func (l listing) encode(keyed bool, place int64) string {
	b := make([]byte, 0, tokenBytes)
	if keyed {
		b = append(b, tokenByKey)
	} else {
		b = append(b, tokenByOffset)
	}
	b = append(b, l.orderByte())
	b = binary.BigEndian.AppendUint64(b, uint64(place))
	b = binary.BigEndian.AppendUint32(b, l.sum(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (l listing) decode(keyed bool) (place int64, err error) {
	if l.token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(l.token)
	if err != nil || len(b) != tokenBytes {
		return 0, fmt.Errorf("%w: the token is damaged", ErrPageToken)
	}
	body := b[:tokenBytes-4]
	place = int64(binary.BigEndian.Uint64(body[2:]))
	switch {
	case binary.BigEndian.Uint32(b[tokenBytes-4:]) != l.sum(body):
		return 0, fmt.Errorf("%w: the token is damaged, or of another workflow", ErrPageToken)
	case body[0] != tokenByKey && body[0] != tokenByOffset || (body[0] == tokenByKey) != keyed || place <= 0:
		return 0, fmt.Errorf("%w: the token is of another kind of store", ErrPageToken)
	case body[1] != l.orderByte():
		return 0, fmt.Errorf("%w: the token is of the other order", ErrPageToken)
	}
	return place, nil
}

func (l listing) orderByte() byte {
	if l.order == OrderTypeDescending {
		return 1
	}
	return 0
}

func (l listing) sum(body []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(body), crc32.IEEETable, []byte(l.workflow))
}
