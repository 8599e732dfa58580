package reports

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

// fates says what became of an item, after its verdict.
var fates = map[bench.ItemVerdict]string{
	bench.NoVerdict:      "it was not sent, and nothing was found of it",
	bench.Processed:      "what the client was told came true",
	bench.ProcessedLate:  "it was processed, after the deadline",
	bench.Recovered:      "the client does not know it, but it was processed",
	bench.NotApplied:     "the client does not know it, and it was never stored",
	bench.Rejected:       "the client was told no, and no it was",
	bench.Partial:        "stored and not processed, and the client was not told otherwise",
	bench.Superseded:     "a newer version of its item has taken its place",
	bench.LostWrite:      "acknowledged, and never stored",
	bench.LostProcessing: "stored, and never processed",
	bench.Duplicated:     "processed more often than promised",
	bench.WrongEffect:    "processed with wrong or outdated content",
	bench.Phantom:        "refused, and stored or processed all the same",
	bench.OrphanEffect:   "processed, and never stored",
	bench.Unexpected:     "found, and never sent",
	bench.DeadLettered:   "given up, and handed to the on-failure destination",
	bench.Pending:        "not done yet when the wait for it ended",
	bench.Unread:         "nobody can say: evidence is missing",
}

// A record that blocks its shard may be delivered ten thousand times: of longer
// stretches of deliveries the middle is counted.
const (
	firstSteps = 6
	lastSteps  = 3
)

