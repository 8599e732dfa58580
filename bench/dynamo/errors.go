package dynamo

import "fmt"

// Error is a refusal in the service's own terms: what a client's SDK decodes
// into its typed errors.
type Error struct {
	Status  int    // HTTP status: 400 says nothing was written, 500 says nobody knows
	Code    string // ValidationException, ConditionalCheckFailedException, ...
	Message string

	reasons []reason // of a TransactionCanceledException, one for each action
	item    item     // of a failed condition that asked for ALL_OLD
	action  bool     // found by itself, it still is one action's of a transaction
	framed  bool     // PutItem and UpdateItem put it in a frame
	whole   bool     // found in an action of a transaction, it still is the request's
}

// reason is one entry of CancellationReasons.
type reason struct {
	code    string // "None" for an action that was not to blame
	message string
	item    item
}

// Error prints code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Codes that more than one place uses.
const (
	codeValidation    = "ValidationException"
	codeConditional   = "ConditionalCheckFailedException"
	codeNotFound      = "ResourceNotFoundException"
	codeSerialization = "SerializationException"
	codeInternal      = "InternalServerError"
	codeThroughput    = "ProvisionedThroughputExceededException"
	codeLimit         = "LimitExceededException"

	codeUnknownOperation    = "UnknownOperationException"
	codeAccessDenied        = "AccessDeniedException"
	codeMissingToken        = "MissingAuthenticationTokenException"
	codeIncompleteSignature = "IncompleteSignatureException"
)

func refuse(code, format string, args ...any) *Error {
	return &Error{Status: 400, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is the refusal of a request that could never succeed.
func invalid(format string, args ...any) *Error { return refuse(codeValidation, format, args...) }

// badParameter is invalid with the preamble that the service puts before the
// faults of single parameters.
func badParameter(format string, args ...any) *Error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// unsupported names a thing of the service that this engine does not have. It
// is never ignored in silence: the caller would believe that it was done.
func unsupported(what string) *Error {
	return invalid("%s is not supported by the embedded DynamoDB", what)
}

// mismatch is invalid for a key or value that does not fit the schema: in a
// transaction, it is a reason to cancel it.
func mismatch(format string, args ...any) *Error {
	err := invalid(format, args...)
	err.action = true
	return err
}

// frame gives an error the words that PutItem and UpdateItem, and only they, put
// before what is wrong with expressions and sets. They do so since the service's
// validation was renewed in 2026.
func (e *Error) frame(op *operation) *Error {
	if e != nil && e.framed && (op.verb == verbPut || op.verb == verbUpdate) {
		e.Message = "1 validation error detected: " + e.Message
	}
	return e
}

// frameable marks an error as one that has a frame where it may have one.
func frameable(e *Error) *Error {
	if e != nil {
		e.framed = true
	}
	return e
}

func conditionFailed(old item) *Error {
	e := refuse(codeConditional, "The conditional request failed")
	e.item = old
	return e
}

func tableNotFound(string) *Error { return refuse(codeNotFound, "Requested resource not found") }

// noSuchTable is tableNotFound in the words of the operations on tables.
func noSuchTable(name string) *Error {
	return refuse(codeNotFound, "Requested resource not found: Table: %s not found", name)
}

// body renders the error as the service does.
func (e *Error) body() []byte {
	w := writer{b: make([]byte, 0, 160)}
	w.open('{')
	w.key("__type")
	w.string(namespace(e.Code) + e.Code)
	// The service writes "Message" for a cancelled transaction and for a body
	// that it cannot read, and "message" for all else; SDKs match either.
	if e.reasons != nil || e.Code == codeSerialization {
		w.key("Message")
	} else {
		w.key("message")
	}
	w.string(e.Message)
	if e.reasons != nil {
		w.key("CancellationReasons")
		w.open('[')
		for _, r := range e.reasons {
			w.element()
			w.open('{')
			w.key("Code")
			w.string(r.code)
			if r.message != "" {
				w.key("Message")
				w.string(r.message)
			}
			if r.item != nil {
				w.key("Item")
				w.item(r.item)
			}
			w.close('}')
		}
		w.close(']')
	}
	if e.item != nil {
		w.key("Item")
		w.item(e.item)
	}
	w.close('}')
	return w.b
}

// namespace is what stands before an error's name in __type: the parts of the
// service that look at a request before the table does have names of their own.
// An SDK looks behind the # only; who reads the body by himself may not.
func namespace(code string) string {
	switch code {
	case codeValidation:
		return "com.amazon.coral.validate#"
	case codeSerialization, codeUnknownOperation, codeAccessDenied, codeMissingToken, codeIncompleteSignature:
		return "com.amazon.coral.service#"
	}
	return "com.amazonaws.dynamodb.v20120810#"
}
