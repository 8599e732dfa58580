package reports

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// plainEvery is how far apart the lines of a live view without a terminal are.
const plainEvery = 5 * time.Second

// Live shows a run under way. On a terminal it is a block of a few lines that is
// rewritten in place: the state, and during the load rate, response time and
// backlog as sparklines, with a mark wherever a fault was in force. Elsewhere it
// is a plain line every 5 s and at every new step or stage, as a log wants it. The
// rules of output are those at the top of terminal.go. It may be used by several
// goroutines.
type Live struct {
	w   io.Writer
	opt Options

	mu      sync.Mutex
	shown   int           // lines of the block that stand on the terminal
	last    time.Duration // elapsed at the last plain line
	where   string        // step and stage of the last plain line
	history []bench.Progress
	err     error
}

// NewLive makes a live view. It prints nothing before the first Update.
func NewLive(w io.Writer, opt Options) *Live { return &Live{w: w, opt: opt} }

// Update shows the state of the run. Time is what p says it is. After an error
// of the writer it does nothing: a closed terminal must not end a run.
func (l *Live) Update(p bench.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opt.WidthNow != nil {
		l.opt.Width = l.opt.WidthNow()
	}
	if p.Step == loadStep {
		l.history = append(l.history, p)
		if n := len(l.history) - l.cells(); n > 0 {
			l.history = append(l.history[:0], l.history[n:]...)
		}
	}
	if l.opt.TTY {
		l.block(p)
		return
	}
	where := p.Step + "\x00" + p.Stage
	if where == l.where && p.Elapsed-l.last < plainEvery {
		return
	}
	l.where, l.last = where, p.Elapsed
	l.write(l.line(p, false) + "\n")
}

// Say prints a message, above what is rewritten in place.
func (l *Live) Say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(l.erase() + text + "\n")
}

// Close takes the block away, so that the summary begins at the left edge. It
// returns the first error of the writer.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown > 0 {
		l.write(l.erase())
	}
	return l.err
}

func (l *Live) write(s string) {
	if l.err == nil {
		_, l.err = io.WriteString(l.w, s)
	}
}

// loadStep is the step in which requests are sent.
const loadStep = "load"

// Measures of the block.
const (
	liveLabel = 10 // of a sparkline
	liveValue = 14 // beside it
	liveMost  = 60 // cells of a sparkline
)

// cells is how many updates a sparkline shows.
func (l *Live) cells() int { return max(8, min(liveMost, l.opt.width()-1-liveLabel-liveValue)) }

