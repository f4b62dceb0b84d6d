package sqlite

import (
	"fmt"

	"github.com/stillwater-go/workflow/backend"
)

// The files beside the database. They hold nothing worth keeping, but must not be removed while a process has the store open.
const (
	lockSuffix = "-lock"
	bellSuffix = "-bell"
)

// Places in the lock file. Locks may lie where no byte is.
const (
	presenceByte = 0
	workflowByte = 16      // plus the workflow's id: its roles, all buckets at once
	roleByte     = 1 << 40 // plus the role's id: a classic role by name
	epochBase    = 64      // plus 8 times the workflow's id: how often its roles were granted
)

// errExclusive says that WithExclusive stands between two Backends.
var errExclusive = fmt.Errorf("%w: another Open holds the file exclusively, or holds it while exclusive use was asked for",
	backend.ErrLocked)
