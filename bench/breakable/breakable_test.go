package breakable

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ackproof/ackproof/bench/clock"
)

// start is some moment.
var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// flag is a fault that strikes every invocation before its work.
func flag() Flag {
	return Flag{Run: "01234567", Fault: 3, Kind: Error, Placement: Before, Share: 100, UntilMs: start.Add(time.Hour).UnixMilli()}
}

// killed is what a process that is killed panics with here.
const killed = "killed"

// broken is a handler of records with faults around it. It gives the log, and how
// many records were worked on.
func broken(t *testing.T, c clock.Clock, records int, flags ...Flag) (m *middleware, log *bytes.Buffer, done *int) {
	t.Helper()
	log, done = &bytes.Buffer{}, new(int)
	m = &middleware{
		clock: c, log: log, marks: t.TempDir(), kill: func() { panic(killed) },
		handler: lambda.NewHandler(func(ctx context.Context) (string, error) {
			for range records {
				*done++
				Wrote(ctx)
			}
			return "done", nil
		}),
	}
	var environ []string
	for _, f := range flags {
		environ = append(environ, f.Variable()+"="+f.Encode())
	}
	m.read(append(environ, "PATH=/bin"))
	return m, log, done
}

// invoke reports how an invocation ended.
func invoke(m *middleware) (end string) {
	defer func() {
		if r := recover(); r != nil {
			end = r.(string)
		}
	}()
	answer, err := m.Invoke(context.Background(), []byte("{}"))
	if errors.Is(err, ErrStruck) {
		return "struck"
	}
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

func TestPlacesOfStrikes(t *testing.T) {
	const answer = `"done"`
	for _, tt := range []struct {
		name  string
		is    func(*Flag)
		ends  []string // of invocations in turn, in one environment
		done  int      // records that were worked on
		lines int
	}{
		{"before", func(f *Flag) {}, []string{"struck", "struck"}, 0, 2},
		{"after effects", func(f *Flag) { f.Placement = AfterEffects }, []string{"struck"}, 4, 1},
		{"killed before", func(f *Flag) { f.Kind, f.Once = Kill, true }, []string{killed, answer}, 4, 1},
		{"killed at the third record", func(f *Flag) { f.Kind, f.Placement, f.Writes, f.Once = Kill, AfterWrite, 3, true }, []string{killed, answer}, 3 + 4, 1},
		{"killed at the sixth record, in the second batch", func(f *Flag) { f.Kind, f.Placement, f.Writes, f.Once = Kill, AfterWrite, 6, true }, []string{answer, killed, answer}, 6 + 4, 1},
		{"killed after effects", func(f *Flag) { f.Kind, f.Placement, f.Once = Kill, AfterEffects, true }, []string{killed, answer}, 8, 1},
		{"once", func(f *Flag) { f.Once = true }, []string{"struck", answer, answer}, 8, 1},
		{"over", func(f *Flag) { f.UntilMs = start.UnixMilli() - 1 }, []string{answer}, 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := flag()
			tt.is(&f)
			m, log, done := broken(t, clock.NewVirtual(start), 4, f)
			for i, want := range tt.ends {
				if got := invoke(m); got != want {
					t.Errorf("invocation %d ended with %q, want %q", i+1, got, want)
				}
			}
			if n := strings.Count(log.String(), f.Line()+"\n"); n != tt.lines || *done != tt.done {
				t.Errorf("%d lines, want %d; %d records, want %d\n%s", n, tt.lines, *done, tt.done, log)
			}
		})
	}
}

// A process that has died is followed by another one in the same environment, which
// is not struck again until the next strike is due.
func TestAnEnvironmentIsStruckOnceInEachEvery(t *testing.T) {
	c := clock.NewVirtual(start)
	f := flag()
	f.Kind, f.Once, f.EveryMs = Kill, true, 1000
	first, _, _ := broken(t, c, 1, f)
	if got := invoke(first); got != killed {
		t.Errorf("the first process: %s", got)
	}
	next, log, _ := broken(t, c, 1, f)
	next.marks = first.marks
	if got := invoke(next); got != `"done"` {
		t.Errorf("its successor: %s", got)
	}
	c.Advance(time.Second)
	if got := invoke(next); got != killed {
		t.Errorf("a second later: %s", got)
	}
	// Where nothing can be written down, a process would die for ever.
	stuck, said, _ := broken(t, c, 1, f)
	stuck.marks = "/dev/null/none"
	if got := invoke(stuck); got != `"done"` || !strings.Contains(said.String(), "not struck") {
		t.Errorf("without a folder: %s, %s", got, said)
	}
	if n := strings.Count(log.String(), f.Line()); n != 1 {
		t.Errorf("%d lines of the successor", n)
	}
}

func TestTheShareIsKept(t *testing.T) {
	f := flag()
	f.Share = 20
	m, _, _ := broken(t, clock.NewVirtual(start), 1, f)
	struck := 0
	for range 1000 {
		if invoke(m) == "struck" {
			struck++
		}
	}
	if struck < 150 || struck > 250 {
		t.Errorf("%d of 1000 were struck, want a fifth", struck)
	}
	other, _, _ := broken(t, clock.NewVirtual(start), 1, f)
	other.salt = 1
	same := 0
	for range 100 {
		if (invoke(m) == "struck") == (invoke(other) == "struck") {
			same++
		}
	}
	if same == 100 {
		t.Error("two processes draw alike")
	}
}

func TestSlowHoldsUpAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flag()
		f.Kind, f.ByMs, f.UntilMs = Slow, 300, time.Now().Add(time.Hour).UnixMilli()
		m, _, _ := broken(t, clock.Real{}, 1, f)
		began := time.Now()
		if got := invoke(m); got != `"done"` || time.Since(began) != 300*time.Millisecond {
			t.Errorf("%s after %s", got, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		began = time.Now()
		m.Invoke(ctx, []byte("{}"))
		if d := time.Since(began); d != 100*time.Millisecond {
			t.Errorf("it went on for %s behind the time-out", d)
		}
	})
}

// Without a flag the handler is as it was, and Wrote does nothing.
func TestAsleep(t *testing.T) {
	Wrote(t.Context())
	if _, ok := Wrap(func() error { return nil }).(*middleware); ok {
		t.Error("there is something around a handler that is not to be broken")
	}
	m, log, _ := broken(t, clock.NewVirtual(start), 1)
	m.read([]string{Prefix + "0={", Prefix + `1={"run":"01234567"}`})
	if len(m.faults) != 0 || strings.Count(log.String(), "read a fault's flag") != 2 {
		t.Errorf("%d faults of flags that say nothing: %s", len(m.faults), log)
	}
}

// A real process dies by SIGKILL, and has said so.
func TestARealProcessIsKilled(t *testing.T) {
	f := flag()
	f.Kind, f.Once, f.UntilMs = Kill, true, clock.Real{}.Now().Add(time.Hour).UnixMilli()
	if os.Getenv("BREAKABLE_TEST") != "" {
		Wrap(func() error { return nil }).Invoke(context.Background(), []byte("{}"))
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestARealProcessIsKilled$")
	cmd.Env = append(os.Environ(), "BREAKABLE_TEST=1", f.Variable()+"="+f.Encode(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(string(out), f.Line()+"\n") {
		t.Errorf("it has said %q", out)
	}
}

func FuzzFlag(f *testing.F) {
	f.Add(flag().Encode())
	f.Add(`{"run":"01234567","kind":"processor.kill","placement":"after-write","writes":1,"share":1e309}`)
	f.Fuzz(func(t *testing.T, text string) {
		flag, err := Decode(text)
		if err != nil {
			return
		}
		again, err := Decode(flag.Encode())
		if err != nil || again != flag {
			t.Errorf("%q is read as %+v, and that as %+v (%v)", text, flag, again, err)
		}
	})
}
