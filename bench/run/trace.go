package run

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/reconcile"
)

// Trace tells the whole known life of one request of a run, named by its id or
// its number. What is not known is listed as unknown. An id that is none of this
// run, or of which there is nothing to tell, is an error that names the nearest.
func Trace(dir, name string) (*bench.Trace, error) {
	f, err := open(dir, &JudgeOptions{})
	if err != nil {
		return nil, err
	}
	defer f.close()
	seq, err := f.find(name)
	if err != nil {
		return nil, err
	}
	finding := bench.Finding{Seq: seq}
	account := f.account(f.figures(), func(found bench.Finding) {
		if found.Seq == seq {
			finding = found
		}
	})
	if seq >= uint64(f.plan.Len()) && account.Of(seq) == bench.NoVerdict {
		return nil, fmt.Errorf("%s: the run planned %d requests, and nothing was found of a request %d; the last is %s",
			name, f.plan.Len(), seq, f.plan.ID(uint64(f.plan.Len()-1)))
	}
	return &f.traces(&account, []bench.Finding{finding})[0], nil
}

// traces tells the lives of some requests, each named by a finding; one of no
// verdict only names its request. The files are gone through once for all.
func (f *files) traces(account *reconcile.Account, findings []bench.Finding) []bench.Trace {
	if len(findings) == 0 {
		return nil
	}
	all := tracers{few: newFew(findings)}
	for _, finding := range findings {
		all.each = append(all.each, f.tracer(account, finding))
	}
	j := newJoiner(f, account, int64(len(findings)))
	j.choose(all.few)
	all.stream(f)
	all.tables(f)
	var traces []bench.Trace
	for _, t := range all.each {
		t.client(j)
		t.deliveries()
		t.effects()
		t.doubts()
		t.order()
		traces = append(traces, t.Trace)
	}
	return traces
}

func (f *files) tracer(account *reconcile.Account, finding bench.Finding) *tracer {
	t := &tracer{f: f, seq: finding.Seq}
	t.Trace = bench.Trace{
		Schema: bench.TraceSchema, ID: f.plan.ID(t.seq).String(), Seq: t.seq, Planned: f.plan.Len(),
		Run: bench.TraceRun{
			ID: f.manifest.Run, Scenario: f.scenario.Name, Target: f.manifest.Target, Architecture: f.manifest.Architecture,
			Started: f.started.UTC().Format(time.RFC3339Nano),
		},
		Verdict: account.Of(t.seq).String(), Faults: []bench.TraceFault{}, Steps: []bench.TraceStep{}, Unknown: []string{},
	}
	if finding.Verdict != bench.NoVerdict {
		t.Finding = &finding
	}
	return t
}

