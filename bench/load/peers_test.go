package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/ackproof/ackproof/bench/stats"
)

// The benchmark beside others. Every program that sends is a process of its own,
// and so is the server, so that the CPU of each is its own. Programs take turns,
// each round in another order; what is told is the median over the rounds.
const (
	peerRounds      = 5
	peerTime        = 4 * time.Second
	turnTime        = 2 * time.Second
	turns           = 80     // with ledgers and bare each
	ledgers         = 8      // at once, and readings of the clock
	pacedRate       = 10_000 // requests/s
	peerConnections = 64
	peerPayload     = 200 // bytes
)

// outcome is what a program did in one round.
type outcome struct {
	rate, cpu, rss float64 // requests/s, µs of CPU a request, MB
	sent           float64 // share of what was planned
	delay          time.Duration
}

type program struct {
	name string
	run  func(t *testing.T, url string, rate float64) outcome // rate 0: as fast as it goes
}

// measure runs a command and says how many requests it made, from what it wrote to
// standard output.
func measure(t *testing.T, cmd *exec.Cmd, requests func(out []byte) (n float64, took time.Duration)) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, stderr.String())
	}
	n, took := requests(stdout.Bytes())
	if n == 0 {
		t.Fatalf("%s made no request\n%s", cmd.Path, stderr.String())
	}
	state := cmd.ProcessState
	kb := float64(state.SysUsage().(*syscall.Rusage).Maxrss)
	return outcome{rate: n / took.Seconds(), cpu: float64((state.UserTime() + state.SystemTime()).Microseconds()) / n, rss: kb / 1024}
}

// generator is this test binary as the generator.
func generator(t *testing.T, job generatorJob) *exec.Cmd {
	t.Helper()
	job.Dir = t.TempDir()
	arg, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), jobEnv+"="+string(arg))
	return cmd
}

// own runs the generator as a program beside others.
func own(job generatorJob) func(*testing.T, string, float64) outcome {
	return func(t *testing.T, url string, rate float64) outcome {
		job := job
		job.URL, job.Rate, job.Length = url, rate, peerTime
		var told generatorTold
		o := measure(t, generator(t, job), func(out []byte) (float64, time.Duration) {
			if err := json.Unmarshal(out, &told); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return float64(told.Sent), told.Took
		})
		o.sent, o.delay = float64(told.Sent)/float64(told.Planned), told.DelayP99
		if told.Acknowledged != told.Sent {
			t.Errorf("%d of %d requests were acknowledged", told.Acknowledged, told.Sent)
		}
		return o
	}
}

// vegetaCommand attacks with vegeta's own command, which writes its results to a
// file. Its send delay is how much later than planned it says that it began, by the
// clock of the request that was the least late.
func vegetaCommand(t *testing.T) func(*testing.T, string, float64) outcome {
	const module = "github.com/tsenart/vegeta/v12"
	bin := t.TempDir()
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	install := exec.Command("go", "install", module+"@"+strings.TrimSpace(string(version)))
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("build vegeta: %v\n%s", err, out)
	}
	return func(t *testing.T, url string, rate float64) outcome {
		dir := t.TempDir()
		body, results := filepath.Join(dir, "body"), filepath.Join(dir, "results")
		if err := os.WriteFile(body, bytes.Repeat([]byte("x"), peerPayload+60), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"attack", "-duration", peerTime.String(), "-body", body, "-output", results, "-max-connections", fmt.Sprint(peerConnections), "-connections", fmt.Sprint(peerConnections), "-rate"}
		if rate == 0 {
			args = append(args, "0", "-max-workers", fmt.Sprint(peerConnections))
		} else {
			args = append(args, fmt.Sprintf("%.0f/1s", rate))
		}
		cmd := exec.Command(filepath.Join(bin, "vegeta"), args...)
		cmd.Stdin = strings.NewReader("POST " + url + "/items\nContent-Type: application/json\n")
		var o outcome
		var lates []time.Duration
		o = measure(t, cmd, func([]byte) (float64, time.Duration) {
			var n float64
			var last time.Duration
			n, last, lates = readVegeta(t, results, rate)
			return n, last
		})
		if rate > 0 {
			o.sent = float64(len(lates)) / (rate * peerTime.Seconds())
			o.delay = lates[len(lates)*99/100]
		}
		return o
	}
}

// readVegeta reads how many requests there were, how long they took together, and
// how late each was.
func readVegeta(t *testing.T, file string, rate float64) (n float64, took time.Duration, lates []time.Duration) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var first time.Time
	var last time.Time
	decode := vegeta.NewDecoder(f)
	for {
		var r vegeta.Result
		if err := decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if r.Code != 202 {
			t.Errorf("vegeta: status %d, %s", r.Code, r.Error)
		}
		if first.IsZero() || r.Timestamp.Before(first) {
			first = r.Timestamp
		}
		if r.End().After(last) {
			last = r.End()
		}
		n++
		if rate > 0 {
			due := time.Duration(float64(r.Seq) / rate * float64(time.Second))
			lates = append(lates, time.Duration(r.Timestamp.UnixNano())-due)
		}
	}
	slices.Sort(lates)
	for i := len(lates) - 1; i >= 0; i-- {
		lates[i] -= lates[0]
	}
	return n, last.Sub(first), lates
}

