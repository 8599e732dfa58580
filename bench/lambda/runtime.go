package lambda

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// This file is the Runtime API, as a runtime interface client in the child sees it
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), for the
// Extensions API see extensions.go.

// call is what a request to the Runtime API wants.
type call uint8

const (
	callUnknown call = iota
	callNext
	callResponse
	callError
	callInitError
	callRegister
	callExtensionNext
)

// parseCall reads method and path; id is the request id of callResponse and
// callError.
func parseCall(method, path string) (c call, id string) {
	switch {
	case method == http.MethodGet && path == "/2018-06-01/runtime/invocation/next":
		return callNext, ""
	case method == http.MethodGet && path == "/2020-01-01/extension/event/next":
		return callExtensionNext, ""
	case method != http.MethodPost:
		return callUnknown, ""
	case path == "/2018-06-01/runtime/init/error":
		return callInitError, ""
	case path == "/2020-01-01/extension/register":
		return callRegister, ""
	}
	rest, ok := strings.CutPrefix(path, "/2018-06-01/runtime/invocation/")
	if !ok {
		return callUnknown, ""
	}
	id, verb, _ := strings.Cut(rest, "/")
	switch {
	case id == "":
		return callUnknown, ""
	case verb == "response":
		return callResponse, id
	case verb == "error":
		return callError, id
	}
	return callUnknown, ""
}

// serveRuntime answers the child.
func (p *process) serveRuntime(w http.ResponseWriter, r *http.Request) {
	c, id := parseCall(r.Method, r.URL.Path)
	if c != callRegister && c != callExtensionNext { // extensions are there before the function is
		<-p.started // a quick child can ask before fork has told us its id
	}
	switch c {
	case callNext:
		p.next(w, r)
	case callResponse, callError:
		p.accept(w, r, c, id)
	case callInitError:
		p.initFailed(w, r)
	case callRegister:
		p.register(w, r)
	case callExtensionNext:
		p.extensionNext(w, r)
	default:
		reply(w, http.StatusNotFound, "InvalidRequest", r.Method+" "+r.URL.Path+" is not part of the Runtime API")
	}
}

// reply writes an answer in the Runtime API's error form.
func reply(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(ErrorBody{Message: message, Type: kind})
}

// ErrorBody is how runtimes and Lambda write an error.
type ErrorBody struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// next completes the invocation before, and waits for the next one. The answer
// went to the caller when it was posted, but only now is the process free, and
// only now is it certain that it writes nothing more for that invocation.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	if !p.until(r.Context(), func(e *extension) bool { return !e.busy }) { // the extensions are a part of each phase
		p.awaitDeath(r.Context())
		return
	}
	p.posting.Lock() // a child whose response broke off may be here before that is settled
	ok := p.askForWork()
	p.posting.Unlock()
	if !ok && p.doomed() {
		p.awaitDeath(r.Context())
		return
	}
	if !ok {
		reply(w, http.StatusForbidden, "InvalidStateTransition", "next was called before the invocation was answered, or twice at once")
		return
	}
	for {
		select {
		case inv := <-p.work:
			if p.handOver(w, inv) {
				return
			}
			p.askForWork() // the event never left the host: the request for work stands
		case <-p.dead:
			return
		case <-r.Context().Done():
			p.hangUp()
			return
		}
	}
}

// askForWork notes that the process is free, and gives it the oldest waiting
// invocation. It reports false where the process has no right to ask.
func (p *process) askForWork() bool {
	h := p.host
	h.mu.Lock()
	first := !p.ready && p.cause.kind == alive
	switch p.state {
	case starting, away:
	case assigned: // it hung up and is back; its invocation still lies in p.work, or was ended in the host
		if !p.inv.finished {
			h.mu.Unlock()
			return true
		}
		h.open--
	case answered:
		h.open--
	default:
		h.mu.Unlock()
		return false
	}
	p.inv = nil
	p.request.Store(nil)
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if first {
		p.ready = true
		h.failures = 0
		h.pay()
		close(p.asked)
	}
	h.rest(p)
	h.mu.Unlock()
	if first {
		h.event(bench.EventProcessorStart, p, cause{}, "process "+strconv.Itoa(p.number)+" has asked for work")
	}
	return true
}

// doomed says that the process is being ended.
func (p *process) doomed() bool {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.state == doomed
}

// awaitDeath keeps a request waiting whose process is being ended. It has its
// moment for SIGTERM: whatever it is told, an empty 200 most of all, is news that
// it would act upon instead.
func (p *process) awaitDeath(ctx context.Context) {
	select {
	case <-p.dead:
	case <-ctx.Done():
	}
}

// pay settles one successor's debt. The caller holds h.mu.
func (h *Host) pay() {
	if h.owed == 0 {
		return
	}
	h.owed--
	if h.owed == 0 {
		close(h.settled)
		h.settled = make(chan struct{})
	}
}

