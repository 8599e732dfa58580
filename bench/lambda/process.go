package lambda

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// process is one execution environment: a child process and the Runtime API
// listener that is its own. Its fields below the line are guarded by Host.mu.
type process struct {
	host     *Host
	number   int
	work     chan *invocation // holds the one that is assigned
	started  chan struct{}    // closed when child and pid are known
	asked    chan struct{}    // closed at the first request for work
	dead     chan struct{}    // closed when the process is buried
	over     chan struct{}    // closed when its extensions are, too
	output   *output
	listener net.Listener
	server   *http.Server
	request  atomic.Pointer[string] // id of the invocation it works on, for the log
	posting  sync.Mutex             // held while an answer is being accepted: next waits for that

	// ---- guarded by Host.mu
	child      Child  // nil until it is started
	ending     Ending // once it is dead
	pid        int
	state      state
	ready      bool // it has asked for work
	inside     bool // its initialisation is a part of an invocation, and runs on that one's time
	began      time.Time
	extensions []*extension
	internal   bool          // one of them is the function itself
	changed    chan struct{} // closed and renewed when something is new of an extension
	cause      cause
	inv        *invocation
	timer      *time.Timer          // of the initialisation, then of the invocation
	initFail   *bench.FunctionError // why the initialisation failed
}

// state is where a process stands in the protocol.
type state uint8

// starting ─next─► idle ─► assigned ─event─► running ─post─► answering ─202─► answered
//
//	▲                                                            │
//	└──────────────────────────next──────────────────────────────┘
const (
	starting  state = iota // has never asked for work
	idle                   // waits in next
	away                   // hung up while it waited; it may ask again
	assigned               // an invocation is its own; the event is not handed over yet
	running                // has the event
	answering              // has posted its answer, not accepted yet
	answered               // is free of the invocation, has not asked for work yet
	doomed                 // is being killed, or is dead
)

// cause is why a process came to its end.
type cause struct {
	kind   causeKind
	strike bench.Strike // of byFault
	text   string       // of extensionEnded
}

type causeKind uint8

const (
	alive          causeKind = iota
	exited                   // by itself, or by a signal that is not ours
	byFault                  // a strike of processor.kill
	timedOut                 // the function's time-out
	initTimedOut             // no first request for work within the limit
	outOfMemory              // more memory than Config.MemoryMB
	extensionEnded           // an external extension is gone
	stopped                  // Close
)

// launch makes a new process and starts it in the background. The caller holds
// h.mu.
func (h *Host) launch() {
	h.last++
	p := &process{
		host: h, number: h.last, work: make(chan *invocation, 1),
		started: make(chan struct{}), asked: make(chan struct{}), dead: make(chan struct{}),
		over: make(chan struct{}), changed: make(chan struct{}),
	}
	p.began = h.cfg.Clock.Now()
	for _, waiter := range h.waiters {
		p.inside = p.inside || waiter.again
	}
	h.procs[p.number] = p
	h.lives.Go(func() { h.live(p) })
}

// live is the whole life of a process, from the start to the burial. One
// goroutine does it all, so a death is noticed once, whatever it came from.
func (h *Host) live(p *process) {
	err := h.spawn(p)
	if err != nil {
		h.mu.Lock()
		if p.initFail == nil {
			p.initFail = &bench.FunctionError{Type: TypeInvalidEntrypoint, Message: err.Error(), Outcome: bench.DeliveryCrash}
		}
		h.mu.Unlock()
	} else {
		ending := p.child.Wait()
		h.mu.Lock()
		p.ending = ending
		h.mu.Unlock()
	}
	h.bury(p)
}

// spawn opens the listener and starts the child.
func (h *Host) spawn(p *process) error {
	listener, err := h.cfg.Listen()
	if err != nil {
		return fmt.Errorf("open runtime api: %w", err)
	}
	p.listener = listener
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serveRuntime),
		// aws-lambda-go puts up to 1 MiB of X-Ray cause into one header.
		MaxHeaderBytes: 2 << 20,
		ErrorLog:       discardLog,
	}
	go p.server.Serve(listener)

	child, read, err := p.execute(listener.Addr().String())
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.child, p.pid = child, child.PID()
	if read != nil {
		p.output = h.pump(p, p.pid, read)
	}
	close(p.started)
	if p.cause.kind != alive { // it was doomed while it was being started
		p.kill()
		return nil
	}
	if !p.ready {
		limit := h.initLimit
		if p.inside {
			limit = h.cfg.Timeout
		}
		p.timer = time.AfterFunc(limit, func() { h.initExpired(p) })
	}
	return nil
}