// k6Command attacks with a k6 that the environment points at: its licence is not
// one that we would link, fetch or build.
func k6Command(k6 string) func(*testing.T, string, float64) outcome {
	return func(t *testing.T, url string, rate float64) outcome {
		dir := t.TempDir()
		script, summary := filepath.Join(dir, "script.js"), filepath.Join(dir, "summary.json")
		text := fmt.Sprintf(`import http from 'k6/http';
export const options = {vus: %d, duration: '%s'};
const body = 'x'.repeat(%d);
export default () => http.post('%s/items', body, {headers: {'Content-Type': 'application/json'}});
`, peerConnections, peerTime, peerPayload+60, url)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(k6, "run", "--quiet", "--no-usage-report", "--summary-export", summary, script)
		return measure(t, cmd, func([]byte) (float64, time.Duration) {
			var s struct {
				Metrics struct {
					Requests struct {
						Count float64 `json:"count"`
					} `json:"http_reqs"`
				} `json:"metrics"`
			}
			b, err := os.ReadFile(summary)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			return s.Metrics.Requests.Count, peerTime
		})
	}
}

// measuring tells what share measuring adds to the CPU of a request: the median over
// many turns, and its 95 % interval. One ledger costs less than what two turns differ by
// anyway; so several at once are held against none, and each has its part of what they add.
func measuring(t *testing.T, url string, rate float64) stats.Interval {
	cmd := generator(t, generatorJob{URL: url, Rate: rate, Length: turnTime, Turns: turns, Ledgers: ledgers})
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []turn
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var added []float64
	for _, one := range all {
		added = append(added, (one.Measured.cpu()/one.Bare.cpu()-1)/ledgers)
	}
	of, ok := stats.MedianInterval(added)
	if !ok {
		t.Fatalf("%d turns are too few", len(added))
	}
	return of
}

func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// rounds runs all programs in turn and gives their outcomes, by program.
func rounds(t *testing.T, programs []program, url string, rate float64) map[string][]outcome {
	all := map[string][]outcome{}
	for round := range peerRounds {
		for i := range programs {
			p := programs[(i+round)%len(programs)]
			if round%2 == 1 {
				p = programs[len(programs)-1-(i+round)%len(programs)]
			}
			all[p.name] = append(all[p.name], p.run(t, url, rate))
		}
	}
	return all
}

// of picks a figure of each round.
func of(all []outcome, pick func(outcome) float64) []float64 {
	picked := make([]float64, len(all))
	for i, o := range all {
		picked[i] = pick(o)
	}
	return picked
}

// ratio is the median of the ratios of each round.
func ratio(a, b []outcome, pick func(outcome) float64) float64 {
	ratios := of(a, pick)
	for i, x := range of(b, pick) {
		ratios[i] /= x
	}
	return median(ratios)
}

func rateOf(o outcome) float64  { return o.rate }
func cpuOf(o outcome) float64   { return o.cpu }
func rssOf(o outcome) float64   { return o.rss }
func sentOf(o outcome) float64  { return o.sent * 100 }
func delayOf(o outcome) float64 { return float64(o.delay) / float64(time.Millisecond) }

// TestBenchLoad prints what a request costs ackproof's generator, what measuring
// adds, and what it costs others, in one run against one server; then how well a
// plan is kept at 80 % of the highest rate.
func TestBenchLoad(t *testing.T) {
	if os.Getenv("ACKPROOF_BENCH_LOAD") == "" {
		t.Skip("set ACKPROOF_BENCH_LOAD=1: this takes some minutes and wants a quiet machine")
	}
	const (
		ours     = "ackproof, ledger on"
		standard = "ackproof over net/http, ledger on"
		command  = "vegeta's command"
		k6       = "k6"
	)
	url := startPeerServer(t)
	vegeta := program{command, vegetaCommand(t)}
	programs := []program{
		{ours, own(generatorJob{Ledgers: 1})},
		{standard, own(generatorJob{Ledgers: 1, Standard: true})},
		vegeta,
	}
	if path := os.Getenv("ACKPROOF_K6"); path != "" {
		programs = append(programs, program{k6, k6Command(path)})
	}
	closed := rounds(t, programs, url, 0)
	fmt.Printf("\nClosed loop, %d connections, POST of %d bytes, %d rounds of %v, medians\n", peerConnections, peerPayload+60, peerRounds, peerTime)
	fmt.Printf("%-36s %10s %10s %12s %8s\n", "", "req/s", "to vegeta", "CPU µs/req", "RSS MB")
	for _, p := range programs {
		all := closed[p.name]
		fmt.Printf("%-36s %10.0f %9.2fx %12.1f %8.0f\n", p.name, median(of(all, rateOf)), ratio(all, closed[command], rateOf), median(of(all, cpuOf)), median(of(all, rssOf)))
	}
	// k6 sends through net/http, too, and runs a script around each request.
	fmt.Printf("a request takes %.2f of the CPU that it takes over net/http\n", ratio(closed[ours], closed[standard], cpuOf))
	for _, one := range []struct {
		rate float64
		what string
	}{{0, "flat out, measuring"}, {pacedRate, fmt.Sprintf("at %d/s, the ledger", pacedRate)}} {
		added := measuring(t, url, one.rate)
		fmt.Printf("%s adds %.1f %% to the CPU of a request (95 %%: %.1f to %.1f; median of %d turns of %v)\n", one.what, 100*added.Median, 100*added.Low, 100*added.High, turns, turnTime)
	}

	rate := 0.8 * slices.Max(of(closed[ours], rateOf))
	open := rounds(t, []program{programs[0], vegeta}, url, rate)
	fmt.Printf("\nOpen loop at %.0f/s, 80 %% of the highest rate with the ledger on, medians\n", rate)
	fmt.Printf("%-36s %10s %10s %16s %12s\n", "", "req/s", "sent %", "send delay p99", "CPU µs/req")
	for _, name := range []string{ours, command} {
		all := open[name]
		fmt.Printf("%-36s %10.0f %10.2f %13.2f ms %12.1f\n", name, median(of(all, rateOf)), median(of(all, sentOf)), median(of(all, delayOf)), median(of(all, cpuOf)))
	}
}
