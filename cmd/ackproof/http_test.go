package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// theirs is a stack that `ackproof up` keeps up: a system of somebody else's to
// whoever runs on it.
type theirs struct {
	*session
	API, DynamoDB, Region string
	Tables                struct{ Items, Results string }
}

func startTheirs(t *testing.T) *theirs {
	t.Helper()
	s := &theirs{session: startAckproof(t, "up", "--json")}
	until(t, time.Minute, "the stack is up", func() bool { return json.Unmarshal([]byte(s.stdout.String()), s) == nil })
	s.API = strings.TrimSuffix(s.API, "/items")
	return s
}

// holdTheirs is the same with a processor of one's own: the stack that a run has left
// up.
func holdTheirs(t *testing.T, args ...string) *theirs {
	t.Helper()
	s := &theirs{session: startAckproof(t, append([]string{"run", "baseline", "--rate", "10/s", "--for", "1s", "--quiet", "--hold"}, args...)...)}
	var found []string
	pattern := regexp.MustCompile(`api +(http://\S+)/items\n *dynamodb +(http://\S+) .*\n *tables +(\S+), (\S+)`)
	until(t, time.Minute, "the stack is held", func() bool {
		found = pattern.FindStringSubmatch(s.stdout.String())
		return found != nil
	})
	s.API, s.DynamoDB, s.Tables.Items, s.Tables.Results = found[1], found[2], found[3], found[4]
	return s
}

// scenario writes a file that names the stack, and gives its folder.
func (s *theirs) scenario(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`load: [{name: steady, for: 4s, rate: 100/s}]
target:
  url: %s
  dynamodb: {endpoint: %q}
  items: {table: %s, payload: payload}
  results: {table: %s, processedAt: processedAt, count: count, digest: digest, sequence: sequence}
%s`, s.API, s.DynamoDB, s.Tables.Items, s.Tables.Results, more)
	if err := os.WriteFile(filepath.Join(dir, "theirs.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// freeze is a scenario's fault that stops processes for a second.
const freeze = `request: {timeout: 3s}
expect: ["lost == 0", "duplicated == 0", "response_time.max > 500ms"]
faults: ["at 1s for 1s: exec.run command=freeze", "at 2500ms for 1s: client.error 30%% after-commit"]
commands:
  - name: freeze
    do: {run: [sh, -c, "kill -STOP %[1]s && touch frozen"]}
    undo: {run: [sh, -c, "kill -CONT %[1]s"]}
    confirm: {run: [sh, -c, "! cat $(printf '/proc/%%s/stat ' %[1]s) | grep -q ') T '"]}
    count: {run: [sh, -c, "ls frozen 2>/dev/null | wc -l"]}
`

// A system of somebody else's is loaded, frozen by commands, and judged from its
// tables; what is in them of others is nobody's business. It is left running.
func TestRunOnTheSystemOfSomebodyElse(t *testing.T) {
	t.Parallel()
	stack := startTheirs(t)
	pids := strings.Trim(fmt.Sprint(family(t, stack.cmd.Process.Pid)[1:]), "[]")
	dir := stack.scenario(t, fmt.Sprintf(freeze, pids))
	for _, scan := range []bool{false, true} { // the second run finds what the first has left
		more := []string{}
		if scan { // sentinels need tables that are asked for ids, and silence must outlast every retry
			more = []string{"--set", "read.by=scan", "--set", "mapping.retryCap=1s", "--set", "processor.timeout=1s", "--set", "drain.quiet=3s"}
		}
		s := startAckproofIn(t, dir, append([]string{"run", "theirs.yaml", "--quiet"}, more...)...)
		code := s.code()
		r := resultOf(t, s.latest())
		if n := r.Items.Processed + r.Items.Recovered; n != 400 || r.Items.Lost() != 0 || r.Faults[0].Bitten != 1 || !r.Faults[0].Undone || r.Faults[1].Bitten == 0 || r.Requests.Unknown < r.Faults[1].Bitten || r.Items.Recovered < r.Faults[1].Bitten || r.Run.Target != "http" {
			t.Errorf("scan %v: %d of 400 processed, %d lost, faults %+v, on %s: %v", scan, n, r.Items.Lost(), r.Faults, r.Run.Target, r.Reasons)
		}
		switch {
		case scan && (code != exitUnknown || !slices.ContainsFunc(r.Reasons, func(w bench.Reason) bool { return w.Code == bench.Code(bench.GateCleanStart) })):
			t.Errorf("a scan of tables with others' items: exit %d, %v", code, r.Reasons)
		case !scan && (code != exitPass || r.Drain.Proof != bench.DrainSentinels || r.Items.Unexpected != nil || r.Deliveries.Delivered != nil || r.Deliveries.Records == nil || *r.Deliveries.Records != 400):
			t.Errorf("exit %d, %v; drained by %s; unexpected %v, deliveries %+v", code, r.Reasons, r.Drain.Proof, r.Items.Unexpected, r.Deliveries)
		}
		os.Remove(filepath.Join(dir, "frozen"))
	}
	if stack.cmd.ProcessState != nil {
		t.Error("the stack is down")
	}
}

// Without tables a run is a load test, and says so first; it never says that
// nothing was lost.
func TestAPlainLoadTest(t *testing.T) {
	stack := startTheirs(t)
	dir := t.TempDir()
	text := "load: [{name: steady, for: 1s, rate: 200/s}]\nguarantee: {effects: none}\nexpect: [\"requests.unknown == 0\"]\n" +
		"request: {headers: {Authorization: \"Bearer ${env:LOAD_TEST_TOKEN}\"}, sign: none}\ntarget: {url: " + stack.API + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "plain.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOAD_TEST_TOKEN", "wide-open-sesame")
	s := startAckproofIn(t, dir, "run", "plain.yaml")
	if code := s.code(); code != exitPass || !strings.HasPrefix(s.stdout.String(), "PASS  plain load test") {
		t.Errorf("exit %d: %s%s", code, &s.stdout, &s.stderr)
	}
	if r := resultOf(t, s.latest()); r.Lag != nil || r.Completion != nil || r.Items.Unread != 200 {
		t.Errorf("lag %v, completion %v, %d unread", r.Lag, r.Completion, r.Items.Unread)
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), "wide-open-sesame") {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
	s = startAckproofIn(t, dir, "run", "plain.yaml", "--quiet", "--set", "expect=['lost == 0']")
	if code := s.code(); code != exitUnknown {
		t.Errorf("exit %d of an expectation that nobody can see", code)
	}
	s = startAckproofIn(t, dir, "run", "plain.yaml", "--quiet", "--set", "request.path=/nowhere")
	if code := s.code(); code != exitMisuse || !strings.Contains(s.stderr.String(), "a canary, was answered 40") {
		t.Errorf("exit %d of a wrong path: %s", code, &s.stderr)
	}
}

// A load of several kinds, each with its method and path, and an expectation of one.
func TestKindsOfRequestsToAnAPIOfSomebodyElse(t *testing.T) {
	var writes, reads, other atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "PUT /orders":
			writes.Add(1)
		case "GET /orders/latest":
			reads.Add(1)
		default:
			other.Add(1)
		}
	}))
	defer api.Close()
	dir := t.TempDir()
	text := "load: [{name: steady, for: 1s, rate: 200/s}]\nguarantee: {effects: none}\ntarget: {url: " + api.URL + "}\n" +
		"request: {kinds: [{name: write, path: /orders, method: PUT}, {name: read, path: /orders/latest, method: GET, weight: 3}]}\n" +
		"expect: [\"acknowledged == 100% of write\", \"response_time.p50 < 10s of read\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "kinds.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "kinds.yaml", "--quiet")
	if code := s.code(); code != exitPass {
		t.Errorf("exit %d: %s%s", code, &s.stdout, &s.stderr)
	}
	r := resultOf(t, s.latest())
	if len(r.Kinds) != 2 || r.Kinds[0].Sent+r.Kinds[1].Sent != 200 || len(r.Expectations) != 2 {
		t.Fatalf("%+v, %+v", r.Kinds, r.Expectations)
	}
	canaries := writes.Load() + reads.Load() - 200
	if other.Load() != 0 || canaries < 0 || canaries > 5 || reads.Load() < r.Kinds[1].Sent || writes.Load() < r.Kinds[0].Sent {
		t.Errorf("the API saw %d writes, %d reads and %d others; sent %d and %d", writes.Load(), reads.Load(), other.Load(), r.Kinds[0].Sent, r.Kinds[1].Sent)
	}
}

