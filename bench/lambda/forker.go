package lambda

import (
	"os/exec"
	"runtime"
)

// forker starts all children of a host from one thread of the operating system.
//
// On Linux the children are to be killed when their parent dies
// (PR_SET_PDEATHSIG), and there the parent is the thread that forked, not the
// process: if the Go scheduler retired that thread, a child would be killed for
// no reason. So one goroutine is locked to its thread for as long as there can
// be children.
type forker struct {
	starts chan start
	ended  chan struct{}
}

type start struct {
	cmd    *exec.Cmd
	result chan error
}

func newForker() *forker {
	f := &forker{starts: make(chan start), ended: make(chan struct{})}
	go f.run()
	return f
}

func (f *forker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(f.ended)
	for s := range f.starts {
		s.result <- s.cmd.Start()
	}
}

// start starts the command. It must not be called after close.
func (f *forker) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	f.starts <- start{cmd, result}
	return <-result
}

// close gives the thread back. All children must be dead by now.
func (f *forker) close() {
	close(f.starts)
	<-f.ended
}
