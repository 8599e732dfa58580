// Package synth makes run directories of runs that never were, for tests: ledger,
// final reads, log of deliveries, events and run.json as a run leaves them, of any
// length, with findings of each verdict planted at known ids. A judge that has
// lost one of a hundred million, or found one too many, has no excuse.
//
// Everything is a function of the seed. Rows of the tables come in an order that
// has nothing to do with that of the requests, as a scan gives them, and another
// one in each read. In the middle of the load the processor stands still for a
// while, so that there is a backlog, and a fault to recover from.
package synth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// Options say what kind of run is made.
type Options struct {
	Requests     int64
	Seed         uint64
	Each         int    // findings of each verdict; 0: a run without a fault of its own
	Architecture string // bench.Streams, the default, or bench.Sync
	Watched      bool   // with a log of commits and deliveries
	Undrained    bool   // the wait for the pipeline was given up
	CutOff       bool   // neither final read came to its end
	Agents       int    // who share the plan; 0: one alone, whose run directory has no folder of its own
}

// Run is a run that was made.
type Run struct {
	Dir     string
	Planted map[bench.ItemVerdict][]uint64 // sorted; what a judge must find, and of these verdicts nothing else
}

// started is the start of load of every run.
var started = time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)

// fate is what is to become of a request.
type fate struct {
	outcome bench.Outcome
	item    bool
	effect  bool
	wrong   bool // the effect's digest
	count   int64
	late    bool
	letter  bool
}

// fates are those that are planted, by the verdict of a run that was drained and
// read to the end.
var fates = map[bench.ItemVerdict]fate{
	bench.ProcessedLate:  {outcome: bench.Acknowledged, item: true, effect: true, count: 1, late: true},
	bench.Recovered:      {outcome: bench.Unknown, item: true, effect: true, count: 1},
	bench.NotApplied:     {outcome: bench.Unknown},
	bench.Rejected:       {outcome: bench.Refused},
	bench.LostWrite:      {outcome: bench.Acknowledged},
	bench.LostProcessing: {outcome: bench.Acknowledged, item: true},
	bench.Duplicated:     {outcome: bench.Acknowledged, item: true, effect: true, count: 2},
	bench.WrongEffect:    {outcome: bench.Acknowledged, item: true, effect: true, count: 1, wrong: true},
	bench.Phantom:        {outcome: bench.Refused, item: true},
	bench.OrphanEffect:   {outcome: bench.Unknown, effect: true, count: 1},
	bench.Unexpected:     {outcome: bench.Unsent, item: true},
	bench.DeadLettered:   {outcome: bench.Acknowledged, item: true, letter: true},
}

var processed = fate{outcome: bench.Acknowledged, item: true, effect: true, count: 1}

// Parts of the load, as shares of its length.
const (
	faultFrom = 0.4
	faultTo   = 0.45
	deadline  = time.Hour // from due to effect, of what is not late
)

// maker is a run in the making.
type maker struct {
	opts     Options
	dir      string
	id       bench.RunID
	scenario *scenarios.Scenario
	share    bench.Share
	whole    *scenarios.Plan // of all agents
	plan     *scenarios.Plan // of the one whose files are written
	ids      bench.Numbering // of the whole
	from, to time.Duration   // the processor stands still
	planted  map[uint64]bench.ItemVerdict
	plane    []uint64 // of planted, a bit each: a map is slow to ask
}

// Make makes a run below a folder.
func Make(out string, opts Options) (*Run, error) {
	if opts.Architecture == "" {
		opts.Architecture = bench.Streams
	}
	kinds := len(fates) + 1
	if opts.Requests < 1000 || int64(opts.Each*kinds) > opts.Requests/2 {
		return nil, fmt.Errorf("make a run of %d requests with %d findings of each of %d verdicts: want 1,000 requests at least, and half of them without a finding",
			opts.Requests, opts.Each, kinds)
	}
	m := &maker{opts: opts, id: bench.NewRunID(opts.Seed*0x9e3779b97f4a7c15 + 77), planted: map[uint64]bench.ItemVerdict{}}
	m.dir = filepath.Join(out, "synth-"+string(m.id))
	var err error
	if m.scenario, err = scenarios.Parse("synth.yaml", []byte(m.text()), nil); err != nil {
		return nil, fmt.Errorf("make a run: %w", err)
	}
	m.whole = scenarios.NewPlan(m.scenario, m.id, 0, opts.Seed)
	m.plan, m.ids = m.whole, m.whole.IDs()
	m.from, m.to = m.scenario.Faults[0].Window()
	m.plant()
	made := &Run{Dir: m.dir, Planted: m.expected()}
	if opts.Agents == 0 {
		err = m.files()
	}
	for agent := 1; agent <= opts.Agents; agent++ {
		m.share = bench.Share{Agent: agent, Of: opts.Agents}
		m.dir = filepath.Join(made.Dir, fmt.Sprintf("agent-%d", agent))
		m.plan, m.ids = m.whole.Share(m.share), m.share.Whole(m.id)
		err = errors.Join(err, m.files())
	}
	if err != nil {
		return nil, fmt.Errorf("make a run: %w", err)
	}
	return made, nil
}

