package lambda

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// maxInvokePayload bounds the event of a synchronous invocation, in bytes
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxInvokePayload = 6 << 20

// ServeHTTP is Lambda's Invoke API
// (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html): POST
// /2015-03-31/functions/NAME/invocations with X-Amz-Invocation-Type
// RequestResponse (the default), Event or DryRun. NAME may be the function's
// name, its partial or full ARN, each with an optional qualifier; versions do
// not exist, so the qualifier is not looked at.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := parseInvokePath(r.URL.EscapedPath())
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", apiError{Type: "User", Upper: "want POST /2015-03-31/functions/NAME/invocations"})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "InvalidRequestException", apiError{Type: "User", Lower: "want POST, have " + r.Method})
		return
	case name != h.cfg.FunctionName:
		arn := "arn:aws:lambda:" + h.cfg.Region + ":" + accountID + ":function:" + name
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", apiError{Type: "User", Upper: "Function not found: " + arn})
		return
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	limit := maxInvokePayload
	if kind == "Event" {
		limit = maxAsyncPayload
	}
	payload, err := readPayload(r.Body, limit)
	switch {
	case errors.Is(err, errTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", apiError{Type: "User", Lower: err.Error()})
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", apiError{Type: "User", Lower: err.Error()})
		return
	}
	switch kind {
	case "", "RequestResponse":
		h.serveInvoke(w, r, payload)
	case "Event":
		h.serveEvent(w, payload)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusBadRequest, "InvalidParameterValueException",
			apiError{Type: "User", Lower: "X-Amz-Invocation-Type " + kind + ": want RequestResponse, Event or DryRun"})
	}
}

// serveInvoke invokes and waits. A function error is a 200 with a header of
// its own: a caller that looks at the status alone takes it for a success.
func (h *Host) serveInvoke(w http.ResponseWriter, r *http.Request, payload []byte) {
	h.mu.Lock()
	id := h.requestID()
	h.mu.Unlock()
	answer := h.Invoke(r.Context(), bench.Invocation{RequestID: id, Payload: payload})
	header := w.Header()
	header.Set("X-Amzn-Requestid", id)
	switch {
	case answer.Throttled:
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException",
			apiError{Reason: "ConcurrentInvocationLimitExceeded", Type: "User", Lower: "Rate Exceeded."})
	case answer.Error != nil && answer.Error.Type == TypeClosed:
		refuse(w, http.StatusInternalServerError, "ServiceException", apiError{Type: "Service", Upper: answer.Error.Message})
	case answer.Error != nil:
		header.Set("X-Amz-Function-Error", unhandled)
		header.Set("X-Amz-Executed-Version", functionVersion)
		writeJSON(w, http.StatusOK, bodyOf(answer.Error))
	default:
		header.Set("X-Amz-Executed-Version", functionVersion)
		header.Set("Content-Type", "application/json")
		_, _ = w.Write(answer.Payload)
	}
}

// serveEvent queues and answers at once.
func (h *Host) serveEvent(w http.ResponseWriter, payload []byte) {
	id, err := h.queueEvent("", payload)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "ServiceException", apiError{Type: "Service", Upper: err.Error()})
		return
	}
	w.Header().Set("X-Amzn-Requestid", id)
	w.WriteHeader(http.StatusAccepted)
}

// parseInvokePath takes the function's name out of an escaped path.
func parseInvokePath(escaped string) (string, bool) {
	rest, ok := strings.CutPrefix(escaped, "/2015-03-31/functions/")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, "/invocations")
	if !ok || strings.Contains(rest, "/") {
		return "", false
	}
	name, err := url.PathUnescape(rest)
	if err != nil {
		return "", false
	}
	// arn:aws:lambda:REGION:ACCOUNT:function:NAME, ACCOUNT:function:NAME, NAME;
	// each may end in :QUALIFIER.
	if _, after, found := strings.Cut(name, "function:"); found {
		name = after
	}
	name, _, _ = strings.Cut(name, ":")
	return name, name != ""
}

var errTooLarge = errors.New("the payload is too large")

// errNotJSON is in Lambda's own words.
//
//lint:ignore ST1005 hence the capital
var errNotJSON = errors.New("Could not parse request body into json")

// readPayload reads an event: JSON, or nothing, which stands for {}.
func readPayload(body io.Reader, limit int) ([]byte, error) {
	payload, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(payload) > limit:
		return nil, errTooLarge
	case len(payload) == 0:
		return []byte("{}"), nil
	case !json.Valid(payload):
		return nil, errNotJSON
	}
	return payload, nil
}

// apiError is the body of a refusal. Lambda writes message for some exceptions
// and Message for others.
type apiError struct {
	Reason string `json:"Reason,omitempty"`
	Type   string `json:"Type"`
	Lower  string `json:"message,omitempty"`
	Upper  string `json:"Message,omitempty"`
}

// refuse answers with an exception.
func refuse(w http.ResponseWriter, status int, exception string, body apiError) {
	w.Header().Set("X-Amzn-Errortype", exception)
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
