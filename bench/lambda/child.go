package lambda

import (
	"os/exec"
	"syscall"
)

// Child is an execution environment that has been started: a process of the
// operating system or, where Config.Start makes it, what stands for one. It
// speaks the Runtime API like any other.
type Child interface {
	PID() int     // how events name it; above 0. Only Kill and Terminate send signals to it
	Wait() Ending // waits for its end; called once
	Kill()        // ends it at once, as SIGKILL does; from any goroutine, also after its end
	Terminate()   // asks it to end, as SIGTERM does
}

// Ending is how an execution environment came to its end. The zero value is
// that of one which was never started.
type Ending struct {
	Text   string // in the words of the operating system: exit status 1, signal: killed
	Killed bool   // Kill ended it
	OK     bool   // it ended by itself, and without an error
}

// String gives the text.
func (e Ending) String() string {
	if e.Text == "" {
		return "not started"
	}
	return e.Text
}

// command is a child that is a process of the operating system.
type command struct{ cmd *exec.Cmd }

func (c command) PID() int { return c.cmd.Process.Pid }

// Wait leaves out what exec's Wait returns: it says nothing that ProcessState
// does not.
func (c command) Wait() Ending {
	_ = c.cmd.Wait()
	state := c.cmd.ProcessState
	if state == nil {
		return Ending{}
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	return Ending{Text: state.String(), Killed: ok && status.Signaled() && status.Signal() == syscall.SIGKILL, OK: state.Success()}
}

// Kill and Terminate fail only on a process that has ended already.
func (c command) Kill()      { _ = c.cmd.Process.Kill() }
func (c command) Terminate() { _ = c.cmd.Process.Signal(syscall.SIGTERM) }
