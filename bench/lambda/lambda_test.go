package lambda

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"

	"github.com/ackproof/ackproof/bench"
)

// roleVariable turns the test binary into one of the functions below.
const roleVariable = "ACKPROOF_TEST_ROLE"

// roles are the functions that the tests run, each in a process of its own.
var roles = map[string]func(){
	"go":             func() { runtimeclient.Start(goHandler) },
	"go-sigterm":     func() { runtimeclient.StartWithOptions(goHandler, runtimeclient.WithEnableSIGTERM(sayGoodbye)) },
	"exit-in-init":   func() { fmt.Println("no configuration found"); os.Exit(4) },
	"second-init":    secondInit,
	"init-error":     postInitError,
	"never-next":     func() { select {} },
	"exit-3":         func() { take(); os.Exit(3) },
	"exit-0":         func() { take(); os.Exit(0) },
	"suicide":        func() { take(); syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
	"half-response":  halfResponse,
	"huge-response":  hugeResponse,
	"answer-hang":    func() { post(take(), "response", `"ok"`); select {} },
	"answer-exit":    func() { post(take(), "response", `"ok"`); os.Exit(9) },
	"wrong-id":       wrongID,
	"next-twice":     nextTwice,
	"trailer-error":  trailerError,
	"plain-error":    func() { post(take(), "error", "not json"); serveEcho() },
	"parent-of-host": parentOfHost,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		run, ok := roles[role]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such role:", role)
			os.Exit(99)
		}
		run()
		return
	}
	os.Exit(m.Run())
}

// goEvent is what the function of role "go" is asked to do.
type goEvent struct {
	Say   string        `json:"say,omitempty"`
	Fail  string        `json:"fail,omitempty"`
	Panic string        `json:"panic,omitempty"`
	Sleep time.Duration `json:"sleep,omitempty"`
	Hold  int           `json:"hold,omitempty"` // MB to hold while it sleeps
	Env   bool          `json:"env,omitempty"`
	Write string        `json:"write,omitempty"` // URL to post its access key to, as a write to DynamoDB would
	Print string        `json:"print,omitempty"`
}

type customError struct{ text string }

func (e customError) Error() string { return e.text }

func goHandler(ctx context.Context, e goEvent) (any, error) {
	switch {
	case e.Fail != "":
		return nil, customError{e.Fail}
	case e.Panic != "":
		panic(e.Panic)
	case e.Sleep > 0:
		held := bytes.Repeat([]byte{1}, e.Hold<<20)
		time.Sleep(e.Sleep)
		runtime.KeepAlive(held)
	case e.Env:
		deadline, _ := ctx.Deadline()
		return append(os.Environ(), fmt.Sprintf("DEADLINE=%d", deadline.UnixMilli())), nil
	case e.Write != "":
		resp, err := http.Post(e.Write, "text/plain", strings.NewReader(os.Getenv("AWS_ACCESS_KEY_ID")))
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
	case e.Print != "":
		fmt.Println(e.Print)
	}
	return map[string]any{"said": e.Say, "pid": os.Getpid()}, nil
}

// secondInit fails to initialise the first time.
func secondInit() {
	if os.Mkdir(os.Getenv("MARK"), 0o700) == nil {
		os.Exit(6)
	}
	serveEcho()
}

// sayGoodbye shows that SIGTERM has arrived.
func sayGoodbye() { fmt.Println("goodbye"); os.Exit(0) }

