package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"

	"github.com/stillwater-go/workflow/backend"
)

type entry = backend.Entry

// entryColumns are what an entry is read from: l is its log row, r its run.
const entryColumns = `l.pos, r.run_id, r.workflow, r.foreign_id, r.created_at, r.trace, l.version, l.status, l.state,
	l.from_status, l.from_state, l.visit, l.paused_by, l.cause, l.actor, l.reason, l.description, l.updated_at, l.object, l.deadline`

// scan collects entries. Workflow names are filled in at the end, because a row is no place to run another query.
type scan struct {
	b       *Backend
	c       *conn
	ctx     context.Context
	entries []entry
	flows   []int64
}

// entry takes one row of entryColumns.
func (s *scan) entry(row []driver.Value) {
	_, trimmed := row[18].(int64) // bytes or NULL otherwise
	s.flows = append(s.flows, asInt(row[2]))
	s.entries = append(s.entries, entry{
		Pos: asInt(row[0]),
		Record: &backend.Record{
			RunID:     asText(row[1]),
			ForeignID: asText(row[3]),
			CreatedAt: timeOf(asInt(row[4])),
			Status:    int(asInt(row[7])),
			RunState:  backend.RunState(asInt(row[8])),
			UpdatedAt: timeOf(asInt(row[17])),
			Object:    asBlob(row[18]),
			Meta: backend.Meta{
				TraceOrigin:       asText(row[5]),
				Version:           uint(asInt(row[6])),
				Visit:             uint(asInt(row[11])),
				PausedBy:          backend.PausedBy(asInt(row[12])),
				RunStateReason:    asText(row[15]),
				StatusDescription: asText(row[16]),
				Deadline:          timeOf(orNoTime(row[19])),
			},
		},
		From:  backend.Point{Status: int(asInt(row[9])), RunState: backend.RunState(asInt(row[10]))},
		Cause: backend.Cause(asInt(row[13])),
		Actor: asText(row[14]),

		Trimmed: trimmed,
	})
}

// named returns the entries with the names of their workflows.
func (s *scan) named() ([]entry, error) {
	for i := range s.entries {
		name, err := s.b.names.get(s.ctx, s.c, s.flows[i])
		if err != nil {
			return nil, err
		}
		s.entries[i].Record.WorkflowName = name
	}
	return s.entries, nil
}

// nameCache remembers the names of workflows by id; a name never changes.
type nameCache struct{ m sync.Map }

func (n *nameCache) get(ctx context.Context, c *conn, id int64) (string, error) {
	if name, ok := n.m.Load(id); ok {
		return name.(string), nil
	}
	name, found := "", false
	err := c.query(ctx, func(row []driver.Value) error {
		name, found = asText(row[0]), true
		return nil
	}, "SELECT name FROM sw_workflows WHERE id = ?", id)
	if err != nil {
		return "", err
	}
	if !found {
		return "", fmt.Errorf("%w: no workflow has id %d", backend.ErrCorrupt, id)
	}
	n.m.Store(id, name)
	return name, nil
}
