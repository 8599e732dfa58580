package run_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// scales reads ACKPROOF_SCALE: how many requests are judged, such as 1e6,1e8.
func scales(t *testing.T) []int64 {
	text := os.Getenv("ACKPROOF_SCALE")
	if text == "" {
		if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
			t.Skip("judges millions of requests; run it with ACKPROOF_SCALE=1e6,1e7 or 'make scale'")
		}
		text = "1e6"
	}
	var all []int64
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseFloat(one, 64)
		if err != nil || n < 1000 {
			t.Fatalf("ACKPROOF_SCALE=%q: want numbers of requests, such as 1e6,1e7", text)
		}
		all = append(all, int64(n))
	}
	return all
}

// highWater is the most memory of its own that the process held, as the system
// counts it.
type highWater struct {
	stop chan struct{}
	done chan int64
}

// watchMemory looks at the process's own memory (RssAnon, in kB) until it is
// asked. Pages of files are the system's to take back at any time.
func watchMemory() *highWater {
	h := &highWater{make(chan struct{}), make(chan int64)}
	go func() {
		most, tick := int64(0), time.NewTicker(20*time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, statusOf("RssAnon"))
			select {
			case <-h.stop:
				h.done <- most
				return
			case <-tick.C:
			}
		}
	}()
	return h
}

func (h *highWater) most() int64 { close(h.stop); return <-h.done }

// statusOf gives a line of /proc/self/status in bytes; 0: the system has none.
func statusOf(name string) int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// TestConformanceScale judges runs of rising length in little and in much memory:
// what was planted is found, memory stays below what was said, and time grows
// with the number of requests and no faster.
func TestConformanceScale(t *testing.T) {
	var sizes, times []float64
	for _, n := range scales(t) {
		out := t.TempDir()
		begun := time.Now()
		made := makeRun(t, out, synth.Options{Requests: n, Seed: uint64(n), Each: 50})
		t.Logf("%d requests made in %.1f s, %d MB of files", n, time.Since(begun).Seconds(), sizeOf(t, made.Dir)>>20)
		for _, memory := range []int64{400 << 20, run.DefaultMemory} {
			took := judgeIn(t, made, n, memory)
			if memory == run.DefaultMemory {
				sizes, times = append(sizes, float64(n)), append(times, took.Seconds())
			}
		}
		if err := os.RemoveAll(made.Dir); err != nil {
			t.Error(err)
		}
	}
	if len(sizes) > 2 {
		t.Log(line(sizes, times))
	}
}

func judgeIn(t *testing.T, made *synth.Run, n, memory int64) time.Duration {
	t.Helper()
	debug.FreeOSMemory()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	var first run.Judging
	last := 0.0
	progress := func(p run.Judging) {
		if first.Requests == 0 {
			first = p
			debug.SetMemoryLimit(p.GoLimit())
		}
		if p.Done < last || p.Done > 1 {
			t.Errorf("progress from %.3f to %.3f", last, p.Done)
		}
		last = p.Done
	}
	before, watch, begun, cpu := statusOf("RssAnon"), watchMemory(), time.Now(), cpuTime(t)
	r, _, err := run.Judge(made.Dir, run.JudgeOptions{Memory: memory, Progress: progress})
	took := time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	held, cpu := watch.most(), cpuTime(t)-cpu
	t.Logf("%d requests in %d MB: said %d MB and %s, held %d MB, took %.1f s and %.1f s of CPU (%.0f ns a request), on %d cores",
		n, memory>>20, first.Memory>>20, first.About.Round(time.Second), held>>20, took.Seconds(), cpu.Seconds(), float64(cpu)/float64(n), runtime.GOMAXPROCS(0))
	if first.Memory > memory || held > first.Memory {
		t.Errorf("held %d MB (%d before), said %d of %d", held>>20, before>>20, first.Memory>>20, memory>>20)
	}
	if last < 0.9 {
		t.Errorf("at the end %.2f was done", last)
	}
	foundExactly(t, made, r)
	if r.Verdict != bench.Fail || r.Items.Attempted+r.Requests.Unsent != n {
		t.Errorf("verdict %s of %d items", r.Verdict, r.Items.Attempted)
	}
	return cpu
}

// cpuTime is what the process has used. On a machine that does other things too,
// only that says what a judgement costs.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// line fits time = a + b × requests, and says how well.
func line(x, y []float64) string {
	var n, sx, sy, sxx, sxy, syy float64
	for i := range x {
		n, sx, sy, sxx, sxy, syy = n+1, sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i], syy+y[i]*y[i]
	}
	b := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	r := (n*sxy - sx*sy) / math.Sqrt((n*sxx-sx*sx)*(n*syy-sy*sy))
	return "CPU time = " + strconv.FormatFloat((sy-b*sx)/n, 'f', 2, 64) + " s + " + strconv.FormatFloat(b*1e9, 'f', 0, 64) +
		" ns a request, r² = " + strconv.FormatFloat(r*r, 'f', 4, 64)
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	var all int64
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			all += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
