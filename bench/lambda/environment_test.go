package lambda

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "real")
	t.Setenv("AWS_LAMBDA_MAX_CONCURRENCY", "10")
	cfg := config(t, "go")
	cfg.Env = append(cfg.Env, "ITEMS_TABLE=items", "AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1")
	cfg.MemoryMB = 256
	h := startHost(t, cfg)
	before := time.Now()
	answer := invoke(t, h, goEvent{Env: true})
	var lines []string
	if err := json.Unmarshal(answer.Payload, &lines); err != nil {
		t.Fatalf("%v: %+v", err, answer)
	}
	env := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	for name, want := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "StreamProcessor",
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_ACCESS_KEY_ID": "ACKPROOFPROC00000001",
		"_HANDLER": "bootstrap", "TZ": ":UTC", "ITEMS_TABLE": "items", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
	} {
		if env[name] != want {
			t.Errorf("%s=%q, want %q", name, env[name], want)
		}
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_EXECUTION_ENV"} {
		if value, ok := env[name]; ok {
			t.Errorf("%s=%q leaked into the function", name, value)
		}
	}
	if env["AWS_SECRET_ACCESS_KEY"] == "real" {
		t.Error("the parent's secret leaked into the function")
	}
	if env["PATH"] == "" || env["_X_AMZN_TRACE_ID"] == "" { // the second comes from the header
		t.Errorf("PATH=%q _X_AMZN_TRACE_ID=%q", env["PATH"], env["_X_AMZN_TRACE_ID"])
	}
	var deadline int64
	if err := json.Unmarshal([]byte(env["DEADLINE"]), &deadline); err != nil {
		t.Fatal(err)
	}
	if d := time.UnixMilli(deadline).Sub(before); d < 9*time.Second || d > 20*time.Second {
		t.Errorf("deadline %v after the call, want about the time-out of 10s", d)
	}
}

func TestProcessOfKey(t *testing.T) {
	for key, want := range map[string]int{
		"ACKPROOFPROC00000007": 7, keyOf(maxProcess): maxProcess,
		"ACKPROOFPROC00000000": 0, "ACKPROOFPROC7": 0, "ACKPROOFPROC0000000x": 0, "AKIAIOSFODNN7EXAMPLE": 0, "": 0,
	} {
		n, ok := ProcessOfKey(key)
		if n != want && ok || ok != (want > 0) {
			t.Errorf("ProcessOfKey(%q) = %d, %v; want %d", key, n, ok, want)
		}
	}
}

func TestValidateReturnsAllErrors(t *testing.T) {
	_, err := Start(Config{
		Timeout: time.Hour, Concurrency: -1, MemoryMB: -1, Env: []string{"x", "AWS_REGION=eu-west-1"},
		Async: bench.Async{MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: -1, RetryDelays: []time.Duration{-1}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"command", "timeout", "concurrency", "memory", `"x"`, "AWS_REGION", "maximumRetryAttempts", "maximumEventAgeInSeconds", "retryDelays[0]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}