// erase goes back to where the block began, and takes it away.
func (l *Live) erase() string {
	n := l.shown
	l.shown = 0
	switch n {
	case 0:
		return ""
	case 1:
		return "\r\x1b[J"
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", n-1)
}

// block rewrites what stands on the terminal, in one write: nothing flickers.
func (l *Live) block(p bench.Progress) {
	// One column stays free: a full last column makes some terminals wrap.
	wide := l.opt.width() - 1
	lines := []string{l.tint(p, cut(l.line(p, true), wide))}
	if p.Step == loadStep && len(l.history) > 1 {
		for _, s := range l.sparklines() {
			lines = append(lines, cut(s, wide))
		}
	}
	out := l.erase() + strings.Join(lines, "\n")
	l.shown = len(lines)
	l.write(out)
}

// sparklines draws rate, response time and backlog of the last updates, and when
// a fault was in force.
func (l *Live) sparklines() []string {
	now := l.history[len(l.history)-1]
	row := func(label string, of func(*bench.Progress) float64, value string) string {
		values := make([]float64, len(l.history))
		for i := range l.history {
			values[i] = of(&l.history[i])
		}
		return fmt.Sprintf("%-*s%s  %s", liveLabel, "  "+label, sparkline(values), value)
	}
	rows := []string{
		row("rate", func(p *bench.Progress) float64 { return p.Rate }, rate(now.Rate)),
		row("p99", func(p *bench.Progress) float64 { return float64(p.P99) }, duration(float64(now.P99)/1e6)),
	}
	if now.Backlog >= 0 {
		rows = append(rows, row("backlog", func(p *bench.Progress) float64 { return float64(max(0, p.Backlog)) }, count(now.Backlog)))
	}
	marks, struck := "", false
	for i := range l.history {
		mark := "·"
		if len(l.history[i].Faults) > 0 {
			mark, struck = "!", true
		}
		marks += mark
	}
	if struck {
		row := fmt.Sprintf("%-*s%s", liveLabel, "  faults", marks)
		rows = append(rows, joinNonEmpty("  ", append([]string{row}, faultLabels(&now)...)...))
	}
	return rows
}

// bars are the heights of a sparkline; 0 has a line too, for it was measured.
var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws values from 0 to the largest of them.
func sparkline(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = int(max(0, v) / most * float64(len(bars)-1))
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}

// tint colours the step; the text is cut before, since codes have no width.
func (l *Live) tint(p bench.Progress, text string) string {
	step := clean(p.Step, nameLimit)
	if rest, ok := strings.CutPrefix(text, step); ok && len(p.Faults) == 0 {
		return l.opt.paint(bold, step) + rest
	} else if ok {
		return l.opt.paint(yellow, step) + rest
	}
	return text
}

// line tells the state in the order of what matters while waiting: how far, how
// long to go, whether the rate is kept, how quick, what is open, what is being
// broken.
func (l *Live) line(p bench.Progress, bar bool) string {
	parts := []string{joinNonEmpty(" ", clean(p.Step, nameLimit), clean(p.Stage, 20))}
	loading := p.Total > 0 && p.Elapsed <= p.Total
	if bar && p.Total > 0 && p.Step == loadStep {
		parts = append(parts, progressBar(p.Elapsed, p.Total, 12))
	}
	elapsed := seconds(p.Elapsed)
	if loading {
		elapsed += "/" + seconds(p.Total)
		if p.Step == loadStep {
			elapsed += ", " + seconds(p.Total-p.Elapsed+time.Second-1) + " left"
		}
	}
	parts = append(parts, elapsed)
	if p.Step == loadStep && !bar { // the block has them below
		parts = append(parts, rate(p.Rate))
		if p.P50 > 0 || p.P99 > 0 {
			parts = append(parts, "p50 "+duration(float64(p.P50)/1e6)+" p99 "+duration(float64(p.P99)/1e6))
		}
	}
	parts = append(parts, count(p.Acknowledged)+" acked")
	if p.Refused > 0 {
		parts = append(parts, count(p.Refused)+" refused")
	}
	if p.Unknown > 0 {
		parts = append(parts, count(p.Unknown)+" unknown")
	}
	if p.Backlog >= 0 && !(bar && p.Step == loadStep) {
		parts = append(parts, "backlog "+count(p.Backlog))
	}
	if p.Bitten > 0 {
		parts = append(parts, plural(p.Bitten, "strike"))
	}
	if !(bar && p.Step == loadStep) { // the block has them below, too
		for _, f := range faultLabels(&p) {
			parts = append(parts, "! "+f)
		}
	}
	return strings.Join(parts, "  ")
}

// faultLabels name the faults in force.
func faultLabels(p *bench.Progress) []string {
	var names []string
	for _, f := range p.Faults {
		names = append(names, clean(faultLabel(f), nameLimit))
	}
	return names
}

// seconds writes whole seconds: 75s.
func seconds(d time.Duration) string {
	return count(int64(max(0, d)/time.Second)) + "s"
}

// progressBar is [####······]; text only, so that every font has it.
func progressBar(done, total time.Duration, cells int) string {
	n := int(int64(cells) * int64(min(max(0, done), total)) / int64(total))
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", cells-n) + "]"
}

// faultLabel shortens a fault's text to what goes wrong, without when:
// "at 5s for 6s: processor.kill after-write 10" → "processor.kill after-write 10".
func faultLabel(text string) string {
	if _, what, ok := strings.Cut(text, ": "); ok {
		return what
	}
	return text
}