// What is answered by nobody but errors is left alone.
func TestALoadThatFailsIsEnded(t *testing.T) {
	t.Parallel()
	stack := startTheirs(t)
	dir := stack.scenario(t, `load: [{name: steady, for: 60s, rate: 50/s}]
request: {timeout: 1s}
`)
	text, _ := os.ReadFile(filepath.Join(dir, "theirs.yaml"))
	fixed := strings.Replace(strings.Replace(string(text), "load: [{name: steady, for: 4s, rate: 100/s}]\n", "", 1), "target:\n", "target:\n  stop: {errors: 50%}\n", 1)
	os.WriteFile(filepath.Join(dir, "theirs.yaml"), []byte(fixed), 0o644)
	s := startAckproofIn(t, dir, "run", "theirs.yaml", "--quiet", "--set", "drain.timeout=1s", "--set", "drain.proof=sentinels")
	underWay := func() bool {
		b, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
		return strings.Contains(string(b), `"text":"load"`)
	}
	until(t, time.Minute, "the load has begun", underWay)
	stack.cmd.Process.Kill()
	if code := s.code(); code == exitPass {
		t.Errorf("exit %d of a load that was cut off", code)
	}
	r := resultOf(t, s.latest())
	if r.Requests.Unsent < 1000 || !strings.Contains(strings.Join(r.Notes, " "), "target.stop.errors") {
		t.Errorf("%d unsent; notes %q", r.Requests.Unsent, r.Notes)
	}
}
