//go:build !windows

package sqlite

import "syscall"

// errReadOnlyFS is the system's answer on a file system that is mounted read-only.
const errReadOnlyFS = syscall.EROFS
