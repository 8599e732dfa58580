package breakage

import "syscall"

// sysProcAttr gives the command a process group of its own, and has the kernel
// kill it when we are killed ourselves: an undoing that is done by somebody else
// by then must not find a breaking that still goes on.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