// files writes one run directory.
func (m *maker) files() (err error) {
	for _, dir := range []string{"ledger", "plots"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(m.dir, dir), 0o755))
	}
	return errors.Join(err, m.manifest(), m.ledger(), m.tables(), m.deliveries(), m.events())
}

// number is that of a request of the agent in the whole plan.
func (m *maker) number(seq uint64) uint64 {
	n, _ := m.ids.Seq(m.plan.ID(seq))
	return n
}

// text is the scenario: up to 100,000 requests a second, for 20 s at least.
func (m *maker) text() string {
	seconds := max(20, m.opts.Requests/100_000)
	rate := float64(m.opts.Requests) / float64(seconds)
	at, length := int64(faultFrom*float64(seconds)), int64((faultTo-faultFrom)*float64(seconds))
	return fmt.Sprintf(`
name: synth
architecture: %s
overload: true
load:
  - {name: warm-up, for: %ds, rate: %.6f/s, warmup: true}
  - {name: steady, for: %ds, rate: %.6f/s}
workload: {payload: 32B}
faults: ["at %ds for %ds every 1s: processor.kill after-write 10"]
guarantee: {deadline: %s}
`, m.opts.Architecture, seconds/10, rate, seconds-seconds/10, rate, at, max(length, 1), deadline)
}

// plant chooses the ids.
func (m *maker) plant() {
	n := uint64(m.whole.Len())
	m.plane = make([]uint64, n/64+1)
	draw := uint64(0)
	for v := range bench.Unread { // in order, so that a seed gives one run
		_, known := fates[v]
		if v == bench.Partial {
			known = m.opts.Architecture == bench.Sync
		}
		for i := 0; known && i < m.opts.Each; {
			seq := clock.Bits(m.opts.Seed, "planted", draw) % n
			draw++
			if _, taken := m.planted[seq]; taken {
				continue
			}
			m.planted[seq] = v
			m.plane[seq/64] |= 1 << (seq % 64)
			i++
		}
	}
}

// fate is what becomes of a request.
func (m *maker) fate(seq uint64) fate {
	if seq >= uint64(m.whole.Len()) || m.plane[seq/64]>>(seq%64)&1 == 0 {
		return processed
	}
	v := m.planted[seq]
	if v == bench.Partial {
		return fate{outcome: bench.Unknown, item: true}
	}
	return fates[v]
}

// expected lists what was planted as a judge must see it. Where the wait was given
// up, what is missing may be on its way; where no read came to its end, nobody
// knows what is missing.
func (m *maker) expected() map[bench.ItemVerdict][]uint64 {
	all := map[bench.ItemVerdict][]uint64{}
	for seq, v := range m.planted {
		f := m.fate(seq)
		switch {
		case m.opts.CutOff && (!f.item || !f.effect) && v != bench.Unexpected && v != bench.Phantom:
			v = bench.Unread
		case m.opts.Undrained && (v == bench.LostWrite || v == bench.LostProcessing || v == bench.NotApplied || v == bench.Partial):
			v = bench.Pending
		}
		all[v] = append(all[v], seq)
	}
	for _, seqs := range all {
		slices.Sort(seqs)
	}
	return all
}

// attempt is the row of the ledger.
func (m *maker) attempt(seq uint64, o bench.Outcome) bench.Attempt {
	bits := clock.Bits(m.opts.Seed, "client", seq)
	sent := m.whole.Due(seq) + time.Duration(bits&0xffff) // up to 65 µs
	a := bench.Attempt{Seq: seq, Outcome: o, Class: bench.ClassStatus, Status: 200, Sent: sent, End: sent + time.Millisecond + time.Duration(bits>>16&0x3fffff)}
	a.FirstByte = a.End - time.Duration(bits>>40&0xffff)
	switch o {
	case bench.Refused:
		a.Status = 429
	case bench.Unknown:
		a.Class, a.Status, a.FirstByte, a.Error = bench.ClassReset, 0, 0, "read: connection reset by peer"
	}
	return a
}

// effectAt is when the effect came: some milliseconds after the answer, unless the
// processor stood still.
func (m *maker) effectAt(seq uint64, f fate) time.Time {
	t := m.whole.Due(seq)
	if t >= m.from && t < m.to { // caught up with at five times the rate
		t = m.to + (t-m.from)/5
	}
	t += 8*time.Millisecond + time.Duration(clock.Bits(m.opts.Seed, "processor", seq)&0x1ffffff)
	if f.late {
		t += deadline
	}
	return started.Add(t)
}

