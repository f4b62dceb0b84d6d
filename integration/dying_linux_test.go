package integration

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when the test's process dies, so that none is left behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
