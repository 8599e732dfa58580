package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/lambda"
)

// RoleEnv is the environment variable that tells a copy of the executable which
// part of the local target it is to play.
const RoleEnv = "ACKPROOF_ROLE"

// The roles.
const (
	RoleCloud     = "cloud"     // DynamoDB, event source mapping and Lambda host
	RoleGateway   = "gateway"   // the API
	RoleProcessor = "processor" // the built-in StreamProcessor, a child of the cloud
)

// stopGrace is how long a child may take to close its files before it is
// killed.
const stopGrace = 5 * time.Second

// child is a part of the target beside us: a copy of ackproof in another role,
// or the same role in a goroutine (see inside.go).
//
// It reads its configuration as the first line of standard input. What follows
// is a lifeline: the parent writes nothing more and holds the pipe open, and
// when the pipe ends, because the parent is gone however it went, the child
// kills its whole process group. The first line of its standard output says
// where its control channel is, each further line is an event. The listeners that
// it serves are handed to it as open files.
//
// A child leads a process group of its own, so that a terminal's interrupt
// reaches the parent alone and one signal ends a child with its descendants.
type child struct {
	role    string
	pid     int
	lines   *bufio.Reader
	control *control
	exited  chan struct{} // closed when it has been reaped
	drained sync.WaitGroup
	kill    func()       // ends it and all its descendants at once
	reap    func() error // waits for its end, after its output's
	waitErr error        // how it ended
}

// ready is the first line of a child's output.
type ready struct {
	Error   string `json:"error,omitempty"`
	Control string `json:"control"` // URL
}

// spawn starts a child and waits until it is ready or has failed. The sockets are
// handed to it.
func spawn(ctx context.Context, exe, role, token string, config any, sockets []*socket, log io.Writer, events func(bench.Event)) (*child, error) {
	line, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), RoleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr, cmd.ExtraFiles = log, files(sockets)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	c := newChild(role, cmd.Process.Pid, stdout)
	c.kill = func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	c.reap = func() error {
		err := cmd.Wait() // closes stdin, the lifeline, too
		if cfg, ok := config.(cloudConfig); ok {
			lambda.KillEnvironments(cfg.URL) // what has left the group of a cloud that was killed
		}
		return err
	}
	abort := context.AfterFunc(ctx, c.kill)
	defer abort()
	if _, err := stdin.Write(append(line, '\n')); err != nil {
		c.kill()
		c.wait()
		return nil, fmt.Errorf("start %s: hand over its configuration: %w", role, err)
	}
	return c, c.attach(func(url string) *control { return newControl(url, token) }, events)
}

func newChild(role string, pid int, out io.Reader) *child {
	return &child{role: role, pid: pid, lines: bufio.NewReader(out), exited: make(chan struct{})}
}

// attach waits until a child is ready, and listens to it from then on. One that
// fails is gone when it returns.
func (c *child) attach(reach func(url string) *control, events func(bench.Event)) error {
	var r ready
	first, err := c.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(first, &r)
	}
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		c.kill()
		c.wait()
		return fmt.Errorf("start %s: %w", c.role, err)
	}
	c.control = reach(r.Control)
	c.drained.Add(1)
	go c.pump(events)
	go c.wait()
	return nil
}

// pump hands the child's events on until its output ends.
func (c *child) pump(events func(bench.Event)) {
	defer c.drained.Done()
	for {
		line, err := c.lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e bench.Event
		if json.Unmarshal(line, &e) == nil {
			events(e)
		}
	}
}

// wait reaps the child. Standard output is read to its end first: Wait would
// close the pipe under the reader.
func (c *child) wait() {
	c.drained.Wait()
	c.waitErr = c.reap()
	close(c.exited)
}

// diedOver reports whether a call failed because the child is dead.
func (c *child) diedOver(err error) bool {
	if errors.As(err, new(answered)) {
		return false
	}
	notice := time.NewTimer(deathNotice)
	defer notice.Stop()
	select {
	case <-c.exited:
		return true
	case <-notice.C:
		return false
	}
}

// stop asks the child to close its files and go, and kills what is left.
func (c *child) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	err := c.control.call(ctx, "POST", "/stop", nil)
	if err == nil || c.diedOver(err) {
		err = nil
		select {
		case <-c.exited:
		case <-ctx.Done():
			err = fmt.Errorf("stop %s: still there after %v", c.role, stopGrace)
		}
	}
	c.kill()
	<-c.exited
	return err
}

// watchLifeline returns when standard input has ended, that is, when the parent
// is gone. What is left of the group is then killed, this process included.
func watchLifeline(stdin io.Reader) {
	io.Copy(io.Discard, stdin)
	lambda.KillDescendants() // those that have left the group
	syscall.Kill(-syscall.Getpgrp(), syscall.SIGKILL)
}