// ledger writes the client's side.
func (m *maker) ledger() error {
	dir := filepath.Join(m.dir, "ledger")
	w, err := ledger.Create(dir, ledger.Header{Run: m.id, Agent: uint8(m.share.Agent), Planned: m.plan.Len(), Seed: m.opts.Seed, Created: started})
	if err != nil {
		return err
	}
	n, cores := uint64(m.plan.Len()), uint64(runtime.GOMAXPROCS(0))
	const block = 1 << 12 // in turns: a ledger is written from its begin to its end
	share(cores, func(core, _ uint64) {
		for first := core * block; first < n; first += cores * block {
			for own := first; own < min(first+block, n); own++ {
				seq := m.number(own)
				o := m.fate(seq).outcome
				a := m.attempt(seq, o)
				a.Seq = own
				switch {
				case o == bench.Unsent:
					w.Done(bench.Attempt{Seq: own})
				case o == bench.Unknown && seq%2 == 0: // on the wire when the client was killed
					w.Sent(own, 0, a.Sent)
				default:
					w.Done(a)
				}
			}
		}
	})
	return errors.Join(w.SetStart(started), w.Close())
}

// share gives each core a part of n.
func share(n uint64, do func(from, to uint64)) {
	cores := uint64(runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for c := range cores {
		all.Go(func() { do(n*c/cores, n*(c+1)/cores) })
	}
	all.Wait()
}

// tables writes both final reads.
func (m *maker) tables() error {
	var reads [2]*ledger.ReadWriter
	for i := range reads {
		w, err := ledger.CreateRead(filepath.Join(m.dir, "reads", fmt.Sprint(i+1)), ledger.ReadHeader{Run: m.id, Agent: uint8(m.share.Agent), Number: i + 1, Begun: started})
		if err != nil {
			return err
		}
		defer w.Close()
		reads[i] = w
	}
	n := uint64(m.plan.Len())
	var mu sync.Mutex
	var errs []error
	share(n, func(from, to uint64) {
		for place := from; place < to; place++ {
			// A number without a common divisor with n goes through all of them.
			for i, step := range [...]uint64{coprime(n, 0x9e3779b9), coprime(n, 0x85ebca6b)} {
				if err := m.row(reads[i], place*step%n); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		}
	})
	for i, w := range reads {
		errs = append(errs, w.Finish())
		if m.opts.CutOff {
			errs = append(errs, cutOff(filepath.Join(m.dir, "reads", fmt.Sprint(i+1), "effects")))
		}
	}
	return errors.Join(errs...)
}

// cutOff takes the last byte from a file, and with it the meaning of its trailer.
func cutOff(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-1)
}

// coprime is the first number from one on that has no common divisor with n.
func coprime(n, from uint64) uint64 {
	for {
		a, b := from, n
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return from
		}
		from++
	}
}

// row writes what a read found of a request.
func (m *maker) row(w *ledger.ReadWriter, own uint64) error {
	seq := m.number(own)
	f, digest := m.fate(seq), m.plan.Digest(own)
	var errs []error
	if f.item {
		errs = append(errs, w.Item(bench.Item{Seq: own, Digest: digest, HasDigest: true}))
	}
	if f.effect {
		if f.wrong {
			digest++
		}
		errs = append(errs, w.Effect(bench.Effect{
			Seq: own, Count: f.count, Sequence: sequence(seq), Digest: digest, HasDigest: true, At: m.effectAt(seq, f),
		}))
	}
	if f.letter {
		errs = append(errs, w.DeadLetter(bench.DeadLetter{Seq: own, Readable: true, At: m.effectAt(seq, f)}))
	}
	return errors.Join(errs...)
}

// sequence is the sequence number of a request's record, as long as DynamoDB's.
func sequence(seq uint64) bench.Sequence {
	return bench.Sequence{Hi: 5, Lo: 1_000_000 + seq*3}
}

// deliveries writes what the machines were seen to do.
func (m *maker) deliveries() error {
	if !m.opts.Watched {
		return nil
	}
	log, err := ledger.CreateDeliveries(filepath.Join(m.dir, "deliveries"))
	if err != nil {
		return err
	}
	for own := range uint64(m.plan.Len()) {
		seq := m.number(own)
		f := m.fate(seq)
		if !f.item {
			continue
		}
		id, number, at := m.plan.ID(own).String(), sequence(seq).String(), started.Add(m.whole.Due(seq)+time.Millisecond)
		shard := fmt.Sprintf("shardId-%012d", seq%4)
		log.Committed(bench.Commit{Shard: shard, Sequence: number, ID: id, At: at})
		if f.effect {
			log.Delivered([]bench.Delivery{{
				Shard: shard, Sequence: number, ID: id, Batch: seq, Attempt: 1, At: m.effectAt(seq, f).Add(-time.Millisecond), Outcome: bench.Delivered,
			}})
		}
	}
	return log.Close()
}

// names of what was planted, for messages.
func (r *Run) String() string {
	var b strings.Builder
	for _, v := range bench.ItemVerdicts() {
		if n := len(r.Planted[v]); n > 0 {
			fmt.Fprintf(&b, " %s %d", v, n)
		}
	}
	return filepath.Base(r.Dir) + ":" + b.String()
}