func api() string { return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" }

// take asks for work as a hand-written runtime would, and returns the id.
func take() string {
	id, _ := takeEvent()
	return id
}

// takeEvent returns the event too.
func takeEvent() (id, event string) {
	resp, err := http.Get(api() + "invocation/next")
	if err != nil || resp.StatusCode != http.StatusOK {
		os.Exit(98)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	return resp.Header.Get("Lambda-Runtime-Aws-Request-Id"), string(body)
}

func post(id, verb, body string) int {
	resp, err := http.Post(api()+"invocation/"+id+"/"+verb, "application/json", strings.NewReader(body))
	if err != nil {
		os.Exit(97)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

func serveEcho() {
	for {
		post(take(), "response", `"ok"`)
	}
}

func postInitError() {
	resp, err := http.Post(api()+"init/error", "application/json", strings.NewReader(`{"errorMessage":"no table","errorType":"Function.NoTable"}`))
	if err != nil || resp.StatusCode != http.StatusAccepted {
		os.Exit(96)
	}
	os.Exit(1)
}

// halfResponse promises 100 bytes, sends 5 and closes its side. It waits for the
// reply, so that its next request cannot overtake the broken one.
func halfResponse() {
	id := take()
	conn, err := net.Dial("tcp", os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	if err != nil {
		os.Exit(93)
	}
	fmt.Fprintf(conn, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\nContent-Length: 100\r\n\r\n\"half", id)
	conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		os.Exit(92)
	}
	serveEcho()
}

func hugeResponse() {
	id := take()
	fmt.Println("status", post(id, "response", `"`+strings.Repeat("x", maxResponse)+`"`))
	serveEcho()
}

func wrongID() {
	id := take()
	unknown := post("0000", "response", `"ok"`)
	first := post(id, "response", `"ok"`)
	again := post(id, "response", `"ok"`)
	take()
	post(id, "response", "") // the id of an old invocation
	fmt.Println("statuses", unknown, first, again)
	select {}
}

func nextTwice() {
	id := take()
	resp, err := http.Get(api() + "invocation/next")
	if err != nil {
		os.Exit(95)
	}
	post(id, "response", fmt.Sprintf("%d", resp.StatusCode))
	serveEcho()
}

func trailerError() {
	id := take()
	req, _ := http.NewRequest("POST", api()+"invocation/"+id+"/response", io.MultiReader(strings.NewReader(`"ha`)))
	req.Trailer = http.Header{
		"Lambda-Runtime-Function-Error-Type": {"Runtime.StreamError"},
		"Lambda-Runtime-Function-Error-Body": {"eyJlcnJvck1lc3NhZ2UiOiJsYXRlIn0="}, // {"errorMessage":"late"}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		os.Exit(94)
	}
	serveEcho()
}

// parentOfHost runs a host with two processes and waits to be killed.
func parentOfHost() {
	os.Unsetenv(roleVariable)
	self, _ := os.Executable()
	h, err := Start(Config{Program: Program{Command: []string{self}}, Env: []string{roleVariable + "=go"}, Concurrency: 2})
	if err == nil {
		err = h.Warm(context.Background(), 2)
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("pids", h.Processes())
	select {}
}

// script is an Injector that strikes by the n-th operation of a name, and
// counts.
type script struct {
	mu      sync.Mutex
	strikes map[string]map[int]bench.Strike // operation name → its number, from 1
	asked   map[string]int
	struck  []bench.Strike
}

func strikeAt(op string, n int, kind string, delay time.Duration) *script {
	return &script{strikes: map[string]map[int]bench.Strike{op: {n: {Fault: 7, Kind: kind, Delay: delay}}}}
}

func (s *script) Ask(op bench.Op) bench.Strike {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[op.Name]++
	return s.strikes[op.Name][s.asked[op.Name]]
}

func (s *script) Struck(strike bench.Strike) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.struck = append(s.struck, strike)
}

func (s *script) counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.struck)
}

// diary is an Observer that keeps all events.
type diary struct {
	bench.NoObserver
	mu     sync.Mutex
	events []bench.Event
}

func (d *diary) Event(e bench.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) of(kind bench.EventKind) []bench.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []bench.Event
	for _, e := range d.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// syncBuffer is a log that tests can read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// config runs the test binary in a role.
func config(t testing.TB, role string) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Program: Program{Command: []string{self}}, Env: []string{roleVariable + "=" + role}, Timeout: 10 * time.Second}
}

// startHost starts a host that is closed, and checked for leftovers, at the end.
func startHost(t testing.TB, cfg Config) *Host {
	t.Helper()
	h, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pids := h.Processes()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is left after Close: %v", pid, err)
			}
		}
		if n := h.Open(); n != 0 {
			t.Errorf("%d invocations open after Close", n)
		}
		if h.taken != 0 {
			t.Errorf("%d places taken after Close", h.taken)
		}
	})
	return h
}

func invoke(t testing.TB, h *Host, e goEvent) bench.Answer {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return h.Invoke(ctx, bench.Invocation{Payload: payload})
}

// poll waits until ok, for at most 10 s.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
	}
}
