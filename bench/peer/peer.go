// Package peer starts the DynamoDB stand-ins of others, so that tests can hold
// the embedded engine against them and the harness can be run on them. It is
// there for tests alone.
//
// Each peer is pinned to one version with everything that it needs, by the lock
// files in locks/, and installed on first use by npm or pip, which check each
// file's sum against the lock. What is installed is kept in the user's cache
// folder (or in the folder that [CacheEnv] names) under a name that holds the
// sum of the lock, so that a new lock is a new folder.
//
// Amazon's DynamoDB Local is the exception: its licence asks for an AWS account
// and forbids to pass it on, so nothing here fetches it. A test that wants it
// is skipped unless [LocalEnv] names a folder with the user's own copy.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The peers that Install knows.
const (
	Dynoxide = "dynoxide"           // Rust, one binary (linux on x86-64 alone); has streams and transactions
	Dynalite = "dynalite"           // Node; neither streams nor transactions
	Moto     = "moto"               // Python, slow; has streams and transactions
	Axe      = "axe"                // no stand-in: axe-core, which checks pages for what shuts people out
	MotoAWS  = "moto-aws"           // Moto with CloudFormation and all that a stack is made of, and cfn-lint; large
	Offline  = "serverless-offline" // no DynamoDB: an API and a reader of streams for functions on one machine
	Velocity = "velocity"           // no DynamoDB: an implementation of VTL, for mapping templates
	Local    = "local"              // DynamoDB Local, the user's own copy; has streams and transactions
)

// LocalEnv names the environment variable with the folder of the user's own
// DynamoDB Local: that with DynamoDBLocal.jar in it.
const LocalEnv = "ACKPROOF_DYNAMODB_LOCAL"

// startTimeout is how long a peer has for its first answer: a Java or Python
// interpreter on a busy machine.
const startTimeout = time.Minute

// Server is a peer that answers.
type Server struct {
	Name string
	URL  string // http://127.0.0.1:PORT
	PID  int    // of the process that serves, for its processor time and memory

	stop func()
}

// Stop ends the peer before its test does.
func (s *Server) Stop() { s.stop() }

// Start installs a peer if need be, starts it empty on a free port of
// 127.0.0.1, and returns when it answers. It ends with the test, and on Linux
// also when the test's process is killed. The test fails, with what to do
// about it, if the peer cannot be had.
func Start(t testing.TB, name string) *Server {
	t.Helper()
	if name == Local && os.Getenv(LocalEnv) == "" {
		t.Skipf("set %s to the folder of your own DynamoDB Local", LocalEnv)
	}
	dir, err := Install(name)
	if err != nil {
		t.Fatal(err)
	}
	// A port that is free when it is looked for may be taken a moment later.
	for tries := 1; ; tries++ {
		s, err := start(t, name, dir)
		if err == nil {
			return s
		}
		if tries == 3 {
			t.Fatal(err)
		}
	}
}

func start(t testing.TB, name, dir string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := command(name, dir, port)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), "DDB_LOCAL_TELEMETRY=0", "NO_COLOR=1", "PYTHONDONTWRITEBYTECODE=1"), t.TempDir()
	s := &Server{Name: name, URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
	return s, s.run(t, cmd, s.hasTables)
}

// StartService starts serverless-offline on the service in a folder, which must have
// the installed node_modules (see [Install]), on a free port of 127.0.0.1. It returns
// when it answers; of its streams that says nothing. It ends with the test. Of the
// user's own configuration it sees none, and it tells nobody of itself.
func StartService(t testing.TB, dir string, env ...string) *Server {
	t.Helper()
	for tries := 1; ; tries++ {
		s, err := startService(t, dir, env)
		if err == nil {
			return s
		}
		if tries == 3 {
			t.Fatal(err)
		}
	}
}

