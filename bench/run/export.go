package run

import (
	"context"
	"io"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/scenarios"
)

// Encoding is how an export is written.
type Encoding = ledger.Encoding

// ExportColumns lists the columns of an export, for help texts.
func ExportColumns() []ledger.Column { return ledger.Columns() }

// ExportEncodings lists the encodings.
func ExportEncodings() []Encoding { return ledger.Encodings() }

// EncodingOf guesses the encoding from how a file's name ends.
func EncodingOf(file string) (Encoding, bool) { return ledger.EncodingOf(file) }

// exportWindow is how many requests are joined at a time. What is seen of one
// takes 64 bytes, so a window takes 128 MiB, and the files of the run are gone
// through once for each. Beside it the judge keeps one byte for each request of
// the run.
const exportWindow = 1 << 21

// exportJudged is how many requests are judged at a time for their item verdicts
// alone: at most 42 bytes each, 170 MiB together, given back before the first row.
const exportJudged = 1 << 22

// Exported says what an export holds.
type Exported struct {
	Rows  int64
	Notes []string // what is damaged or missing: its columns are null where it would have told
}

// Export writes what a run knows of each request to w, one row a request, in the
// order of the plan. A run that was cut off is exported as far as it is known.
// When ctx ends it stops with its error, and what was written is not whole.
func Export(ctx context.Context, dir string, w io.Writer, e Encoding) (Exported, error) {
	return exportInWindows(ctx, dir, w, e, exportWindow)
}

func exportInWindows(ctx context.Context, dir string, w io.Writer, e Encoding, size int64) (Exported, error) {
	f, err := open(dir, nil)
	if err != nil {
		return Exported{}, err
	}
	defer f.close()
	request := f.scenario.Request
	out, err := ledger.NewExporter(w, e, ledger.Request{
		Scenario: f.scenario.Name, Method: request.Method, URL: f.manifest.Endpoints.API + request.Path,
	})
	if err != nil {
		return Exported{}, err
	}
	account := f.account(&figures{}, nil)
	j := newJoiner(f, &account, min(size, f.plan.Len()))
	for first := int64(0); first < f.plan.Len(); first += size {
		j.window(uint64(first), uint64(min(size, f.plan.Len()-first)))
		for i := range j.n {
			if i%4096 == 0 && ctx.Err() != nil {
				return Exported{}, ctx.Err()
			}
			row := j.row(j.first + i)
			if err := out.Write(&row); err != nil {
				return Exported{}, err
			}
		}
	}
	if err := out.Close(); err != nil {
		return Exported{}, err
	}
	return Exported{Rows: out.Rows(), Notes: f.missing()}, nil
}

// account judges the run for its item verdicts alone: the timing gates, which
// need the distributions, have no part in them. found is given every finding; of
// empty figures it does not name a fault that struck what was due before it.
func (f *files) account(g *figures, found func(bench.Finding)) reconcile.Account {
	e := f.evidence(g)
	e.Window, e.Found = exportJudged, found
	return reconcile.Judge(e)
}

// missing lists what keeps evidence out of an export or a trace.
func (f *files) missing() []string {
	notes := append([]string{}, f.ledger.Problems()...)
	notes = append(append(notes, f.problems...), f.damage...)
	if f.story.finished == nil {
		notes = append(notes, "the run was cut off before its end: "+filepath.Base(f.dir)+" holds what was known by then")
	}
	return notes
}

// seen is what the files show of one request beside the ledger. Times are
// positions from the start of load.
type seen struct {
	committed, delivered, effect, lettered time.Duration
	sequence                               bench.Sequence // of the first commit
	deliveries                             uint32
	shard                                  uint16
	outcome                                bench.DeliveryOutcome // of the last delivery
	marks                                  marks
	applied                                [2]int32 // by read
}

type marks uint8

const (
	inItems   marks = 1 << iota
	uncounted       // a row that does not tell how often it was applied
	letter
	letterReadable
)

// joiner brings together what the files know of a window of requests.
type joiner struct {
	f        *files
	account  *reconcile.Account
	observed time.Duration
	stages   []scenarios.StageInfo
	faults   []faultWindow
	body     []byte

	first, n uint64
	chosen   *few // places in seen; nil: the n requests from first on
	seen     []seen
	shards   []string
	numbers  map[string]uint16 // of the shards: a handful
}

