package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// This file is the Extensions API
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html).
// External extensions are processes of their own beside the function:
//
//	init      extensions start and register ─► function starts ─► all have asked for an event
//	invoke    INVOKE to extensions, event to function ─► all have asked again
//	shutdown  function ends ─► SHUTDOWN to extensions ─► 2 s ─► SIGKILL
//
// An internal one is the function itself, which asks so for SIGTERM at its end.

// Types of errors of extensions, as Lambda spells them.
const (
	TypeExtensionLaunch = "Extension.LaunchError" // it could not be started
	TypeExtensionInit   = "Extension.InitError"   // it did not register
	TypeExtensionCrash  = "Extension.Crash"       // it ended before the environment did
)

// extensionGrace is what external extensions get at shutdown.
const extensionGrace = 2 * time.Second

// The events of the Extensions API.
const (
	eventInvoke   = "INVOKE"
	eventShutdown = "SHUTDOWN"
)

// extension is one that is registered, or one that was started and is to
// register. Its fields below the line are guarded by Host.mu.
type extension struct {
	name  string
	cmd   *exec.Cmd     // nil: internal
	ended chan struct{} // closed when cmd has been reaped
	inbox chan []byte   // has room for an INVOKE and the SHUTDOWN

	// ---- guarded by Host.mu
	id     string // "": not registered
	events []string
	busy   bool // has not asked for its next event
}

