package lambda

import "syscall"

// sysProcAttr makes the kernel kill the child when the thread that forked it
// ends, hence also when we are killed with SIGKILL and can do nothing ourselves.
// The child stays in our process group: whoever kills that has all of them.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