// TraceTerminal prints the life of one request, a line a step, times from when
// it was due. Its only errors are those of w.
func TraceTerminal(w io.Writer, t *bench.Trace, opt Options) error {
	p := &tracePrinter{opt: opt, width: opt.width()}
	verdict := traceVerdict(t)
	name, code := "NOT SENT", yellow
	if verdict != bench.NoVerdict {
		name = strings.ToUpper(words(verdict.String()))
	}
	switch {
	case verdict.Fails():
		code = red
	case verdict == bench.Processed, verdict == bench.Recovered, verdict == bench.Rejected, verdict == bench.NotApplied, verdict == bench.Superseded:
		code = green
	}
	p.raw(opt.paint(code, name) + "  " + opt.paint(bold, cut(fates[verdict], p.width-len(name)-2)))
	p.raw("")
	p.row("id", clean(t.ID, lineLimit))
	p.row("run", clean(string(t.Run.ID)+", scenario "+t.Run.Scenario+", "+t.Run.Architecture+" on "+t.Run.Target, lineLimit))
	p.row("request", traceRequest(t))
	if t.ResponseTimeMs != nil && t.ServiceTimeMs != nil {
		p.row("response", duration(*t.ResponseTimeMs)+" from due, "+duration(*t.ServiceTimeMs)+" from sent")
	}
	for _, f := range t.Faults {
		p.row("fault", traceFault(&f))
	}
	if f := t.Finding; f != nil {
		p.row("last seen", joinNonEmpty(", ", clean(string(f.LastStation), nameLimit), position(f.Position)))
	}
	p.raw("")
	p.steps(t)
	if len(t.Unknown) > 0 {
		p.raw("")
		for _, u := range t.Unknown {
			p.row("unknown", clean(u, lineLimit))
		}
	}
	if opt.Dir != "" {
		p.raw("")
		p.raw(opt.paint(dim, fmt.Sprintf("  next        ackproof trace %s %s --json", clean(opt.Dir, lineLimit), clean(t.ID, lineLimit))))
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// traceVerdict reads the verdict back from its name.
func traceVerdict(t *bench.Trace) bench.ItemVerdict {
	for _, v := range bench.ItemVerdicts() {
		if v.String() == t.Verdict {
			return v
		}
	}
	return bench.NoVerdict
}

func traceRequest(t *bench.Trace) string {
	if t.DueMs == nil {
		return fmt.Sprintf("number %s, where %s were planned, from 0", count(int64(t.Seq)), count(t.Planned))
	}
	phase := "phase " + clean(t.Phase, nameLimit)
	if t.Warmup {
		phase += " (warm-up)"
	}
	return fmt.Sprintf("number %s of %s, from 0; %s; due %s after the start of load", count(int64(t.Seq)), count(t.Planned), phase, moment(*t.DueMs))
}

// moment writes a position to the millisecond, so that it can be found again in
// events.jsonl.
func moment(ms float64) string { return fmt.Sprintf("%.3f s", ms/1000) }

func traceFault(f *bench.TraceFault) string {
	text := clean(f.Text, lineLimit) + ", in force from " + moment(f.FromMs) + " to " + moment(f.ToMs)
	if f.Due {
		return text + "; due inside"
	}
	return text
}

// position says where a finding lies among the items that survived.
func position(where string) string {
	switch where {
	case "head":
		return "before the first item that survived"
	case "middle":
		return "between items that survived"
	case "tail":
		return "behind the last item that survived"
	}
	return clean(where, nameLimit)
}

// tracePrinter lays a trace out.
type tracePrinter struct {
	opt   Options
	width int
	b     strings.Builder
	label string // of the row before: rows of a kind share one label
}

// raw writes a line as it is.
func (p *tracePrinter) raw(s string) {
	p.label = ""
	p.b.WriteString(s + "\n")
}

// row writes a labelled text, as long as it is, wrapped.
func (p *tracePrinter) row(label, text string) {
	shown := label
	if label == p.label {
		shown = ""
	}
	p.label = label
	for _, l := range wrap(text, p.width-14, 8) {
		fmt.Fprintf(&p.b, "  %-11s %s\n", shown, l)
		shown = ""
	}
}

// steps writes the time line. The first column is as wide as its widest time.
func (p *tracePrinter) steps(t *bench.Trace) {
	if len(t.Steps) == 0 {
		return
	}
	times, wide := make([]string, len(t.Steps)), 0
	title := "from due"
	for i, s := range t.Steps {
		times[i] = stepTime(t, &s)
		wide = max(wide, utf8.RuneCountInString(times[i]), len(title))
	}
	if t.DueMs == nil {
		title = "at"
	}
	p.raw(p.opt.paint(dim, fmt.Sprintf("  %*s", wide, title)))
	hidden := folds(t.Steps)
	for i := 0; i < len(t.Steps); i++ {
		if n := hidden[i]; n > 0 {
			p.raw(p.opt.paint(dim, fmt.Sprintf("  %*s  and %s more like these; --json lists them", wide, "…", count(int64(n)))))
			i += n - 1
			continue
		}
		p.step(&t.Steps[i], times[i], wide)
	}
}

// folds gives the stretches of steps that are counted instead of shown: where
// they begin, and how long they are.
func folds(steps []bench.TraceStep) map[int]int {
	out := map[int]int{}
	for i := 0; i < len(steps); i++ {
		n := 0
		for i+n < len(steps) && (steps[i+n].Kind == bench.TraceDelivered || steps[i+n].Kind == bench.TraceProcessDeath) {
			n++
		}
		if n > firstSteps+lastSteps {
			out[i+firstSteps] = n - firstSteps - lastSteps
		}
		i += max(0, n-1)
	}
	return out
}

// step writes one step: when, what, and what is known about it.
func (p *tracePrinter) step(s *bench.TraceStep, at string, wide int) {
	text := joinNonEmpty("; ", clean(s.Text, lineLimit), stepDetail(s))
	indent := 2 + wide + 2 + stepWidth + 2
	for i, l := range wrap(text, max(p.width-indent, minWidth/2), 6) {
		head := fmt.Sprintf("  %*s  %-*s  ", wide, at, stepWidth, cut(words(clean(string(s.Kind), nameLimit)), stepWidth))
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.b.WriteString(head + p.opt.paint(stepColor(s), l) + "\n")
	}
}

// maxAmong is how many processes are named of which one had a delivery.
const maxAmong = 4

// stepWidth is that of the longest kind of step, process death.
const stepWidth = 13

func stepColor(s *bench.TraceStep) string {
	switch {
	case s.Kind == bench.TraceProcessDeath, s.Kind == bench.TraceDeadLetter, s.Kind == bench.TraceDelivered && s.Outcome != bench.Delivered.String():
		return yellow
	}
	return ""
}

func stepDetail(s *bench.TraceStep) string {
	var parts []string
	if s.Batch != nil && s.Attempt != nil {
		parts = append(parts, fmt.Sprintf("batch %d, attempt %d", *s.Batch, *s.Attempt))
	}
	switch {
	case s.PID != 0:
		parts = append(parts, fmt.Sprintf("process %d", s.PID))
	case len(s.Among) > maxAmong:
		parts = append(parts, fmt.Sprintf("one of %d processes", len(s.Among)))
	case len(s.Among) > 0:
		parts = append(parts, "process "+strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Among), "[]"), " ", " or "))
	}
	if s.Kind == bench.TraceCommitted && s.Shard != "" {
		parts = append(parts, "shard "+clean(s.Shard, nameLimit))
	}
	if s.Kind != bench.TraceDelivered && s.Sequence != "" {
		parts = append(parts, "sequence number "+clean(s.Sequence, nameLimit))
	}
	return strings.Join(parts, ", ")
}

func stepTime(t *bench.Trace, s *bench.TraceStep) string {
	switch {
	case s.TMs == nil:
		return "?"
	case t.DueMs == nil || s.SinceDueMs == nil:
		return moment(*s.TMs)
	case *s.SinceDueMs >= 0:
		return "+" + duration(*s.SinceDueMs)
	}
	return "−" + duration(math.Abs(*s.SinceDueMs))
}
