package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
)

// family lists a process and all its descendants.
func family(t *testing.T, pid int) []int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("asks /proc for the children of a process")
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, task := range tasks {
			b, _ := os.ReadFile(task)
			for _, field := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// underLoad waits until a run has sent for a while and its fault has struck.
func underLoad(t *testing.T, s *session) {
	t.Helper()
	until(t, time.Minute, "a fault has struck", func() bool {
		b, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
		return strings.Contains(string(b), `"kind":"strike"`)
	})
}

func TestAKilledRunLeavesNothingBehindAndCanBeJudged(t *testing.T) {
	t.Parallel()
	s := startAckproof(t, "run", "crash", "--quiet")
	underLoad(t, s)
	pids := family(t, s.cmd.Process.Pid)
	if len(pids) < 4 { // ackproof, gateway, cloud, at least one processor
		t.Errorf("the run has the processes %v only", pids)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait()
	until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })

	judge := startAckproof(t, "reconcile", s.runDir())
	if code := judge.code(); code != exitUnknown {
		t.Errorf("reconcile exits %d on a run that was cut off, want %d", code, exitUnknown)
	}
	r := resultOf(t, s.runDir())
	if r.Requests.Sent == 0 || r.Requests.Acknowledged == 0 || r.Requests.Unsent == 0 {
		t.Errorf("what was known is gone: %+v", r.Requests)
	}
	if r.Items.Unread == 0 || r.Items.Lost() != 0 {
		t.Errorf("%d items unread and %d lost; nothing was read, so nothing is known to be lost", r.Items.Unread, r.Items.Lost())
	}
	for _, g := range r.Gates {
		down := g.Name == bench.GateHarnessAlive || g.Name == bench.GateReadsComplete || g.Name == bench.GatePlanComplete
		if down && g.OK {
			t.Errorf("gate %s is up: %s", g.Name, g.Detail)
		}
	}
	if r.Run.Finished != nil {
		t.Errorf("a run that was cut off says that it finished at %s", *r.Run.Finished)
	}

	// What was known is told of a single request too, and written down.
	trace := startAckproof(t, "trace", s.runDir(), "0")
	if code := trace.code(); code != exitPass || !strings.Contains(trace.stdout.String(), "the run was cut off") || !strings.Contains(trace.stdout.String(), "committed") {
		t.Errorf("trace exits %d and prints %s", code, &trace.stdout)
	}
	export := startAckproof(t, "export", s.runDir())
	if code, lines := export.code(), int64(strings.Count(export.stdout.String(), "\n")); code != exitPass || lines != r.Requests.Planned+1 {
		t.Errorf("export exits %d and prints %d lines, want one for each of %d requests and one of names", code, lines, r.Requests.Planned)
	}
}

func TestAnInterruptedRunIsJudgedAndNeverAPass(t *testing.T) {
	t.Parallel()
	s := startAckproof(t, "run", "crash", "--quiet")
	underLoad(t, s)
	pids := family(t, s.cmd.Process.Pid)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
	r := resultOf(t, s.latest())
	if r.Verdict != bench.VerdictUnknown || r.Requests.Unsent == 0 || r.Items.Lost() != 0 {
		t.Errorf("verdict %s, %d unsent, %d lost", r.Verdict, r.Requests.Unsent, r.Items.Lost())
	}
	if !r.Faults[0].Undone {
		t.Error("the fault that was open is not undone")
	}
	if !strings.Contains(s.stdout.String(), "UNKNOWN") {
		t.Error("no verdict was told")
	}
}

// The loss that is reported is that which anybody finds who looks into the
// tables of the held stack, through the public API, with a client of his own.
func TestTheLossIsWhatAnotherReaderFinds(t *testing.T) {
	t.Parallel()
	s := startAckproof(t, "run", "lossy", "--quiet", "--hold")
	var found []string
	pattern := regexp.MustCompile(`dynamodb +(http://\S+).*\n *tables +(\S+), (\S+)`)
	until(t, time.Minute, "the stack is held", func() bool {
		found = pattern.FindStringSubmatch(s.stdout.String())
		return found != nil
	})
	items, effects := keys(t, found[1], found[2]), keys(t, found[1], found[3])
	var want []string
	for id := range items {
		if !effects[id] {
			want = append(want, id)
		}
	}
	slices.Sort(want)
	var got []string
	for _, f := range lines[bench.Finding](t, filepath.Join(s.latest(), "findings.jsonl")) {
		if f.Verdict == bench.LostProcessing {
			got = append(got, f.ID)
		}
	}
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%d lost items reported, another reader finds %d that are stored and have no effect", len(got), len(want))
	}
	if r := resultOf(t, s.latest()); r.Items.LostProcessing != int64(len(want)) || r.Requests.Acknowledged != int64(len(items)) {
		t.Errorf("%d lost of %d acknowledged reported, another reader finds %d of %d", r.Items.LostProcessing, r.Requests.Acknowledged, len(want), len(items))
	}
	pids := family(t, s.cmd.Process.Pid)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.code(); code != exitFail {
		t.Errorf("exit code %d, want %d: the verdict stands", code, exitFail)
	}
	until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
}