// startExtensions starts the external extensions and waits until each has
// registered.
func (p *process) startExtensions(dir, api string) *bench.FunctionError {
	h := p.host
	for _, path := range h.cfg.Extensions {
		e := &extension{name: filepath.Base(path), cmd: exec.Command(path), ended: make(chan struct{}), inbox: make(chan []byte, 2), busy: true}
		e.cmd.Dir, e.cmd.Env, e.cmd.SysProcAttr = dir, environment(h.cfg, dir, p.number, api), sysProcAttr()
		read, write, err := os.Pipe()
		if err == nil {
			e.cmd.Stdout, e.cmd.Stderr = write, write
			if err = h.forker.start(e.cmd); err != nil {
				read.Close()
			}
			write.Close()
		}
		if err != nil {
			return &bench.FunctionError{Type: TypeExtensionLaunch, Message: fmt.Sprintf("extension %s: %v", e.name, err), Outcome: bench.DeliveryCrash}
		}
		h.pump(p, e.cmd.Process.Pid, read)
		h.mu.Lock()
		p.extensions = append(p.extensions, e)
		h.mu.Unlock()
		go func() {
			_ = e.cmd.Wait() // ProcessState says how
			close(e.ended)
			h.mu.Lock()
			h.doom(p, cause{kind: extensionEnded, text: fmt.Sprintf("extension %s: %s", e.name, e.cmd.ProcessState)})
			h.mu.Unlock()
			p.news()
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.initLimit)
	defer cancel()
	if !p.until(ctx, func(e *extension) bool { return e.id != "" }) {
		return &bench.FunctionError{Type: TypeExtensionInit, Message: "not every extension has registered: " + p.epitaph(h.cfg.Timeout), Outcome: bench.DeliveryCrash}
	}
	return nil
}

// news wakes those who wait for extensions.
func (p *process) news() {
	h := p.host
	h.mu.Lock()
	defer h.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// until waits until each extension meets the condition, which is called with
// Host.mu held. It reports false where ctx or the environment ended before.
func (p *process) until(ctx context.Context, condition func(*extension) bool) bool {
	for {
		p.host.mu.Lock()
		changed, doomed := p.changed, p.cause.kind != alive
		met := !slices.ContainsFunc(p.extensions, func(e *extension) bool { return !condition(e) })
		p.host.mu.Unlock()
		if met || doomed {
			return met && !doomed
		}
		select {
		case <-changed:
		case <-p.dead:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// register takes an extension in: by its name where it is an external one, else
// the function is its own.
func (p *process) register(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("Lambda-Extension-Name")
	if name == "" {
		reply(w, http.StatusBadRequest, "Extension.InvalidExtensionName", "the header Lambda-Extension-Name is missing")
		return
	}
	var wanted struct {
		Events []string `json:"events"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxError))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, "InvalidRequestFormat", err.Error())
		return
	}
	h := p.host
	h.mu.Lock()
	i := slices.IndexFunc(p.extensions, func(e *extension) bool { return e.name == name })
	switch {
	case i >= 0 && p.extensions[i].id != "":
		h.mu.Unlock()
		reply(w, http.StatusForbidden, "Extension.AlreadyRegistered", "extension "+name+" has registered before")
		return
	case i < 0:
		// Only what has a process of its own can be told of the shutdown.
		wanted.Events = slices.DeleteFunc(wanted.Events, func(e string) bool { return e == eventShutdown })
		i = len(p.extensions)
		p.extensions = append(p.extensions, &extension{name: name, inbox: make(chan []byte, 2), busy: true})
		p.internal = true
	}
	e := p.extensions[i]
	e.id, e.events = h.uuid("extension "+name, uint64(p.number)), wanted.Events
	h.mu.Unlock()
	p.news()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Lambda-Extension-Identifier", e.id)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"functionName": h.cfg.FunctionName, "functionVersion": functionVersion, "handler": h.cfg.Handler,
	})
}

// extensionNext notes that the extension is done with its last event, and hands
// it the next one.
func (p *process) extensionNext(w http.ResponseWriter, r *http.Request) {
	h := p.host
	id := r.Header.Get("Lambda-Extension-Identifier")
	h.mu.Lock()
	i := slices.IndexFunc(p.extensions, func(e *extension) bool { return e.id == id && id != "" })
	if i < 0 {
		h.mu.Unlock()
		reply(w, http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "no extension has registered with this identifier")
		return
	}
	e := p.extensions[i]
	e.busy = len(e.inbox) > 0
	h.mu.Unlock()
	p.news()
	select {
	case event := <-e.inbox:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Lambda-Extension-Event-Identifier", h.uuid("extension event "+e.name, h.extensionEvents.Add(1)))
		_, _ = w.Write(event)
	case <-p.over:
	case <-r.Context().Done():
	}
}

// extensionEvent is what extensions are sent.
type extensionEvent struct {
	EventType          string        `json:"eventType"`
	DeadlineMs         int64         `json:"deadlineMs"`
	RequestID          string        `json:"requestId,omitempty"`
	InvokedFunctionArn string        `json:"invokedFunctionArn,omitempty"`
	Tracing            *tracingValue `json:"tracing,omitempty"`
	ShutdownReason     string        `json:"shutdownReason,omitempty"`
}

type tracingValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// send gives the event to the extensions that have asked for its type. The
// caller holds Host.mu.
func (p *process) send(event extensionEvent) {
	data, err := json.Marshal(event)
	if err != nil {
		panic(fmt.Sprintf("lambda: strings and numbers do not marshal: %v", err)) // cannot be
	}
	for _, e := range p.extensions {
		if slices.Contains(e.events, event.EventType) {
			e.busy = true
			e.inbox <- data // has room: INVOKE comes once all have asked again, SHUTDOWN once
		}
	}
}

// endExtensions is the end of the external extensions: SHUTDOWN and two seconds,
// or SIGKILL at once where the environment was killed.
func (p *process) endExtensions(c cause) {
	h := p.host
	reason := map[causeKind]string{stopped: "spindown", timedOut: "timeout", exited: "failure", extensionEnded: "failure"}[c.kind]
	h.mu.Lock()
	external := slices.DeleteFunc(slices.Clone(p.extensions), func(e *extension) bool { return e.cmd == nil })
	if reason != "" && len(external) > 0 {
		p.send(extensionEvent{EventType: eventShutdown, ShutdownReason: reason, DeadlineMs: h.cfg.Clock.Now().Add(extensionGrace).UnixMilli()})
	}
	h.mu.Unlock()
	grace := time.NewTimer(extensionGrace)
	defer grace.Stop()
	for _, e := range external {
		if reason != "" && slices.Contains(e.events, eventShutdown) {
			select {
			case <-e.ended:
			case <-grace.C:
				reason = "" // no time is left for the others
			}
		}
		below := descendants(e.cmd.Process.Pid)
		_ = e.cmd.Process.Kill()
		killAll(below)
		<-e.ended
	}
}
