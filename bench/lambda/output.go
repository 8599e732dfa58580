package lambda

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

const (
	maxLine   = 8 << 10 // bytes of a line that are kept
	tailLines = 5       // of a process's last words
	// outputGrace is how long a burial waits for the last words: a grandchild
	// may hold the pipe open for ever.
	outputGrace = 200 * time.Millisecond
)

// lineLog is the one writer that all children's output goes to. It keeps the
// first error and writes on: a full disk must not stop the run.
type lineLog struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

func (l *lineLog) write(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.w, line); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *lineLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// output reads what one child writes to stdout and stderr, which share a pipe
// so that their order is kept.
type output struct {
	ended chan struct{} // closed when the pipe is

	mu   sync.Mutex
	last []string
}

// pump copies the child's output to the log, each line with time, process id
// and the request that was under way when the line was read.
func (h *Host) pump(p *process, pid int, pipe *os.File) *output {
	o := &output{ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		defer pipe.Close()
		readLines(pipe, func(line string) {
			request := "-"
			if id := p.request.Load(); id != nil {
				request = *id
			}
			o.keep(line)
			h.log.write(fmt.Sprintf("%s %d %s %s\n", h.cfg.Clock.Now().UTC().Format(timestamp), pid, request, line))
		})
	}()
	return o
}

// readLines calls line for each line up to the end of r. A line that is longer
// than maxLine is cut; its rest is thrown away.
func readLines(r io.Reader, line func(string)) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if len(text) > 0 {
			s := strings.TrimRight(string(text), "\r\n")
			if cut {
				s += " ..."
			}
			line(s)
		}
		for cut && errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (o *output) keep(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == tailLines {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, line)
}

// tail returns the last lines, in one.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, " | ")
}

// wait waits for the end of the output, but not for ever.
func (o *output) wait() { clock.Wait(outputGrace, o.ended) }
