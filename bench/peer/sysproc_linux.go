package peer

import "syscall"

// sysProcAttr gives the child a process group of its own, so that whatever it
// starts ends with it, and has the kernel kill it when we are killed ourselves.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