// find gives the number of a request from its id or its number.
func (f *files) find(name string) (uint64, error) {
	hint := func(seq uint64) string {
		return fmt.Sprintf("ids of this run look like %s, numbers run from 0 to %d", f.plan.ID(min(seq, uint64(max(f.plan.Len()-1, 0)))), f.plan.Len()-1)
	}
	if seq, err := strconv.ParseUint(name, 10, 64); err == nil {
		if seq > bench.MaxSeq {
			return 0, fmt.Errorf("%s is no number of a request: %s", name, hint(seq))
		}
		return seq, nil
	}
	id, err := bench.ParseID(strings.ToLower(name))
	if err != nil {
		// What stands behind the last dash may be its number, mistyped before.
		seq, _ := strconv.ParseUint(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
		return 0, fmt.Errorf("%.60q is no id and no number: %s", name, hint(seq))
	}
	seq, ours := f.ids().Seq(id)
	if !ours {
		return 0, fmt.Errorf("%s is of run %s and agent %d, %s is run %s: its request of that number is %s",
			name, id.Run, id.Agent, filepath.Base(f.dir), f.manifest.Run, f.plan.ID(id.Seq))
	}
	return seq, nil
}

// tracer gathers the life of one request.
type tracer struct {
	bench.Trace
	f   *files
	seq uint64
	due time.Duration

	// What the files hold of it.
	commits   []bench.Commit
	delivered []bench.Delivery
	applied   []bench.Effect
	letters   []bench.DeadLetter
}

// tracers are those of some requests.
type tracers struct {
	*few
	each []*tracer
}

// of gives the tracer of a request; nil: nobody asks for it.
func (all *tracers) of(seq uint64) *tracer {
	if i, ok := all.at(seq); ok {
		return all.each[i]
	}
	return nil
}

func (all *tracers) ofID(f *files, id string) *tracer {
	if seq, ours := f.seq(id); ours {
		return all.of(seq)
	}
	return nil
}

// few are some requests out of very many: whether one is among them is asked of
// every row of every table.
type few struct {
	places map[uint64]int
	near   [1 << 12]bool // by the last bits: most rows need not ask the map
}

func newFew(findings []bench.Finding) *few {
	f := &few{places: map[uint64]int{}}
	for i, finding := range findings {
		f.places[finding.Seq] = i
		f.near[finding.Seq%uint64(len(f.near))] = true
	}
	return f
}

func (f *few) at(seq uint64) (place int, ok bool) {
	if !f.near[seq%uint64(len(f.near))] {
		return 0, false
	}
	place, ok = f.places[seq]
	return place, ok
}

// stream gathers what the machines were seen to do.
func (all *tracers) stream(f *files) {
	if f.log == nil {
		return
	}
	if f.watching() {
		for c := range f.log.Commits() {
			if t := all.ofID(f, c.ID); t != nil {
				t.commits = append(t.commits, c)
			}
		}
		for d := range f.log.Deliveries() {
			if t := all.ofID(f, d.ID); t != nil {
				t.delivered = append(t.delivered, d)
			}
		}
	}
}

// tables gathers what the final reads found. Both reads see the same effects, so
// equal ones are told once.
func (all *tracers) tables(f *files) {
	for _, read := range f.lastTwo() {
		for e := range bench.Each(f.effects(&read), (*bench.Rows).Effect) {
			if t := all.of(e.Seq); t != nil && !slices.Contains(t.applied, e) {
				t.applied = append(t.applied, e)
			}
		}
	}
	for _, read := range f.lastReads() {
		for d := range read.DeadLetters() {
			if t := all.of(d.Seq); t != nil && !slices.Contains(t.letters, d) {
				t.letters = append(t.letters, d)
			}
		}
	}
	if f.log == nil {
		return
	}
	for d := range f.log.DeadLetters() {
		t := all.of(d.Seq)
		if t != nil && !slices.ContainsFunc(t.letters, func(l bench.DeadLetter) bool { return l.At.UnixMilli() == d.At.UnixMilli() }) {
			t.letters = append(t.letters, d)
		}
	}
}

func (t *tracer) planned() bool { return t.seq < uint64(t.f.plan.Len()) }

// step adds what happened at a position; ledger.Absent: nobody knows when.
func (t *tracer) step(at time.Duration, s bench.TraceStep) {
	if at != ledger.Absent {
		position := ms(at)
		s.TMs = &position
		if t.DueMs != nil {
			since := ms(at - t.due)
			s.SinceDueMs = &since
		}
	}
	t.Steps = append(t.Steps, s)
}

func (t *tracer) position(at time.Time) time.Duration {
	if at.IsZero() {
		return ledger.Absent
	}
	return at.Sub(t.f.started)
}

func (t *tracer) unknown(format string, args ...any) {
	t.Unknown = append(t.Unknown, fmt.Sprintf(format, args...))
}

// client tells what the client did and saw. It takes the figures from the row
// that an export has of the request, so that both say the same.
func (t *tracer) client(j *joiner) {
	if !t.planned() {
		t.Ledger, t.Outcome, t.Class = ledger.Unsent.String(), bench.Unsent.String(), bench.ClassNone.String()
		t.unknown("who wrote it: it carries this run's id, and the run never sent it")
		return
	}
	row := j.row(t.seq)
	t.due = row.Due
	t.DueMs = optionalMs(row.Due)
	t.Phase, t.Warmup = row.Phase, row.Warmup
	t.Ledger, t.Outcome, t.Class = row.State.String(), row.Outcome.String(), row.Class.String()
	if row.Status != 0 {
		t.Status = &row.Status
	}
	if row.Done != ledger.Absent {
		t.ResponseTimeMs, t.ServiceTimeMs = optionalMs(row.Done-row.Due), optionalMs(row.Done-row.Sent)
	}
	if row.Stored != ledger.NotKnown {
		stored := row.Stored == ledger.Yes
		t.Stored = &stored
	}
	if row.Applications != ledger.Uncounted {
		t.Count = &row.Applications
	}
	if row.Deliveries != ledger.Uncounted {
		t.Delivers = &row.Deliveries
	}
	t.step(row.Due, bench.TraceStep{Kind: bench.TraceDue, Text: "the plan wants it sent"})
	switch row.State {
	case ledger.Unsent:
		t.unknown("when it would have been sent: no byte of it was handed to a connection")
	case ledger.Torn:
		t.unknown("when it was sent and how it ended: its place in the ledger is damaged")
	case ledger.Reserved:
		t.unknown("whether it was sent, and how it ended: the machine stopped before that was on its disk")
	default:
		t.attempts(row.Attempts > 1)
	}
}

// attempts tells each sending of the request. Again: there is more than one.
func (t *tracer) attempts(again bool) {
	for a, state := range t.f.ledger.AttemptsAt(t.seq) {
		if state == ledger.Unsent {
			continue
		}
		step := func(at time.Duration, kind bench.TraceKind, text string) {
			s := bench.TraceStep{Kind: kind, Text: text}
			if again {
				s.Attempt = &a.Retry
			}
			t.step(at, s)
		}
		sent := "handed to a connection"
		if a.Retry > 0 {
			sent += fmt.Sprintf(" again, retry %d", a.Retry)
		}
		step(a.Sent, bench.TraceSent, sent)
		if a.FirstByte != 0 {
			step(a.FirstByte, bench.TraceFirstByte, "the first byte of the answer came")
		}
		if state == ledger.Finished {
			step(a.End, bench.TraceAnswered, answer(&a))
		} else {
			t.unknown("how it ended for the client: ackproof was killed while it was under way")
		}
	}
}

func optionalMs(d time.Duration) *float64 {
	x := ms(d)
	return &x
}

// answer says what the client was told.
func answer(r *bench.Attempt) string {
	text := r.Outcome.String()
	if r.Status != 0 {
		text += fmt.Sprintf(", status %d", r.Status)
	}
	switch r.Class {
	case bench.ClassTimeout:
		text += ", given up at its time-out"
	case bench.ClassReset:
		text += ", the connection broke"
	case bench.ClassConnRefused:
		text += ", no connection"
	case bench.ClassUnreadable:
		text += ", the answer could not be read to its end"
	case bench.ClassInterrupted:
		text += ", given up when the run was interrupted"
	}
	if r.Error != "" {
		text += " (" + r.Error + ")"
	}
	return text
}

// deliveries tells what the machines were seen to do.
func (t *tracer) deliveries() {
	for _, c := range t.commits {
		t.step(t.position(c.At), bench.TraceStep{Kind: bench.TraceCommitted, Text: "in the table and its stream", Shard: c.Shard, Sequence: c.Sequence})
	}
	all := t.delivered
	slices.SortStableFunc(all, func(a, b bench.Delivery) int { return a.At.Compare(b.At) })
	for i, d := range all {
		until := time.Duration(math.MaxInt64)
		if i+1 < len(all) {
			until = t.position(all[i+1].At)
		}
		t.delivery(d, until)
	}
}

// delivery tells one delivery. No file says which process had it; events.jsonl
// says which were there, and that is told where it leaves one alone.
func (t *tracer) delivery(d bench.Delivery, until time.Duration) {
	at := t.position(d.At)
	s := bench.TraceStep{
		Kind: bench.TraceDelivered, Text: cmp.Or(deliveryTexts[d.Outcome], "handed to the processor"), Shard: d.Shard, Sequence: d.Sequence,
		Batch: &d.Batch, Attempt: &d.Attempt, Outcome: d.Outcome.String(),
	}
	up, died := t.f.story.lives.at(at, until)
	broken := d.Outcome == bench.DeliveryCrash || d.Outcome == bench.DeliveryTimeout
	if broken && len(died) > 0 {
		up = died
	}
	if len(up) == 1 {
		s.PID = up[0].pid
	} else {
		for _, one := range up {
			s.Among = append(s.Among, one.pid)
		}
	}
	t.step(at, s)
	switch {
	case broken && len(died) == 1:
		t.step(died[0].to, bench.TraceStep{Kind: bench.TraceProcessDeath, Text: died[0].how, PID: died[0].pid})
	case broken && len(died) > 1:
		t.unknown("which process had batch %d, attempt %d: %d of those that were up died before it was tried again", d.Batch, d.Attempt, len(died))
	case broken:
		t.unknown("which process had batch %d, attempt %d: events.jsonl tells of no death that fits", d.Batch, d.Attempt)
	}
}

var deliveryTexts = map[bench.DeliveryOutcome]string{
	bench.Delivered:       "handed to the processor, which succeeded",
	bench.DeliveryError:   "handed to the processor, which returned an error",
	bench.DeliveryTimeout: "handed to the processor, which ran into its time-out",
	bench.DeliveryCrash:   "handed to the processor, which died",
}

// effects tells what the final reads found.
func (t *tracer) effects() {
	for _, e := range t.applied {
		s := bench.TraceStep{Kind: bench.TraceEffect, Text: t.effect(e)}
		if !e.Sequence.IsZero() {
			s.Sequence = e.Sequence.String()
		}
		t.step(t.position(e.At.Add(-t.f.clocks.offset)), s)
	}
	readable := slices.ContainsFunc(t.letters, func(d bench.DeadLetter) bool { return d.Readable })
	for _, d := range t.letters {
		text := "handed to the on-failure destination, and can be read back"
		if !readable {
			text = "handed to the on-failure destination, and cannot be read back"
		}
		t.step(t.position(d.At), bench.TraceStep{Kind: bench.TraceDeadLetter, Text: text})
	}
}

// effect says what was applied, and whether it is right.
func (t *tracer) effect(e bench.Effect) string {
	text := "applied, nobody counted how often"
	switch {
	case e.Count == 1:
		text = "applied once"
	case e.Count >= 0:
		text = fmt.Sprintf("applied %d times, this is the last one's time", e.Count)
	}
	switch {
	case !e.HasDigest || !t.planned():
	case e.Digest == t.f.plan.Digest(t.seq):
		text += ", to what was sent"
	default:
		text += fmt.Sprintf(", to other content than was sent: digest %s, want %s", e.Digest, t.f.plan.Digest(t.seq))
	}
	return text
}

// doubts lists what the run cannot say of the request.
func (t *tracer) doubts() {
	f, sent := t.f, t.Ledger != ledger.Unsent.String() || !t.planned()
	switch {
	case !sent:
	case !f.watching():
		t.unknown("what happened between the API and the effect: only the stream of %s is watched, record by record", bench.Streams)
	case t.Delivers != nil && *t.Delivers == 0 && len(f.damage) > 0:
		t.unknown("whether it was delivered: deliveries/ cannot be read to its end")
	}
	if sent && !f.read() {
		t.unknown("whether it is stored or has an effect, beyond what is listed: no final read of the tables is complete")
	}
	for _, s := range t.Steps {
		if s.TMs == nil {
			t.unknown("when it came to the step %q: the evidence has no time", s.Kind)
		}
	}
	if t.Verdict == bench.Superseded.String() {
		t.unknown("whether and when it was processed: a newer version of its item has taken its place, and the results table has one row for both")
	}
	if f.story.finished == nil {
		t.unknown("what came after the run was cut off, %s after the start of load", f.story.last.Round(time.Millisecond))
	}
}

// order sorts the steps by time, those at the same moment by their place in a
// life, and finds the fault windows between the first and the last.
func (t *tracer) order() {
	at := func(s bench.TraceStep) float64 {
		if s.TMs == nil {
			return math.Inf(1)
		}
		return *s.TMs
	}
	slices.SortStableFunc(t.Steps, func(a, b bench.TraceStep) int { return cmp.Compare(at(a), at(b)) })
	first, last := math.Inf(1), math.Inf(-1)
	for _, s := range t.Steps {
		if s.TMs != nil {
			first, last = min(first, *s.TMs), max(last, *s.TMs)
		}
	}
	if t.Verdict == bench.Pending.String() || t.Verdict == bench.Unread.String() {
		last = max(last, ms(t.f.story.last)) // its life is not over
	}
	for i, fault := range t.f.faults {
		from, to := t.f.window(i)
		if ms(from) <= last && ms(to) >= first {
			due := t.DueMs != nil && faultWindow{from: from, to: to}.covers(t.due)
			t.Faults = append(t.Faults, bench.TraceFault{Text: fault.String(), FromMs: ms(from), ToMs: ms(to), Due: due})
		}
	}
}
