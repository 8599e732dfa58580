package lambda

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// This file is the second half of the Runtime API: what a process posts, and how
// it becomes the answer of its invocation.

// Limits of a body, in bytes. A response may have 6 MiB and a little for its
// frame (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const (
	maxResponse = 6<<20 + 100
	maxError    = 1 << 20
	maxSpill    = 64 << 20 // read and thrown away of a response that is too large, so that the child gets its 413
)

// accept takes the process's answer: a response or an error. The strike lies
// between the post and its acceptance: all effects of the invocation are
// applied there, and nobody knows of them yet. A posted error keeps the
// environment, unless the runtime chooses to exit, as Go's does after a panic.
func (p *process) accept(w http.ResponseWriter, r *http.Request, c call, id string) {
	p.posting.Lock()
	defer p.posting.Unlock()
	h := p.host
	h.mu.Lock()
	inv := p.inv
	if p.state != running || inv == nil || inv.id != id {
		h.mu.Unlock()
		reply(w, http.StatusBadRequest, "InvalidRequestID", "invocation "+id+" is not under way in this process")
		return
	}
	p.state = answering
	h.mu.Unlock()

	answer, status := readAnswer(r, c)
	if status == http.StatusBadRequest {
		// Broken off. If because the process died, that is the news; death
		// takes a moment to be noticed.
		clock.Wait(truncationGrace, p.dead)
	}
	switch s := h.ask(bench.OpAnswer, p); s.Kind {
	case "":
	case strikeKill:
		h.killNow(p, s)
		return
	case strikeError:
		h.struck(s, p.pid)
		answer = failed(TypeFunctionUnknown, "the answer was replaced by "+s.Kind, bench.DeliveryError)
	case strikeSlow:
		h.slow(p, s)
	default:
		answer = bench.Answer{Error: unknownStrike(s, bench.PlaceProcessor, bench.OpAnswer)}
	}

	h.mu.Lock()
	if p.state != answering { // doomed meanwhile: bury answers
		h.mu.Unlock()
		<-p.dead
		return
	}
	if inv.override != nil {
		answer = bench.Answer{Error: inv.override}
	}
	p.state = answered
	h.finish(inv, answer)
	h.mu.Unlock()
	switch status {
	case http.StatusAccepted:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"OK"}`+"\n")
	default:
		reply(w, status, refusals[status], "the response was not accepted")
	}
}

// refusals names what the process is told of a response that cannot be taken.
var refusals = map[int]string{
	http.StatusBadRequest:            "TruncatedHTTPRequest",
	http.StatusRequestEntityTooLarge: "RequestEntityTooLarge",
}

// truncationGrace is how long a broken response waits for news of a death.
const truncationGrace = 200 * time.Millisecond

// readAnswer reads what the process has posted, and the status it is to be
// told: 202, 413 too large, 400 broken off.
func readAnswer(r *http.Request, c call) (bench.Answer, int) {
	limit := int64(maxResponse)
	if c == callError {
		limit = maxError
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return failed(TypeTruncated, "the response broke off: "+err.Error(), bench.DeliveryError), http.StatusBadRequest
	}
	if c == callError {
		return bench.Answer{Error: parseError(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))}, http.StatusAccepted
	}
	if int64(len(body)) > limit {
		_, _ = io.CopyN(io.Discard, r.Body, maxSpill)
		return failed(TypeResponseSize, "Response payload size exceeded maximum allowed payload size (6291556 bytes).", bench.DeliveryError),
			http.StatusRequestEntityTooLarge
	}
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		// The runtime failed while it was writing: the error comes after the body.
		detail, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil {
			detail = nil
		}
		return bench.Answer{Error: parseError(detail, kind)}, http.StatusAccepted
	}
	return bench.Answer{Payload: body}, http.StatusAccepted
}

// errorTypes are the ones that Lambda accepts in the header.
var errorTypes = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// parseError reads the body of a posted error. The type in the body is the
// handler's own and wins; the header's counts where the body has none. A body
// that cannot be read is kept as the message.
func parseError(body []byte, header string) *bench.FunctionError {
	var e ErrorBody
	if err := json.Unmarshal(body, &e); err != nil {
		e = ErrorBody{Message: string(body)}
	}
	if e.Type == "" {
		e.Type = TypeFunctionUnknown
		if errorTypes.MatchString(header) {
			e.Type = header
		}
	}
	return &bench.FunctionError{Type: e.Type, Message: e.Message, Outcome: bench.DeliveryError}
}
