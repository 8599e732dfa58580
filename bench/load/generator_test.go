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
	Length   time.Duration
	Ledgers  int  // at once; a run has 1. With 0 the clock stands still, where no pace asks for it
	Standard bool // through net/http
	Turns    int  // 0: one attack; else so many with ledgers and as many bare, in turn
}

type generatorTold struct {
	Planned, Sent, Acknowledged int64
	Took, DelayP99, CPU         time.Duration
}

// cpu is what a request took.
func (t generatorTold) cpu() float64 { return float64(t.CPU) / float64(t.Sent) }

// allAtOnce is a plan in which everything is due at the start.
type allAtOnce struct{ *scenarios.Plan }

func (allAtOnce) Due(uint64) time.Duration { return 0 }

// several are ledgers that are all written.
type several []*ledger.Writer

func (all several) Reserve(ctx context.Context, seq uint64, retry int) error {
	for _, w := range all {
		if err := w.Reserve(ctx, seq, retry); err != nil {
			return err
		}
	}
	return nil
}

func (all several) Sent(seq uint64, retry int, at time.Duration) {
	for _, w := range all {
		w.Sent(seq, retry, at)
	}
}

func (all several) Done(a bench.Attempt) {
	for _, w := range all {
		w.Done(a)
	}
}

// often is a clock that is read so many times for each time it is asked; 0: it stands.
type often struct {
	start time.Time
	times int
}

func (o often) Now() time.Time {
	var since time.Duration
	for range o.times {
		since = clock.Since(clock.Real{}, o.start)
	}
	return o.start.Add(since)
}

func generate(text string) error {
	var job generatorJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	if file := os.Getenv("ACKPROOF_PROFILE"); file != "" && job.Ledgers > 0 && !job.Standard {
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

// turn is an attack with ledgers and a bare one, one right after the other.
type turn struct{ Measured, Bare generatorTold }

// takeTurns attacks with and without ledgers in one process, so that both meet the
// same machine: what differs between two processes is more than what is measured.
func takeTurns(job generatorJob) ([]turn, error) {
	turns := make([]turn, job.Turns)
	for i := range turns {
		measured, bare := job, job
		bare.Ledgers = 0
		measured.Dir = filepath.Join(job.Dir, fmt.Sprint(i))
		order := []func() error{
			func() (err error) { turns[i].Measured, err = attackOnce(measured); return err },
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

// attackOnce attacks once. Its CPU is that of this process, from when the ledgers are there
// until they are closed.
func attackOnce(job generatorJob) (told generatorTold, err error) {
	rate := job.Rate
	if rate == 0 {
		rate = 150_000 // more than anybody sends
	}
	s, err := scenarios.Parse("bench.yaml", fmt.Appendf(nil, "overload: true\nload: [{name: all, for: %s, rate: %.0f/s}]\nworkload: {payload: %dB}\n", job.Length, rate, peerPayload), nil)
	if err != nil {
		return told, err
	}
	run := bench.NewRunID(1)
	whole := scenarios.NewPlan(s, run, 0, 1)
	var plan Plan = whole
	var books several
	for i := range job.Ledgers {
		w, err := ledger.Create(filepath.Join(job.Dir, fmt.Sprint(i)), ledger.Header{Run: run, Planned: whole.Len(), Created: clock.Real{}.Now()})
		if err != nil {
			return told, err
		}
		defer w.Close() // again: it does nothing
		books = append(books, w)
	}
	before := processCPU()
	cfg := config(job.URL)
	cfg.Kinds[0].Path, cfg.Connections, cfg.Timeout = "/items", peerConnections, time.Minute
	cfg.Start = cfg.Start.Add(20 * time.Millisecond)
	ctx := context.Background()
	if job.Rate == 0 {
		cfg.Workers, plan = peerConnections, allAtOnce{whole}
		limited, cancel := context.WithTimeout(ctx, job.Length)
		defer cancel()
		ctx = limited
	}
	if job.Rate == 0 && job.Ledgers != 1 {
		cfg.Clock = often{cfg.Start, job.Ledgers}
	}
	for _, w := range books {
		if err := w.SetStart(cfg.Start); err != nil {
			return told, err
		}
	}
	var book Book = books
	if len(books) == 1 {
		book = books[0]
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
	for _, w := range books {
		if err := w.Close(); err != nil {
			return told, err
		}
	}
	told.CPU = processCPU() - before
	if job.Rate > 0 && job.Ledgers > 0 {
		told.DelayP99, err = delayP99(filepath.Join(job.Dir, "0"), plan)
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
