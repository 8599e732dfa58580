package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func init() { roles["extension"] = extensionRole }

// extensionRole is an external extension that says what it is told.
func extensionRole() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/"
	call := func(method, path, body, header, value string) (*http.Response, []byte) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			os.Exit(94)
		}
		r.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			os.Exit(93)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		return resp, data
	}
	behaviour := os.Getenv("BEHAVIOUR")
	if behaviour == "exit" {
		os.Exit(8)
	}
	resp, data := call("POST", "register", `{"events":["INVOKE","SHUTDOWN"]}`, "Lambda-Extension-Name", "agent")
	fmt.Printf("agent registered %d %s\n", resp.StatusCode, data)
	id := resp.Header.Get("Lambda-Extension-Identifier")
	for {
		_, data := call("GET", "event/next", "", "Lambda-Extension-Identifier", id)
		var event extensionEvent
		if json.Unmarshal(data, &event) != nil {
			os.Exit(92)
		}
		fmt.Printf("agent %s %s%s\n", event.EventType, event.RequestID, event.ShutdownReason)
		switch {
		case event.EventType == eventShutdown:
			os.Exit(0)
		case behaviour == "crash":
			os.Exit(7)
		case strings.HasPrefix(behaviour, "hold "):
			for _, err := os.Stat(behaviour[5:]); err != nil; _, err = os.Stat(behaviour[5:]) {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
}

// withExtension gives the function of role "go" with an extension beside it.
func withExtension(t *testing.T, behaviour string) (Config, *syncBuffer) {
	t.Helper()
	cfg := config(t, "go")
	log := &syncBuffer{}
	cfg.Log = log
	cfg.Env = append(cfg.Env, "BEHAVIOUR="+behaviour)
	script := fmt.Sprintf("#!/bin/sh\nexec env %s=extension '%s'\n", roleVariable, cfg.Command[0])
	cfg.Extensions = []string{write(t, filepath.Join(t.TempDir(), "agent"), []byte(script), 0o755)}
	return cfg, log
}

func TestExternalExtension(t *testing.T) {
	cfg, log := withExtension(t, "")
	h := startHost(t, cfg)
	answer := h.Invoke(t.Context(), bench.Invocation{RequestID: "first", Payload: []byte(`{"say":"x"}`)})
	if answer.Error != nil {
		t.Fatalf("%+v", answer.Error)
	}
	poll(t, "the extension has its INVOKE", func() bool { return strings.Contains(log.String(), "agent INVOKE first") })
	if answer := invoke(t, h, goEvent{Panic: "oh no"}); answer.Error == nil || answer.Error.Type != "string" {
		t.Errorf("%+v", answer.Error)
	}
	poll(t, "the extension is told of the crash", func() bool { return strings.Contains(log.String(), "agent SHUTDOWN failure") })
	if answer := invoke(t, h, goEvent{}); answer.Error != nil {
		t.Errorf("%+v", answer.Error)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	poll(t, "the extension is told of the end", func() bool { return strings.Contains(log.String(), "agent SHUTDOWN spindown") })
	if said := log.String(); !strings.Contains(said, `agent registered 200 {"functionName":"StreamProcessor","functionVersion":"$LATEST","handler":"bootstrap"}`) ||
		strings.Count(said, "agent INVOKE") != 3 {
		t.Errorf("the extension said:\n%s", said)
	}
}

// TestAnInvocationIncludesItsExtensions: the environment is free when the
// extension, too, has asked for its next event.
func TestAnInvocationIncludesItsExtensions(t *testing.T) {
	release := filepath.Join(t.TempDir(), "release")
	cfg, _ := withExtension(t, "hold "+release)
	cfg.Concurrency = 1
	h := startHost(t, cfg)
	if answer := invoke(t, h, goEvent{}); answer.Error != nil {
		t.Fatalf("%+v", answer.Error)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if answer := h.Invoke(ctx, bench.Invocation{Payload: []byte(`{}`)}); answer.Error == nil || answer.Error.Type != TypeCancelled || !answer.HandedAt.IsZero() {
		t.Errorf("an event was handed over while the extension was busy: %+v", answer)
	}
	if n := h.Open(); n != 1 {
		t.Errorf("%d invocations open, want 1", n)
	}
	write(t, release, nil, 0o644)
	poll(t, "no invocation open", func() bool { return h.Open() == 0 })
	if answer := invoke(t, h, goEvent{}); answer.Error != nil {
		t.Errorf("%+v", answer.Error)
	}
}

func TestExtensionsThatFail(t *testing.T) {
	cfg, _ := withExtension(t, "crash")
	h := startHost(t, cfg)
	answer := invoke(t, h, goEvent{Sleep: time.Minute})
	if answer.Error == nil || answer.Error.Type != TypeExtensionCrash || !strings.Contains(answer.Error.Message, "agent: exit status 7") {
		t.Errorf("%+v", answer.Error)
	}
	cfg, _ = withExtension(t, "exit")
	h = startHost(t, cfg)
	if err := h.Warm(t.Context(), 1); err == nil || !strings.Contains(err.Error(), TypeExtensionInit) || !strings.Contains(err.Error(), "agent: exit status 8") {
		t.Errorf("%v", err)
	}
	cfg, _ = withExtension(t, "")
	cfg.Extensions = []string{"/nowhere/agent"}
	h = startHost(t, cfg)
	if err := h.Warm(t.Context(), 1); err == nil || !strings.Contains(err.Error(), TypeExtensionLaunch) {
		t.Errorf("%v", err)
	}
}
