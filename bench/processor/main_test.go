package processor

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
)

// asProcessor makes the test binary the function itself: see TestMain.
const asProcessor = "ACKPROOF_TEST_AS_PROCESSOR"

func TestMain(m *testing.M) {
	if os.Getenv(asProcessor) != "" {
		Main()
	}
	os.Exit(m.Run())
}

// wire is a DynamoDB endpoint that answers each action with what was prepared
// for it, and keeps what it was sent.
type wire struct {
	status int
	answer string

	mu   sync.Mutex
	sent []string // action and body
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.sent = append(w.sent, action+" "+string(body))
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
	// The SDK warns of a wrong checksum where DynamoDB's header is missing.
	rw.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(w.answer))))
	rw.WriteHeader(w.status)
	_, _ = io.WriteString(rw, w.answer)
}

// environment is what Lambda and the stack give to the processor.
func environment(dynamodb string) map[string]string {
	return map[string]string{
		"ITEMS_TABLE": "items", "RESULTS_TABLE": "results",
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
	}
}

// loaded makes a handler over the real SDK client, in front of w.
func loaded(t *testing.T, w *wire) *Handler {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	for k, v := range environment(server.URL) {
		t.Setenv(k, v)
	}
	h, err := load(t.Context(), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLoadRefuses(t *testing.T) {
	if _, err := load(t.Context(), func(string) string { return "" }); err == nil {
		t.Error("loaded without an environment")
	}
}

func TestWireUpdate(t *testing.T) {
	w := &wire{status: 200, answer: `{}`}
	h := loaded(t, w)
	if o := h.client.(*dynamodb.Client).Options(); o.Retryer.MaxAttempts() != SDKAttempts {
		t.Errorf("the SDK tries %d times, want %d", o.Retryer.MaxAttempts(), SDKAttempts)
	}
	handle(t, h, batch(t, "INSERT:123456789012345678901:a:x"))
	action, body, _ := strings.Cut(w.sent[0], " ")
	var in struct {
		TableName, UpdateExpression, ConditionExpression string
		Key, ExpressionAttributeValues                   map[string]map[string]string
		ExpressionAttributeNames                         map[string]string
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	if action != "UpdateItem" || in.TableName != "results" || in.Key["id"]["S"] != "a" ||
		in.ExpressionAttributeValues[":sequence"]["N"] != "123456789012345678901" ||
		in.ExpressionAttributeValues[":digest"]["S"] != bench.DigestOf([]byte("x")).String() ||
		in.ConditionExpression != effectCondition || in.UpdateExpression != effectUpdate {
		t.Errorf("sent %s", w.sent[0])
	}
}

// TestWireErrors shows that the SDK's own error types say what we take them to.
func TestWireErrors(t *testing.T) {
	const name = `{"__type":"com.amazonaws.dynamodb.v20120810#`
	update, proxied := batch(t, "INSERT:1:a:x"), request(t, `{"id":"a","payload":"x"}`)
	tests := []struct {
		name   string
		event  json.RawMessage
		status int
		answer string
		ok     bool
		sends  int
	}{
		{"effect there", update, 400, name + `ConditionalCheckFailedException","message":"The conditional request failed"}`, true, 1},
		{"effect there, in a transaction", proxied, 400, name + `TransactionCanceledException","Message":"cancelled",
			"CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"m"}]}`, true, 1},
		{"conflict", proxied, 400, name + `TransactionCanceledException","Message":"cancelled",
			"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"m"}]}`, false, 1},
		{"no table", update, 400, name + `ResourceNotFoundException","message":"m"}`, false, 1},
		{"server error", update, 500, name + `InternalServerError","message":"m"}`, false, SDKAttempts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &wire{status: tt.status, answer: tt.answer}
			if _, err := loaded(t, w).Handle(t.Context(), tt.event); (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
			if len(w.sent) != tt.sends {
				t.Errorf("%d sends, want %d", len(w.sent), tt.sends)
			}
		})
	}
}

// TestMainServes runs the function as a process of its own against a Runtime
// API: one good event, one bad, one good.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func TestMainServes(t *testing.T) {
	db := httptest.NewServer(&wire{status: 200, answer: `{}`})
	defer db.Close()
	pending := []json.RawMessage{request(t, `{"id":"a","payload":"x"}`), batch(t, "INSERT:1:b:poison:"), batch(t, "INSERT:2:c:x")}
	var answers []string
	finished := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if len(answers) == len(pending) {
			close(finished)
			<-r.Context().Done() // until the process is killed
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(len(answers)))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		_, _ = w.Write(pending[len(answers)])
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{how}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answers = append(answers, r.PathValue("id")+" "+r.PathValue("how")+" "+string(body))
		w.WriteHeader(http.StatusAccepted)
	})
	api := httptest.NewServer(mux)
	defer api.Close()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = []string{asProcessor + "=1", "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://")}
	for k, v := range environment(db.URL) {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-finished:
	case <-time.After(8 * time.Second):
		t.Error("the process did not ask for all events")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if t.Failed() {
		t.Fatal(log.String())
	}
	if want := `0 response {"statusCode":200,"headers":{"Content-Type":"application/json"},"multiValueHeaders":null,"body":"{\"id\":\"a\"}"}`; answers[0] != want {
		t.Errorf("answer %s, want %s", answers[0], want)
	}
	if !strings.HasPrefix(answers[1], "1 error ") || !strings.Contains(answers[1], `process item \"b\"`) {
		t.Errorf("answer %s", answers[1])
	}
	if answers[2] != "2 response null" {
		t.Errorf("answer %s", answers[2])
	}
}
