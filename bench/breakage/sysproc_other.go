//go:build !linux

package breakage

import "syscall"

// sysProcAttr gives the command a process group of its own. Other systems have no
// signal at a parent's death.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
