package reports_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
	"github.com/ackproof/ackproof/reports"
)

// The limits that a report of ten million requests keeps. Time is that of the CPU,
// which a busy machine does not change.
const (
	mostBytes = 3 << 20
	mostTime  = 5 * time.Second
)

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestConformanceScaleOfReports tells runs of rising length: the page stays small
// and is made at once, whatever the number of requests.
func TestConformanceScaleOfReports(t *testing.T) {
	sizes := os.Getenv("ACKPROOF_SCALE")
	if sizes == "" {
		if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
			t.Skip("makes and judges runs of up to ten million requests; run it with ACKPROOF_SCALE=1e4,1e5,1e6,1e7 or 'make scale'")
		}
		sizes = "1e4,1e5"
	}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("ACKPROOF_SCALE=%q: want numbers of requests, such as 1e6,1e7", sizes)
		}
		if n > 1e7 {
			continue // the judge's matter: what is told does not grow any more
		}
		t.Run(text, func(t *testing.T) {
			made, err := synth.Make(t.TempDir(), synth.Options{Requests: int64(n), Seed: 7, Each: 100})
			if err != nil {
				t.Fatal(err)
			}
			begun := cpuTime(t)
			result, _, err := run.Judge(made.Dir, run.JudgeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			judged := cpuTime(t) - begun
			begun = cpuTime(t)
			told, series, err := run.Tell(made.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := reports.Write(made.Dir, told, series); err != nil {
				t.Fatal(err)
			}
			took := cpuTime(t) - begun
			info, err := os.Stat(filepath.Join(made.Dir, "report.html"))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s requests: judged in %.2f s of CPU, told in %.2f s; report.html of %d kB, %d rows, %d lives", text, judged.Seconds(), took.Seconds(), info.Size()>>10, len(series.Rows), len(series.Traces))
			if info.Size() > mostBytes || info.Size() < 50<<10 {
				t.Errorf("report.html has %d bytes", info.Size())
			}
			if took > mostTime {
				t.Errorf("told in %v, at most %v are allowed", took, mostTime)
			}
			if told.Items.Lost() != result.Items.Lost() || told.Items.Lost() == 0 {
				t.Errorf("told %+v, judged %+v", told.Items, result.Items)
			}
		})
	}
}
