package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// This file is the sandbox's end of the Runtime API. aws-lambda-go has one too,
// which takes its address from the environment of the process and ends the
// process when it is done; what it does to the handler is done here as there:
// https://docs.aws.amazon.com/lambda/latest/dg/golang-handler.html

// live is the life of a sandbox: it makes the handler, and calls it for one
// event after the other until the handler panics or the sandbox is cut off.
func (s *sandbox) live(f *function, env Env) {
	api := &api{
		base: "http://" + env.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/",
		http: &http.Client{Transport: &http.Transport{DialContext: s.dial}},
	}
	var handler runtimeclient.Handler
	select {
	case f.turn <- struct{}{}:
	case <-s.ctx.Done():
		return
	}
	failure := guard(func() error { handler = f.make(env); return nil })
	<-f.turn
	if failure != nil {
		api.post(s.ctx, "init/error", failure)
		return
	}
	for {
		e, err := api.next(s.ctx)
		if err != nil {
			return
		}
		answer, failure := s.invoke(handler, e)
		path := "invocation/" + e.id
		if failure == nil {
			err = api.send(s.ctx, path+"/response", answer)
		} else {
			err = api.post(s.ctx, path+"/error", failure)
		}
		if err != nil || failure != nil && failure.ShouldExit {
			return
		}
	}
}

// event is one invocation as the sandbox gets it.
type event struct {
	id, function string
	deadline     time.Time
	payload      []byte
}

// invoke calls the handler.
func (s *sandbox) invoke(handler runtimeclient.Handler, e event) (answer []byte, failure *messages.InvokeResponse_Error) {
	ctx, cancel := context.WithDeadline(s.ctx, e.deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: e.id, InvokedFunctionArn: e.function})
	failure = guard(func() (err error) {
		answer, err = handler.Invoke(ctx, e.payload)
		return err
	})
	return answer, failure
}

// guard calls f and gives its error or its panic in Lambda's form. After a panic
// a sandbox is not used again.
func guard(f func() error) (failure *messages.InvokeResponse_Error) {
	defer func() {
		if cause := recover(); cause != nil {
			failure = failureOf(cause, fmt.Sprintf("panic: %v (%s)", cause, panicked()))
			failure.ShouldExit = true
		}
	}()
	if err := f(); err != nil {
		if own, ok := errors.AsType[messages.InvokeResponse_Error](err); ok {
			return &own
		}
		return failureOf(err, err.Error())
	}
	return nil
}

// panicked tells file and line of the panic that is being recovered from: the
// first place below Go's own.
func panicked() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for begun := false; ; {
		frame, more := frames.Next()
		if begun && !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		begun = begun || frame.Function == "runtime.gopanic"
		if !more {
			return "at an unknown place"
		}
	}
}

// failureOf names a failure after its Go type, as aws-lambda-go does.
func failureOf(cause any, message string) *messages.InvokeResponse_Error {
	t := reflect.TypeOf(cause)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return &messages.InvokeResponse_Error{Type: t.Name(), Message: message}
}

// api is the Runtime API, seen from the sandbox:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type api struct {
	base string
	http *http.Client
}

// next waits for work.
func (a *api) next(ctx context.Context) (event, error) {
	resp, err := a.call(ctx, http.MethodGet, "invocation/next", nil)
	if err != nil {
		return event{}, err
	}
	ms, err := strconv.ParseInt(resp.header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		return event{}, fmt.Errorf("read the deadline of an invocation: %w", err)
	}
	return event{
		id: resp.header.Get("Lambda-Runtime-Aws-Request-Id"), function: resp.header.Get("Lambda-Runtime-Invoked-Function-Arn"),
		deadline: time.UnixMilli(ms), payload: resp.body,
	}, nil
}

// post posts a failure.
func (a *api) post(ctx context.Context, path string, failure *messages.InvokeResponse_Error) error {
	body, err := json.Marshal(failure)
	if err != nil {
		return err
	}
	return a.send(ctx, path, body)
}

// send posts a body. A refusal, of a response that is too large for example, is
// Lambda's to tell, and the sandbox lives on.
func (a *api) send(ctx context.Context, path string, body []byte) error {
	_, err := a.call(ctx, http.MethodPost, path, body)
	return err
}

// response is an answer of the Runtime API, read to its end.
type response struct {
	header http.Header
	body   []byte
}

func (a *api) call(ctx context.Context, method, path string, body []byte) (response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return response{header: resp.Header, body: answer}, err
}