// rest gives a free process the oldest waiting invocation, or lets it wait. The
// caller holds h.mu.
func (h *Host) rest(p *process) {
	if len(h.waiters) > 0 {
		inv := h.waiters[0]
		h.waiters = h.waiters[1:]
		p.take(inv)
		return
	}
	p.state = idle
	h.idle = append(h.idle, p)
}

// hangUp takes a process off the list of those that can be given work. If it
// was given some in the same moment, that waits for it in p.work.
func (p *process) hangUp() {
	h := p.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.state == idle {
		p.state = away
		h.removeIdle(p)
	}
}

// handOver gives the event to the process. It reports false where the
// invocation ended without the process's part. It returns without having
// written anything only when the process is dead: an empty 200 would be taken
// for an event.
func (p *process) handOver(w http.ResponseWriter, inv *invocation) bool {
	h := p.host
	now := h.cfg.Clock.Now()
	h.mu.Lock()
	if p.state != assigned {
		h.mu.Unlock()
		<-p.dead
		return true
	}
	// The clock of the time-out starts before the strike: a slow hand-over is
	// part of the invocation.
	left := h.cfg.Timeout
	if p.inside { // of its time the second initialisation has taken a part
		p.inside = false
		left = max(0, left-now.Sub(p.began))
	}
	p.timer = time.AfterFunc(left, func() { h.expired(p, inv) })
	h.mu.Unlock()

	switch s := h.ask(bench.OpHandOver, p); s.Kind {
	case "":
	case strikeKill:
		// The event counts as handed over, but is not written: a process on its
		// way to death can still do something, and this is the crash before
		// any effect.
		h.mu.Lock()
		if p.state == assigned {
			inv.handedAt = h.cfg.Clock.Now()
		}
		h.mu.Unlock()
		h.killNow(p, s)
		return true
	case strikeError:
		return !p.endInHost(inv, failed(TypeFunctionUnknown, "the hand-over was failed by "+s.Kind, bench.DeliveryError), &s)
	case strikeSlow:
		h.slow(p, s)
	default:
		return !p.endInHost(inv, bench.Answer{Error: unknownStrike(s, bench.PlaceProcessor, bench.OpHandOver)}, nil)
	}

	h.mu.Lock()
	if p.state != assigned {
		h.mu.Unlock()
		<-p.dead
		return true
	}
	p.state = running
	inv.handedAt = h.cfg.Clock.Now()
	p.request.Store(&inv.id)
	deadline := now.Add(left)
	if len(p.extensions) > 0 {
		p.send(extensionEvent{EventType: eventInvoke, DeadlineMs: deadline.UnixMilli(), RequestID: inv.id, InvokedFunctionArn: h.arn(),
			Tracing: &tracingValue{"X-Amzn-Trace-Id", h.traceID(inv.id)}})
	}
	h.mu.Unlock()
	p.writeEvent(w, inv, deadline)
	return true
}

// endInHost ends an assigned invocation that the process will never see. It
// reports false where the process was doomed meanwhile: bury answers then.
func (p *process) endInHost(inv *invocation, answer bench.Answer, s *bench.Strike) bool {
	h := p.host
	h.mu.Lock()
	ok := p.state == assigned
	h.mu.Unlock()
	if !ok {
		<-p.dead
		return false
	}
	if s != nil {
		h.struck(*s, p.pid)
	}
	h.mu.Lock()
	if ok = p.state == assigned; ok {
		h.finish(inv, answer)
	}
	h.mu.Unlock()
	if !ok {
		<-p.dead
	}
	return ok
}

// writeEvent answers next. The headers that would be empty are left out, as
// Lambda does.
func (p *process) writeEvent(w http.ResponseWriter, inv *invocation, deadline time.Time) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", p.host.arn())
	header.Set("Lambda-Runtime-Trace-Id", p.host.traceID(inv.id))
	// An error means that the process is gone; bury has the invocation.
	_, _ = w.Write(inv.payload)
}

// initErrorGrace is how long a process may live on after it has said that its
// initialisation failed.
const initErrorGrace = time.Second

// initFailed notes why the initialisation failed.
func (p *process) initFailed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxError))
	if err != nil {
		reply(w, http.StatusBadRequest, "TruncatedHTTPRequest", err.Error())
		return
	}
	failure := parseError(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	failure.Outcome = bench.DeliveryCrash // nothing of the environment is left
	h := p.host
	h.mu.Lock()
	ok := !p.ready
	if ok {
		p.initFail = failure
		if p.timer != nil {
			p.timer.Reset(initErrorGrace)
		}
	}
	h.mu.Unlock()
	if !ok {
		reply(w, http.StatusForbidden, "InvalidStateTransition", "init/error was called after next")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`+"\n")
}

// discardLog keeps net/http's complaints about dying children off stderr: each
// death is told by bury.
var discardLog = log.New(io.Discard, "", 0)
