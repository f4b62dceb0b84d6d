//go:build !linux

package integration

import "os/exec"

// dieWithParent does nothing where the kernel offers nothing; the tests' own cleanup ends their children.
func dieWithParent(*exec.Cmd) {}