// newJoiner makes one with room for so many requests.
func newJoiner(f *files, account *reconcile.Account, room int64) *joiner {
	j := &joiner{f: f, account: account, observed: f.observe().end, stages: f.plan.Stages(), seen: make([]seen, room)}
	for i, fault := range f.faults {
		from, to := f.window(i)
		j.faults = append(j.faults, faultWindow{fault.String(), from, to})
	}
	return j
}

// faultWindow is when a fault was in force.
type faultWindow struct {
	text     string
	from, to time.Duration
}

// covers reports whether a moment lies in the window, as the judge has it: one
// without a width holds its one moment.
func (w faultWindow) covers(t time.Duration) bool { return t >= w.from && (t < w.to || t == w.from) }

// of gives what is seen of a request; nil: nobody looked for it.
func (j *joiner) of(seq uint64) *seen {
	if j.chosen != nil {
		if i, ok := j.chosen.at(seq); ok {
			return &j.seen[i]
		}
		return nil
	}
	if seq < j.first || seq-j.first >= j.n {
		return nil
	}
	return &j.seen[seq-j.first]
}

func (j *joiner) at(id string) *seen {
	seq, ours := j.f.seq(id)
	if !ours {
		return nil
	}
	return j.of(seq)
}

func (j *joiner) position(t time.Time) time.Duration {
	if t.IsZero() {
		return ledger.Absent
	}
	return t.Sub(j.f.started)
}

// window goes through the files for the n requests from first on.
func (j *joiner) window(first, n uint64) {
	j.first, j.n, j.chosen = first, n, nil
	j.gather()
}

// choose goes through the files for some requests.
func (j *joiner) choose(chosen *few) {
	j.n, j.chosen = uint64(len(chosen.places)), chosen
	j.gather()
}

func (j *joiner) gather() {
	j.shards, j.numbers = nil, map[string]uint16{}
	for i := range j.n {
		j.seen[i] = seen{committed: ledger.Absent, delivered: ledger.Absent, effect: ledger.Absent, lettered: ledger.Absent}
	}
	if j.f.watching() {
		j.watched()
	}
	for r, read := range j.f.lastTwo() {
		for item := range read.Items() {
			if s := j.of(item.Seq); s != nil {
				s.marks |= inItems
			}
		}
		for e := range bench.Each(j.f.effects(&read), (*bench.Rows).Effect) {
			if s := j.of(e.Seq); s != nil {
				s.effect = min(s.effect, j.position(e.At.Add(-j.f.clocks.offset)))
				s.count(r, e.Count)
			}
		}
	}
	j.letters()
}

// count adds the applications of one row. Rows of one read add up.
func (s *seen) count(read int, n int64) {
	if n < 0 {
		s.marks |= uncounted
		return
	}
	s.applied[read] = int32(min(int64(s.applied[read])+n, math.MaxInt32))
}

func (j *joiner) watched() {
	for c := range j.f.log.Commits() {
		s := j.at(c.ID)
		if s == nil {
			continue
		}
		at := j.position(c.At)
		if n, err := bench.ParseSequence(c.Sequence); err == nil && (s.sequence.IsZero() || n.Compare(s.sequence) < 0) {
			s.sequence, s.shard = n, j.shard(c.Shard)
		}
		s.committed = min(s.committed, at)
	}
	for d := range j.f.log.Deliveries() {
		if s := j.at(d.ID); s != nil {
			s.delivered = min(s.delivered, j.position(d.At))
			s.deliveries++
			s.outcome = d.Outcome
		}
	}
}

func (j *joiner) shard(name string) uint16 {
	n, ok := j.numbers[name]
	if !ok && len(j.shards) < math.MaxUint16 {
		n = uint16(len(j.shards))
		j.shards, j.numbers[name] = append(j.shards, name), n
	}
	return n
}

// letters takes the dead letters as the judge does: those of the last read that
// is complete, else of both; what was only seen to be handed over is one that
// can no longer be read back.
func (j *joiner) letters() {
	if j.f.log != nil {
		for d := range j.f.log.DeadLetters() {
			if s := j.of(d.Seq); s != nil {
				s.marks |= letter
				s.lettered = min(s.lettered, j.position(d.At))
			}
		}
	}
	for _, read := range j.f.lastReads() {
		for d := range read.DeadLetters() {
			if s := j.of(d.Seq); s != nil {
				s.marks |= letter
				if d.Readable {
					s.marks |= letterReadable
				}
				s.lettered = min(s.lettered, j.position(d.At))
			}
		}
	}
}

