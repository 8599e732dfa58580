package breakage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is one of the user's own commands: a program and its arguments, without
// a shell, and how long it may take.
type Command struct {
	Run     []string
	Timeout time.Duration
}

// maxOutput bounds what is kept of a command's output, in bytes.
const maxOutput = 64 << 10

// afterDeath bounds how long a command's output is waited for when it is over: a
// daemon that it has started may hold the pipe for ever.
const afterDeath = 200 * time.Millisecond

// run carries the command out and gives what it has printed. It has a process
// group of its own: an interrupt at the terminal is ours to answer, and what
// takes too long ends with all that it has started.
func (c Command) run(ctx context.Context, dir string, env []string) (string, error) {
	if len(c.Run) == 0 {
		return "", errors.New("no command")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Run[0], c.Run[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = sysProcAttr()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = afterDeath
	var out, complaint limited
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it has ended well; what it has started lives on
	}
	switch {
	case err == nil:
		return out.String(), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("killed after its timeout of %s", c.Timeout)
	case ctx.Err() != nil:
		err = errors.New("killed: the run was interrupted")
	}
	if said := strings.TrimSpace(complaint.String() + out.String()); said != "" {
		err = fmt.Errorf("%w: %.300s", err, said)
	}
	return "", fmt.Errorf("%q: %w", strings.Join(c.Run, " "), err)
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

// Write never fails: a command must not end because it says too much.
func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxOutput-l.Len())])
	return len(p), nil
}