func startService(t testing.TB, dir string, env []string) (*Server, error) {
	port, err := freePort()
	lambda, err2 := freePort() // at which functions can be invoked
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "node_modules/serverless/bin/serverless.js", "offline", "start", "--noSponsor",
		"--host", "127.0.0.1", "--httpPort", fmt.Sprint(port), "--lambdaPort", fmt.Sprint(lambda))
	own := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NO_COLOR=1", "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off"}
	cmd.Env, cmd.Dir = append(own, env...), dir
	s := &Server{Name: Offline, URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
	return s, s.run(t, cmd, s.answers)
}

// run starts the peer's process and returns when it is ready.
func (s *Server) run(t testing.TB, cmd *exec.Cmd, ready func(context.Context) error) error {
	log, err := os.CreateTemp(t.TempDir(), s.Name+"-*.log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = sysProcAttr()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	s.PID, s.stop = cmd.Process.Pid, sync.OnceFunc(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // a group of its own, with whatever it has started
		<-ended
	})
	said := func() []byte { text, _ := os.ReadFile(log.Name()); return tail(text) }
	if err := wait(ended, ready); err != nil {
		s.stop()
		return fmt.Errorf("start %s (%s): %w; it said:\n%s", s.Name, strings.Join(cmd.Args, " "), err, said())
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("%s said last:\n%s", s.Name, said())
		}
	})
	return nil
}

// command is what starts a peer. All but DynamoDB Local, which cannot be told,
// listen on 127.0.0.1 alone.
func command(name, dir string, port int) []string {
	p := fmt.Sprint(port)
	switch name {
	case Dynoxide:
		return []string{filepath.Join(dir, "node_modules/@dynoxide/linux-x64/dynoxide"), "--host", "127.0.0.1", "--port", p}
	case Dynalite:
		return []string{"node", filepath.Join(dir, "node_modules/dynalite/cli.js"), "--host", "127.0.0.1", "--port", p,
			"--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0"}
	case Moto, MotoAWS:
		return []string{filepath.Join(dir, "bin/python"), "-m", "moto.server", "-H", "127.0.0.1", "-p", p}
	}
	return []string{"java", "-Djava.library.path=" + filepath.Join(dir, "DynamoDBLocal_lib"), "-jar", filepath.Join(dir, "DynamoDBLocal.jar"),
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", p}
}

// wait waits until a peer is ready.
func wait(ended <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

// hasTables asks for the tables.
func (s *Server) hasTables(ctx context.Context) error {
	status, body, err := s.Call(ctx, "ListTables", []byte("{}"))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("ListTables: status %d, %s", status, body)
	}
	return err
}

// answers asks for anything.
func (s *Server) answers(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Credentials is an Authorization header that every peer takes, and the
// embedded engine too. None of them verifies a signature.
const Credentials = "AWS4-HMAC-SHA256 Credential=AKPEER/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000"

// NewRequest makes an operation's HTTP request as the SDKs send it, short of a
// signature. Operations on streams go to the service of their own name.
func NewRequest(ctx context.Context, url, operation string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	service := "DynamoDB_20120810."
	switch operation {
	case "ListStreams", "DescribeStream", "GetShardIterator", "GetRecords":
		service = "DynamoDBStreams_20120810."
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", service+operation)
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	r.Header.Set("Authorization", Credentials)
	return r, nil
}

// Call runs one operation and returns status and body of the answer, whatever
// they are. The error is that of the connection.
func (s *Server) Call(ctx context.Context, operation string, body []byte) (int, []byte, error) {
	r, err := NewRequest(ctx, s.URL, operation, body)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// AwaitTable returns when a table and its indexes can be used: some peers are a
// few milliseconds late, as the service is by seconds.
func (s *Server) AwaitTable(ctx context.Context, table string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		status, body, err := s.Call(ctx, "DescribeTable", fmt.Appendf(nil, `{"TableName":%q}`, table))
		if err == nil && status == http.StatusOK && !bytes.Contains(body, []byte("ING\"")) { // CREATING, UPDATING
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("table %s of %s: status %d, %s, %v", table, s.Name, status, body, err)
		case <-tick.C:
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail is the end of a log, which is where the reason stands.
func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }
