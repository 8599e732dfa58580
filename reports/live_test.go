package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

func TestLive(t *testing.T) {
	at := func(s float64, step, stage string) bench.Progress {
		return bench.Progress{Elapsed: time.Duration(s * float64(time.Second)), Total: 20 * time.Second, Step: step, Stage: stage,
			Rate: 500, Acknowledged: int64(500 * s), P50: 1200 * time.Microsecond, P99: 8 * time.Millisecond, Backlog: 12}
	}
	var b bytes.Buffer
	l := NewLive(&b, Options{})
	for _, s := range []float64{1, 2, 5.9, 6, 7} {
		l.Update(at(s, "load", "steady"))
	}
	l.Update(at(7.5, "load", "ramp"))
	down := at(21, "draining", "")
	down.Faults, down.Bitten, down.Backlog = []string{"at 5s: processor.kill\x1b[2J"}, 3, -1
	l.Update(down)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live.txt", b.Bytes())

	b.Reset()
	l = NewLive(&b, Options{TTY: true, Width: 70})
	for i := range 50 {
		p := at(float64(i)*0.4, "load", "steady")
		p.Rate, p.Backlog, p.P99 = float64(400+2*i), int64(i*i), time.Duration(1+i%7)*time.Millisecond
		if i > 30 {
			p.Faults = down.Faults
		}
		l.Update(p)
	}
	l.Say("a message")
	l.Update(down)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live-tty.txt", b.Bytes())
	screen := play(t, b.String(), 70)
	if got := strings.Join(screen, "\n"); got != "a message\n" {
		t.Errorf("after the end there stands\n%s", got)
	}
}

// play is a terminal that knows what a live view needs. It fails where a line
// would wrap, which no view in place survives.
func play(t *testing.T, text string, width int) []string {
	t.Helper()
	screen, y := []string{""}, 0
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "ABCDHJKm")
			n := 0
			fmt.Sscanf(text[2:end], "%d", &n)
			switch text[end] {
			case 'A':
				y -= n
			case 'J':
				screen = append(screen[:y], "")
			}
			text = text[end+1:]
		case text[0] == '\r':
			text = text[1:]
		case text[0] == '\n':
			if y++; y == len(screen) {
				screen = append(screen, "")
			}
			text = text[1:]
		default:
			c, size := utf8.DecodeRuneInString(text)
			screen[y] += string(c)
			if utf8.RuneCountInString(screen[y]) >= width {
				t.Errorf("too wide: %s", screen[y])
			}
			text = text[size:]
		}
	}
	return screen
}

type brokenPipe struct{ writes int }

func (w *brokenPipe) Write([]byte) (int, error) { w.writes++; return 0, io.ErrClosedPipe }

func TestLiveSurvivesABrokenPipe(t *testing.T) {
	w := new(brokenPipe)
	l := NewLive(w, Options{TTY: true})
	l.Update(bench.Progress{})
	l.Update(bench.Progress{})
	if err := l.Close(); !errors.Is(err, io.ErrClosedPipe) || w.writes != 1 {
		t.Errorf("Close = %v after %d writes; want the first error and no write after it", err, w.writes)
	}
}
