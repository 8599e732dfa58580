//go:build !linux

package lambda

import "syscall"

// sysProcAttr sets nothing: other systems have no signal at a parent's death.
// There the caller's process group is what ends the children of a killed
// parent; besides, a runtime whose Runtime API has gone ends by itself when it
// asks for work.
func sysProcAttr() *syscall.SysProcAttr { return nil }