// lastReads is the last final read that is complete, else all there are.
func (f *files) lastReads() []read {
	for n := len(f.reads) - 1; n >= 0; n-- {
		if f.reads[n].Complete() {
			return f.reads[n : n+1]
		}
	}
	return f.reads[:]
}

// watching reports whether the machines tell of each record: only the event
// source mapping does.
func (f *files) watching() bool { return f.manifest.Architecture == bench.Streams && f.log != nil }

// handing reports whether they tell, too, what the function was handed: a system that is
// not ours shows its stream alone.
func (f *files) handing() bool { return f.watching() && !f.scenario.Named() }

// read reports whether a final read is complete: what is absent is then known
// to be absent.
func (f *files) read() bool { return f.reads[0].Complete() || f.reads[1].Complete() }

// row is what a run knows of one request in the window.
func (j *joiner) row(seq uint64) ledger.Row {
	f, s := j.f, j.of(seq)
	stage := j.stages[f.plan.Stage(seq)]
	j.body = f.plan.AppendBody(j.body[:0], seq, 0)
	r := ledger.Row{
		ID: f.plan.ID(seq), Phase: stage.Name, Warmup: stage.Warmup, Due: f.plan.Due(seq), Start: f.started,
		Sent: ledger.Absent, Done: ledger.Absent, First: ledger.Absent, Waited: ledger.Absent, BodySize: len(j.body),
		Verdict: j.account.Of(seq), Committed: s.committed, Sequence: s.sequence, Delivered: s.delivered, DeliveryOutcome: s.outcome,
		Deliveries: ledger.Uncounted, Applications: ledger.Uncounted,
		Effect: s.effect, Lag: ledger.Absent, Lettered: s.lettered, LetterReadable: s.marks&letterReadable != 0,
	}
	if i := slices.IndexFunc(j.faults, func(w faultWindow) bool { return w.covers(r.Due) }); i >= 0 {
		r.Fault = j.faults[i].text
	}
	j.client(&r)
	if !s.sequence.IsZero() {
		r.Shard = j.shards[s.shard]
	}
	if f.handing() {
		r.Deliveries = int64(s.deliveries)
	}
	sent := bench.Attempt{Seq: seq, Outcome: r.Outcome, Sent: r.Sent}
	told := f.read() && (s.effect != ledger.Absent || !f.versions().Hidden(&sent, s.committed != ledger.Absent))
	r.Stored = known(s.marks&inItems != 0 || s.committed != ledger.Absent || s.deliveries > 0, told)
	r.Letter = known(s.marks&letter != 0, f.read())
	switch most := max(s.applied[0], s.applied[1]); {
	case s.marks&uncounted == 0 && (most > 0 || told):
		r.Applications = int64(most)
	case most > 1: // proven, whatever other rows do not tell
		r.Applications = int64(most)
	}
	if r.Outcome == bench.Acknowledged && s.effect != ledger.Absent && f.manifest.Architecture != bench.Sync {
		r.Lag = s.effect - r.Done
	}
	return r
}

func known(yes, looked bool) ledger.Known {
	switch {
	case yes:
		return ledger.Yes
	case looked:
		return ledger.No
	}
	return ledger.NotKnown
}

// client fills in what the ledger knows. What was due and not seen to end has
// waited until the observation ended, as figures count it.
func (j *joiner) client(r *ledger.Row) {
	seq, _ := j.f.ids().Seq(r.ID) // which of several agents' is its number in the whole plan
	a, state := j.f.ledger.At(seq)
	r.State, r.Outcome, r.Class, r.Status, r.Error = state, a.Outcome, a.Class, a.Status, a.Error
	for _, one := range j.f.ledger.AttemptsAt(seq) {
		if one != ledger.Unsent {
			r.Attempts++
		}
	}
	if state == ledger.Torn {
		r.Attempts = ledger.Uncounted
	}
	if a.FirstByte != 0 {
		r.First = a.FirstByte
	}
	switch state {
	case ledger.Finished:
		r.Sent, r.Done = a.Sent, a.End
		return
	case ledger.SentOnly:
		r.Sent = a.Sent
	case ledger.Unsent:
		if r.Due > j.observed {
			return // nobody was there to send it
		}
	}
	r.Waited = max(0, j.observed-r.Due)
}
