package lambda

import (
	"fmt"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Types of function errors, as Lambda spells them
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and
// https://github.com/aws/aws-lambda-runtime-interface-emulator, fatalerror).
const (
	TypeExitError         = "Runtime.ExitError"             // the process ended with the invocation open
	TypeTimedout          = "Sandbox.Timedout"              // time-out of the invocation or of the initialisation
	TypeInvalidEntrypoint = "Runtime.InvalidEntrypoint"     // the binary could not be started
	TypeResponseSize      = "Function.ResponseSizeTooLarge" // more than 6 MiB
	TypeTruncated         = "Runtime.TruncatedResponse"     // the response broke off
	TypeRuntimeUnknown    = "Runtime.Unknown"               // also: a strike of invoke.fail
	TypeFunctionUnknown   = "Function.Unknown"              // also: a strike of processor.error
)

// Types that Lambda does not have.
const (
	TypeCancelled     = "Ackproof.Cancelled"     // the caller's context ended
	TypeClosed        = "Ackproof.Closed"        // the host is closed
	TypeUnknownStrike = "Ackproof.UnknownStrike" // the injector asked for what this place cannot do
)

// failed makes the answer of a failed invocation.
func failed(kind, message string, outcome bench.DeliveryOutcome) bench.Answer {
	return bench.Answer{Error: &bench.FunctionError{Type: kind, Message: message, Outcome: outcome}}
}

// crash says how the invocation of a dead process ended. The caller holds
// Host.mu.
func (p *process) crash(request string) *bench.FunctionError {
	cfg := &p.host.cfg
	switch {
	case p.cause.kind == timedOut:
		// Lambda puts time and request id before the sentence.
		message := fmt.Sprintf("%s %s Task timed out after %.2f seconds",
			cfg.Clock.Now().UTC().Format(timestamp), request, cfg.Timeout.Seconds())
		return &bench.FunctionError{Type: TypeTimedout, Message: message, Outcome: bench.DeliveryTimeout}
	case p.cause.kind == initTimedOut:
		message := fmt.Sprintf("Error: Init timed out after %.2f seconds", p.host.initLimit.Seconds())
		return &bench.FunctionError{Type: TypeTimedout, Message: withRequest(request, message), Outcome: bench.DeliveryTimeout}
	}
	if p.cause.kind == extensionEnded {
		return &bench.FunctionError{Type: TypeExtensionCrash, Message: withRequest(request, "Error: "+p.cause.text), Outcome: bench.DeliveryCrash}
	}
	message := "Error: Runtime exited with error: " + p.ending.String()
	if p.ending.OK {
		message = "Error: Runtime exited without providing a reason"
	}
	return &bench.FunctionError{Type: TypeExitError, Message: withRequest(request, message), Outcome: bench.DeliveryCrash}
}

// timestamp is the form in which Lambda prints times.
const timestamp = "2006-01-02T15:04:05.000Z"

// withRequest puts the request id before a message, once.
func withRequest(id, message string) string {
	if id == "" || strings.HasPrefix(message, "RequestId: ") {
		return message
	}
	return "RequestId: " + id + " " + message
}

// event tells the observer about a process.
func (h *Host) event(kind bench.EventKind, p *process, c cause, text string) {
	e := bench.Event{At: h.cfg.Clock.Now(), Kind: kind, PID: p.pid, Text: text}
	if c.kind == byFault {
		fault := c.strike.Fault
		e.Fault = &fault
	}
	h.cfg.Observer.Event(e)
}