// keys reads the ids of a table.
func keys(t *testing.T, url, table string) map[string]bool {
	t.Helper()
	db := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("reader", "reader", "")})
	ids := map[string]bool{}
	for pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table, ProjectionExpression: aws.String("id"), Limit: aws.Int32(500)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			ids[item["id"].(*types.AttributeValueMemberS).Value] = true
		}
	}
	return ids
}

func TestAUsersOwnBinary(t *testing.T) {
	t.Parallel()
	s := startAckproof(t, "run", "baseline", "--rate", "200/s", "--for", "5s", "--quiet", "--processor", built(t, "cmd/streamprocessor"))
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
	if log, err := os.ReadFile(filepath.Join(s.latest(), "run.json")); err != nil || !strings.Contains(string(log), "streamprocessor") {
		t.Errorf("run.json does not name the binary: %v", err)
	}
	// A defect of the binary's own is found under its name.
	s = startAckproof(t, "run", "baseline", "--rate", "200/s", "--for", "5s", "--quiet",
		"--processor", built(t, "cmd/streamprocessor"), "--env", "ACKPROOF_DEFECT=skip-nth=50")
	if code := s.code(); code != exitFail {
		t.Errorf("exit code %d with a processor that skips records, want %d", code, exitFail)
	}
	if r := resultOf(t, s.latest()); r.Items.LostProcessing == 0 || *r.Items.Duplicated != 0 {
		t.Errorf("%d lost, %d duplicated", r.Items.LostProcessing, *r.Items.Duplicated)
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	first := startAckproof(t, "up", "--json")
	var api string
	until(t, time.Minute, "the stack is up", func() bool {
		m := regexp.MustCompile(`"api":"http://127\.0\.0\.1:(\d+)/items"`).FindStringSubmatch(first.stdout.String())
		if m != nil {
			api = m[1]
		}
		return m != nil
	})
	second := startAckproof(t, "up", "--port", api)
	if code := second.code(); code != exitMisuse || !strings.Contains(second.stderr.String(), "--port") || !strings.Contains(second.stderr.String(), api) {
		t.Errorf("exit code %d, want %d\n%s", code, exitMisuse, second.stderr.String())
	}
	pids := family(t, first.cmd.Process.Pid)
	first.cmd.Process.Signal(os.Interrupt)
	if code := first.code(); code != exitPass {
		t.Errorf("up exits %d when it is interrupted, want %d", code, exitPass)
	}
	until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
}

// A cloud without data gets SIGKILL and does not return. The run says so and ends,
// long before its load would. What the functions have put into sessions of their
// own belongs to no group that dies with the cloud.
func TestNothingOutlivesAKilledCloud(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("wants the command setsid")
	}
	dir := t.TempDir()
	script, left := filepath.Join(dir, "processor.sh"), filepath.Join(dir, "left")
	text := fmt.Sprintf("(setsid sh -c 'echo $$ >> %s; exec sleep 600' &)\nexec %s\n", left, built(t, "cmd/streamprocessor"))
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "baseline", "--rate", "50/s", "--for", "60s", "--quiet", "--processor", "sh "+script)
	var detached []int
	t.Cleanup(func() {
		for _, pid := range detached {
			syscall.Kill(pid, syscall.SIGKILL) // where the test has failed
		}
	})
	until(t, time.Minute, "a processor has left something behind and the run is on", func() bool {
		b, _ := os.ReadFile(left)
		detached = nil
		for field := range strings.FieldsSeq(string(b)) {
			pid, _ := strconv.Atoi(field)
			detached = append(detached, pid)
		}
		events, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
		return len(detached) > 0 && strings.Contains(string(events), `"kind":"phase","text":"load"`)
	})
	if !slices.ContainsFunc(detached, alive) {
		t.Fatalf("the processes %v ended before the cloud did", detached)
	}
	for _, pid := range family(t, s.cmd.Process.Pid)[1:] {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if strings.Contains("\x00"+string(env), "\x00"+local.RoleEnv+"="+local.RoleCloud+"\x00") {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	until(t, 10*time.Second, "what was left is dead", func() bool { return !slices.ContainsFunc(detached, alive) })
	hung := time.AfterFunc(20*time.Second, func() { s.cmd.Process.Kill() })
	if code := s.code(); code != exitHarness || !hung.Stop() {
		t.Errorf("exit code %d, want %d within 20 s of the cloud's death", code, exitHarness)
	}
	if told := s.stderr.String(); !strings.Contains(told, "the cloud is gone: signal: killed") || strings.Contains(told, "connection refused") {
		t.Errorf("told of the death, and of what follows from it: %s", told)
	}
	r := resultOf(t, s.latest())
	if r.Verdict != bench.VerdictUnknown || r.Requests.Unsent == 0 || r.Items.Lost() != 0 || !slices.Contains(r.Notes, "the run ended early: the cloud is gone: signal: killed") {
		t.Errorf("verdict %s, %d unsent, %d lost, notes %q", r.Verdict, r.Requests.Unsent, r.Items.Lost(), r.Notes)
	}
}
