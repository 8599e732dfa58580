package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// AnswersEnv is the environment variable that makes the gateway write down each
// answer that it has finished, in AnswersFile of the run directory. The log is
// the other side's account of what a client was told: with it, a test can hold
// the ledger of an ackproof that was killed against somebody who was not. The
// judge never reads it.
const AnswersEnv = "ACKPROOF_ANSWERS"

// AnswersFile is the name of the log: one [Answered] a line, as JSON, each
// written with one write(2).
const AnswersFile = "answers.jsonl"

// Answered is one answer that the gateway has finished. A connection that a
// fault has cut has none.
type Answered struct {
	ID     string    `json:"id"` // member of that name in the request's body; "": there is none
	Status int       `json:"status"`
	At     time.Time `json:"at"` // when nothing was left but to send it
}

// answerLog is a handler that logs the answers of another.
type answerLog struct {
	http.Handler
	out   io.Writer
	clock clock.Clock
}

// withAnswers puts the log before the gateway, if it is asked for.
func withAnswers(cfg gatewayConfig, h http.Handler) (http.Handler, func() error, error) {
	if os.Getenv(AnswersEnv) == "" || cfg.site.memory != nil || cfg.Stack.Dir == "" {
		return h, func() error { return nil }, nil
	}
	f, err := os.OpenFile(filepath.Join(cfg.Stack.Dir, AnswersFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("log the answers, as %s asks for: %w", AnswersEnv, err)
	}
	return &answerLog{Handler: h, out: f, clock: clock.Real{}}, f.Close, nil
}

// ServeHTTP serves a request and logs its answer. net/http sends it on its way
// when we return: to flush it before would change its encoding.
func (l *answerLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	r.Body = teed{io.TeeReader(r.Body, &body), r.Body}
	seen := &statusSeen{ResponseWriter: w}
	l.Handler.ServeHTTP(seen, r)
	if seen.status == 0 {
		return // cut
	}
	var named struct{ ID string }
	_ = json.Unmarshal(body.Bytes(), &named) // a body that is no JSON names nothing
	line, err := json.Marshal(Answered{ID: named.ID, Status: seen.status, At: l.clock.Now()})
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	if err != nil {
		// Whoever asked for the log must not take half of it for the whole:
		// the client sees its connection break, and net/http prints why.
		panic(fmt.Sprintf("log an answer: %v", err))
	}
}

// teed reads a body through a tee, and closes the body.
type teed struct {
	io.Reader
	io.Closer
}

// statusSeen remembers the status that was written.
type statusSeen struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (s *statusSeen) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implies a status of 200 where none was written.
func (s *statusSeen) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusSeen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
