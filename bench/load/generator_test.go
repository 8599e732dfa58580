package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// jobEnv makes this test binary a load generator, serverEnv the server.
const (
	jobEnv    = "ACKPROOF_TEST_GENERATOR"
	serverEnv = "ACKPROOF_TEST_SERVER"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(serverEnv) != "":
		servePeers()
	case os.Getenv(jobEnv) != "":
		if err := generate(os.Getenv(jobEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// servePeers answers every POST with 202 until its standard input ends.
func servePeers() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "ok")
	}))
	io.Copy(io.Discard, os.Stdin)
}

func startPeerServer(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		t.Fatal(err)
	}
	return url
}

// generatorJob is what a generator process is told to do.
type generatorJob struct {
	URL, Dir string
	Rate     float64 // 0: a closed loop
	Ledger   bool    // on: as a run has it
	Bare     bool    // no ledger; and where no pace asks for it, a clock that stands still
	Standard bool    // through net/http
	Turns    int     // 0: one attack; else so many with the ledger and as many bare, in turn
}

type generatorTold struct {
	Planned, Sent, Acknowledged int64
	Took, DelayP99, CPU         time.Duration
}

// allAtOnce is a plan in which everything is due at the start.
type allAtOnce struct{ *scenarios.Plan }

func (allAtOnce) Due(uint64) time.Duration { return 0 }

// nothing is a book that keeps nothing.
type nothing struct{}

func (nothing) Reserve(context.Context, uint64, int) error { return nil }
func (nothing) Sent(uint64, int, time.Duration)            {}
func (nothing) Done(bench.Attempt)                         {}

// still is a clock that stands.
type still struct{ at time.Time }

func (s still) Now() time.Time { return s.at }

func generate(text string) error {
	var job generatorJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	if file := os.Getenv("ACKPROOF_PROFILE"); file != "" && job.Ledger && !job.Standard {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	var told any
	var err error
	if job.Turns > 0 {
		told, err = takeTurns(job)
	} else {
		told, err = attackOnce(job)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

// turn is an attack with the ledger and a bare one, one right after the other.
type turn struct{ Ledger, Bare generatorTold }

// takeTurns attacks with and without the ledger in one process, so that both meet the
// same machine: what differs between two processes is more than what is measured.
func takeTurns(job generatorJob) ([]turn, error) {
	turns := make([]turn, job.Turns)
	for i := range turns {
		measured, bare := job, job
		measured.Ledger, bare.Bare = true, true
		measured.Dir = filepath.Join(job.Dir, fmt.Sprint(i))
		order := []func() error{
			func() (err error) { turns[i].Ledger, err = attackOnce(measured); return err },
			func() (err error) { turns[i].Bare, err = attackOnce(bare); return err },
		}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, one := range order {
			runtime.GC()
			if err := one(); err != nil {
				return nil, err
			}
		}
	}
	return turns, nil
}

// attackOnce attacks once. Its CPU is that of this process, from before the ledger is
// made until it is closed.
func attackOnce(job generatorJob) (told generatorTold, err error) {
	rate, length := job.Rate, peerTime
	if rate == 0 {
		rate = 60_000 // more than anybody sends
	}
	s, err := scenarios.Parse("bench.yaml", fmt.Appendf(nil, "overload: true\nload: [{name: all, for: %s, rate: %.0f/s}]\nworkload: {payload: %dB}\n", length, rate, peerPayload), nil)
	if err != nil {
		return told, err
	}
	before, run := processCPU(), bench.NewRunID(1)
	whole := scenarios.NewPlan(s, run, 0, 1)
	var plan Plan = whole
	var book Book = nothing{}
	var written *ledger.Writer
	if job.Ledger {
		if written, err = ledger.Create(job.Dir, ledger.Header{Run: run, Planned: whole.Len(), Created: clock.Real{}.Now()}); err != nil {
			return told, err
		}
		defer written.Close() // again: it does nothing
		book = written
	}
	cfg := config(job.URL)
	cfg.Kinds[0].Path, cfg.Connections, cfg.Timeout = "/items", peerConnections, time.Minute
	cfg.Start = cfg.Start.Add(20 * time.Millisecond)
	ctx := context.Background()
	if job.Rate == 0 {
		cfg.Workers, plan = peerConnections, allAtOnce{whole}
		limited, cancel := context.WithTimeout(ctx, length)
		defer cancel()
		ctx = limited
	}
	if job.Bare && job.Rate == 0 {
		cfg.Clock = still{cfg.Start}
	}
	if written != nil {
		if err := written.SetStart(cfg.Start); err != nil {
			return told, err
		}
	}
	a := New(cfg, plan, book)
	if job.Standard {
		a.sender = newStandard(a)
	}
	began := clock.Real{}.Now()
	if _, err := a.Run(ctx); err != nil {
		return told, err
	}
	told = generatorTold{Planned: plan.Len(), Sent: a.Snapshot().Sent, Acknowledged: a.counts[bench.Acknowledged].Load(), Took: clock.Real{}.Now().Sub(began)}
	if written != nil {
		if err := written.Close(); err != nil {
			return told, err
		}
	}
	told.CPU = processCPU() - before
	if job.Rate > 0 && written != nil {
		told.DelayP99, err = delayP99(job.Dir, plan)
	}
	return told, err
}

// delayP99 reads the send delays from the ledger, as a run does.
func delayP99(dir string, plan Plan) (time.Duration, error) {
	l, err := ledger.Open(filepath.Clean(dir))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	if problems := l.Problems(); len(problems) > 0 {
		return 0, fmt.Errorf("the ledger is damaged: %s", strings.Join(problems, "; "))
	}
	var delays []time.Duration
	for a, state := range l.All() {
		if state != ledger.Unsent {
			delays = append(delays, a.Sent-plan.Due(a.Seq))
		}
	}
	slices.Sort(delays)
	return delays[len(delays)*99/100], nil
}
