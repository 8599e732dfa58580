package reports

import (
	"io"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// plainEvery is how far apart the lines of a live view without a terminal are.
const plainEvery = 5 * time.Second

// Live shows a run under way: one line rewritten in place on a terminal, else a
// plain line every 5 s and at every new step or stage. The rules of output are
// those at the top of terminal.go. It belongs to one goroutine.
type Live struct {
	w     io.Writer
	opt   Options
	shown bool          // a line stands on the terminal
	last  time.Duration // elapsed at the last plain line
	where string        // step and stage of the last line
	err   error
}

// NewLive makes a live view. It prints nothing before the first Update.
func NewLive(w io.Writer, opt Options) *Live { return &Live{w: w, opt: opt} }

// Update shows the state of the run. Time is what p says it is. After an error
// of the writer it does nothing: a closed terminal must not end a run.
func (l *Live) Update(p bench.Progress) {
	if l.err != nil {
		return
	}
	if l.opt.TTY {
		// One column stays free: a full last column makes some terminals wrap.
		text := cut(l.line(p, true), l.opt.width()-1)
		l.write("\r" + l.tint(p, text) + "\x1b[K")
		l.shown = true
		return
	}
	where := p.Step + "\x00" + p.Stage
	if where == l.where && p.Elapsed-l.last < plainEvery {
		return
	}
	l.where, l.last = where, p.Elapsed
	l.write(l.line(p, false) + "\n")
}

// Close takes the line away, so that the summary begins at the left edge. It
// returns the first error of the writer.
func (l *Live) Close() error {
	if l.shown && l.err == nil {
		l.write("\r\x1b[K")
		l.shown = false
	}
	return l.err
}

func (l *Live) write(s string) {
	_, l.err = io.WriteString(l.w, s)
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

// line tells the state in the order of what matters while waiting: how far,
// whether the rate is kept, how quick, what is open, what is being broken.
func (l *Live) line(p bench.Progress, bar bool) string {
	parts := []string{joinNonEmpty(" ", clean(p.Step, nameLimit), clean(p.Stage, 20))}
	if bar && p.Total > 0 && p.Step == "load" {
		parts = append(parts, progressBar(p.Elapsed, p.Total, 12))
	}
	elapsed := seconds(p.Elapsed)
	if p.Total > 0 && p.Elapsed <= p.Total {
		elapsed += "/" + seconds(p.Total)
	}
	parts = append(parts, elapsed)
	if p.Step == "load" {
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
	if p.Backlog >= 0 {
		parts = append(parts, "backlog "+count(p.Backlog))
	}
	if p.Bitten > 0 {
		parts = append(parts, plural(p.Bitten, "strike"))
	}
	for _, f := range p.Faults {
		parts = append(parts, "! "+clean(faultLabel(f), nameLimit))
	}
	return strings.Join(parts, "  ")
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