// execute starts the child, whose Runtime API is at an address, and gives the
// end of the pipe that it writes its output to.
func (p *process) execute(api string) (Child, *os.File, error) {
	h := p.host
	if h.cfg.Start != nil {
		child, err := h.cfg.Start(environment(h.cfg, h.cfg.Dir, p.number, api))
		return child, nil, err
	}
	path, err := lookPath(h.cfg.Command[0])
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(path, h.cfg.Command[1:]...)
	cmd.Dir = filepath.Dir(path)
	if h.cfg.Dir != "" {
		// Absolute, since it is the child's LAMBDA_TASK_ROOT too.
		if cmd.Dir, err = filepath.Abs(h.cfg.Dir); err != nil {
			return nil, nil, fmt.Errorf("find directory: %w", err)
		}
	}
	cmd.Env = environment(h.cfg, cmd.Dir, p.number, api)
	if failure := p.startExtensions(cmd.Dir, api); failure != nil {
		h.mu.Lock()
		p.initFail = failure
		h.mu.Unlock()
		return nil, nil, errors.New(failure.Message)
	}
	cmd.SysProcAttr = sysProcAttr()
	// A pipe of our own instead of an io.Writer: Wait then returns when the
	// child is dead, also while a grandchild holds the pipe open.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open output pipe: %w", err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	err = h.forker.start(cmd)
	write.Close()
	if err != nil {
		read.Close()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return command{cmd}, read, nil
}

// initExpired kills a process that has not asked for work in time.
func (h *Host) initExpired(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.ready {
		return
	}
	kind := initTimedOut
	if p.inside {
		kind = timedOut
	}
	h.doom(p, cause{kind: kind})
}

// expired kills a process whose invocation has run into its time-out. One that
// has answered and does not ask for work again is reset too: its invocation is
// not complete (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html).
func (h *Host) expired(p *process, inv *invocation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.inv == inv {
		h.doom(p, cause{kind: timedOut})
	}
}

// doom sends the process to its death and reports whether this cause is the
// one that counts: the first does. From here on the process gets no work and
// its answers are not accepted; bury does the rest. The caller holds h.mu.
func (h *Host) doom(p *process, c cause) bool {
	if p.cause.kind != alive {
		return false
	}
	p.cause = c
	p.state = doomed
	h.removeIdle(p)
	if c.kind == byFault {
		if p.ready {
			h.owed++
		} else {
			h.owed = max(h.owed, 1) // its own debt stands, or it had none: never more than the place it leaves
		}
	}
	if c.kind == stopped && (p.internal || len(p.extensions) > 0) && p.child != nil {
		p.child.Terminate()
		time.AfterFunc(h.grace, p.kill)
		return true
	}
	p.kill()
	return true
}

// shutdownGrace is what a function with an internal extension gets at shutdown.
const shutdownGrace = 500 * time.Millisecond

// kill ends a process that has been started, at once.
func (p *process) kill() {
	if p.child != nil {
		p.child.Kill()
	}
}

func (h *Host) removeIdle(p *process) {
	for i, q := range h.idle {
		if q == p {
			h.idle = append(h.idle[:i], h.idle[i+1:]...)
			return
		}
	}
}

// take makes the invocation the process's own; its next request picks it up.
// The caller holds h.mu.
func (p *process) take(inv *invocation) {
	p.state = assigned
	p.inv = inv
	p.work <- inv // has room: an assigned process is given nothing more
}

// bury settles everything that a dead process leaves behind: the strike that
// killed it, its invocation, its successor. In this order, so that whoever has
// the answer finds the strike counted.
func (h *Host) bury(p *process) {
	h.mu.Lock()
	if p.cause.kind == alive {
		p.cause.kind = exited
	}
	p.state = doomed
	h.removeIdle(p)
	if p.timer != nil {
		p.timer.Stop()
	}
	ready, c, closed := p.ready, p.cause, h.closed
	h.mu.Unlock()

	// Without h.mu from here: injector and observer are foreign code. Nobody
	// else changes a doomed process.
	if !closed { // Close sweeps once for all
		h.killOrphans(p)
	}
	if p.output != nil && !ready {
		p.output.wait() // the reason of a failed start is in its last words
	}
	// A process that exited by itself in the moment in which the strike was
	// drawn was not struck.
	if c.kind == byFault && p.ending.Killed {
		h.struck(c.strike, p.pid)
	}
	if p.pid != 0 {
		h.event(bench.EventProcessorDeath, p, c, p.epitaph(h.cfg.Timeout))
	}

	h.mu.Lock()
	h.settle(p)
	delete(h.procs, p.number)
	h.balance()
	h.mu.Unlock()
	close(p.dead)
	p.endExtensions(c)
	close(p.over)
	if p.server != nil {
		p.server.Close()
	}
}

// settle answers for the invocation of a dead process. The caller holds h.mu.
func (h *Host) settle(p *process) {
	inv := p.inv
	p.inv = nil
	switch {
	case inv == nil:
	case p.cause.kind == exited && inv.handedAt.IsZero() && !inv.finished && !inv.moved && !h.closed:
		// It died on its own account before it had the event: no crash of this
		// invocation. Once only, else a binary that dies in next loops for ever.
		inv.moved = true
		h.waiters = append([]*invocation{inv}, h.waiters...)
		if n := len(h.idle); n > 0 {
			q := h.idle[n-1]
			h.idle = h.idle[:n-1]
			h.rest(q)
		}
	default:
		h.finish(inv, bench.Answer{Error: p.crash(inv.id)})
		h.open--
	}
	if p.ready || p.cause.kind == stopped {
		return
	}
	posted := p.initFail != nil
	if !posted {
		p.initFail = p.crash("")
	}
	h.failures++
	h.lastInit = p.initErrorLocked()
	if len(h.waiters) == 0 {
		return
	}
	// The oldest invocation pays for the failed start: each start has an end.
	if first := h.waiters[0]; !first.again {
		first.again = true // balance starts the next, inside of this invocation
	} else {
		h.waiters = h.waiters[1:]
		failure := p.crash(first.id)
		if posted {
			failure = p.initFail
			failure.Message = withRequest(first.id, failure.Message)
		}
		h.finish(first, bench.Answer{Error: failure})
		h.open--
	}
}

// epitaph says for people how the process came to its end.
func (p *process) epitaph(timeout time.Duration) string {
	switch p.cause.kind {
	case byFault:
		return fmt.Sprintf("process %d killed by fault %s: %s", p.number, p.cause.strike.Kind, p.ending)
	case timedOut:
		return fmt.Sprintf("process %d reset by time-out of %v", p.number, timeout)
	case extensionEnded:
		return fmt.Sprintf("process %d reset: %s", p.number, p.cause.text)
	case outOfMemory:
		return fmt.Sprintf("process %d killed: it held more than %d MB", p.number, p.host.cfg.MemoryMB)
	case initTimedOut:
		return fmt.Sprintf("process %d never asked for work", p.number)
	case stopped:
		return fmt.Sprintf("process %d stopped: %s", p.number, p.ending)
	}
	return fmt.Sprintf("process %d ended: %s", p.number, p.ending)
}

// initError returns why the process never asked for work, with its last
// output; nil where it was stopped by Close, or did ask.
func (p *process) initError() error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.initErrorLocked()
}

func (p *process) initErrorLocked() error {
	if p.initFail == nil {
		if p.cause.kind == stopped {
			return errors.New("the host was closed")
		}
		return nil
	}
	err := fmt.Errorf("process %d: %s: %s", p.number, p.initFail.Type, p.initFail.Message)
	if p.output != nil {
		if tail := p.output.tail(); tail != "" {
			err = fmt.Errorf("%w; its last output: %s", err, tail)
		}
	}
	return err
}
