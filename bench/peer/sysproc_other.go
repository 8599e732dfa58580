//go:build !linux

package peer

import "syscall"

// sysProcAttr gives the child a process group of its own. Other systems have no
// signal at a parent's death: there a killed test leaves its peers behind.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
