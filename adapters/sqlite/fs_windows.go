package sqlite

import "syscall"

// errReadOnlyFS is the system's answer on a medium that is write-protected.
const errReadOnlyFS = syscall.Errno(19)
