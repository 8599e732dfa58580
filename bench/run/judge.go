package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/bench/stats"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// files is a run directory, read.
type files struct {
	dir      string
	firstDir string // of the first of several agents
	agents   int    // whose files these are together; 0: those of one run directory
	manifest *manifest
	scenario *scenarios.Scenario
	faults   []faults.Fault
	plan     *scenarios.Plan
	ledger   book
	reads    [2]read     // the last two
	earlier  []read      // those before them
	numbers  []int       // of all reads, in their order
	log      *deliveries // nil: the target keeps none
	story    story
	started  time.Time
	clocks   clocks
	portions portions
	progress func(Judging)
	partial  *partial // nil: nothing is kept of half a judgement
	parts    []string // the run directories that the files are in
	extents  extents
	timeline *timeline           // while figures are made
	whole    *span               // the whole plan as one span, while it is needed
	keys     *reconcile.Versions // where the results table has one row for all versions of an item
	keysMade sync.Once
	problems []string // of the final reads: what is absent there may have been lost by us
	damage   []string // of all other files
}

// Judge judges a run from its files alone, and writes result.json, findings.jsonl
// and series.json. A run that was cut off is judged by what is there. What it holds
// in memory is bounded, and known before ([JudgeOptions]). A judgement that is cut
// off, by SIGKILL too, goes on where it was when it is asked for again.
func Judge(dir string, opts JudgeOptions) (*bench.Result, *bench.Series, error) {
	f, err := open(dir, &opts)
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	return f.judgeAll(opts)
}

// judgeAll judges opened files, and writes what is found.
func (f *files) judgeAll(opts JudgeOptions) (*bench.Result, *bench.Series, error) {
	dir := f.dir
	f.partial = openPartial(f, opts)
	findings, err := createFindings(dir)
	if err != nil {
		return nil, nil, err
	}
	result, series := f.judge(findings.add)
	f.partial.close()
	encoded, err := EncodeResult(result)
	if err := errors.Join(findings.finish(), err); err != nil {
		return nil, nil, err
	}
	err = errors.Join(writeFile(filepath.Join(dir, resultFile), encoded), writeSeries(dir, series, encoded))
	if err != nil {
		return nil, nil, err
	}
	f.partial.remove()
	return result, series, nil
}

// Tell gives a judged run again: its result.json as it stands, and the series.
// Where series.json is missing, damaged or of another judgement, the series is
// computed from the run's other files.
func Tell(dir string) (*bench.Result, *bench.Series, error) {
	result := new(bench.Result)
	encoded, err := readResult(dir, result)
	if err != nil {
		return nil, nil, err
	}
	if series, err := readSeries(dir, encoded); err == nil {
		return result, series, nil
	}
	f, err := open(dir, &JudgeOptions{})
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	_, series := f.judge(func(bench.Finding) {})
	return result, series, nil
}

// readResult reads result.json and gives its bytes.
func readResult(dir string, r *bench.Result) ([]byte, error) {
	path := filepath.Join(dir, resultFile)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && exists(filepath.Join(dir, manifestFile)):
		return nil, fmt.Errorf("%s has not been judged; run 'ackproof reconcile %s'", dir, dir)
	case errors.Is(err, os.ErrNotExist) && exists(filepath.Join(dir, "comparison.json")):
		return nil, fmt.Errorf("%s holds several runs: open its comparison.html, or name one of the runs in it", dir)
	case errors.Is(err, os.ErrNotExist) && exists(filepath.Join(dir, capacityFile)):
		return nil, fmt.Errorf("%s is a search for capacity, whose probes are runs: compare takes it with --capacity", dir)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s is no run directory: it has no %s", dir, resultFile)
	case err != nil:
		return nil, err
	}
	_, err = ledger.CheckSum(bytes.TrimSuffix(b, []byte("\n")))
	if err := errors.Join(err, json.Unmarshal(b, r)); err != nil {
		return nil, fmt.Errorf("read %s: %w; run 'ackproof reconcile %s' to make it anew", path, err, dir)
	}
	if r.Schema != bench.ResultSchema {
		return nil, fmt.Errorf("read %s: schema %q, this version of ackproof reads %q", path, r.Schema, bench.ResultSchema)
	}
	return b, nil
}

// EncodeResult gives the bytes of result.json, which end in a checksum of what
// stands before it. A figure that is no number (NaN, infinite) is an error.
func EncodeResult(r *bench.Result) ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write result as JSON: %w", err)
	}
	return append(ledger.AppendSum(b), '\n'), nil
}

// findings writes findings.jsonl as they are found: where everything is lost
// there are as many as requests. The file is there whole or not at all.
type findings struct {
	path    string
	f       *os.File
	out     *bufio.Writer
	encoder *json.Encoder
	err     error // the first one; nothing is written after it
}

func createFindings(dir string) (*findings, error) {
	w := &findings{path: filepath.Join(dir, findingsFile)}
	f, err := os.Create(w.path + ".new")
	if err != nil {
		return nil, err
	}
	w.f, w.out = f, bufio.NewWriterSize(f, 64<<10)
	w.encoder = json.NewEncoder(w.out)
	return w, nil
}

func (w *findings) add(f bench.Finding) {
	if w.err == nil {
		w.err = w.encoder.Encode(f)
	}
}

// finish puts the file in its place, or takes it away.
func (w *findings) finish() error {
	err := errors.Join(w.err, w.out.Flush(), w.f.Close())
	if err == nil {
		err = os.Rename(w.f.Name(), w.path)
	}
	if err != nil {
		os.Remove(w.f.Name())
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	return nil
}

// judge makes the result of a run from its files. found is given every finding.
func (f *files) judge(found func(bench.Finding)) (*bench.Result, *bench.Series) {
	figures := f.figures()
	e := f.evidence(figures)
	var lives chosen
	e.Found = func(one bench.Finding) {
		found(one)
		lives.finding(one)
		f.inRow(figures.timeline, one)
	}
	e.From, e.Halfway = f.partial.judged(f, &e), f.partial.halfway
	account := reconcile.Judge(e)
	r := &bench.Result{
		Schema: bench.ResultSchema, Verdict: account.Verdict, Reasons: account.Reasons, Run: f.info(),
		Requests: account.Requests, Items: account.Items, Deliveries: account.Deliveries,
		Findings: account.Findings, Control: account.Control,
		Drain: f.story.proof(), Gates: account.Gates,
	}
	r.Requests.Retries = f.ledger.retries()
	f.fill(r, figures, account)
	r.Cost = f.cost(r)
	f.expect(r, figures)
	f.distrust(r)
	f.notes(r)
	for _, list := range []any{&r.Reasons, &r.Findings, &r.Expectations, &r.Faults, &r.Phases, &r.Backlog} {
		neverNull(list)
	}
	series := f.series(figures)
	series.Traces = append(series.Traces, f.traces(&account, lives.told())...)
	return r, series
}

// neverNull makes an empty list [] in JSON: null says "not observed".
func neverNull(list any) {
	switch l := list.(type) {
	case *[]bench.Reason:
		*l = append([]bench.Reason{}, *l...)
	case *[]bench.Finding:
		*l = append([]bench.Finding{}, *l...)
	case *[]bench.Expectation:
		*l = append([]bench.Expectation{}, *l...)
	case *[]bench.FaultResult:
		*l = append([]bench.FaultResult{}, *l...)
	case *[]bench.Phase:
		*l = append([]bench.Phase{}, *l...)
	case *[]bench.BacklogRow:
		*l = append([]bench.BacklogRow{}, *l...)
	}
}

func (f *files) info() bench.RunInfo {
	m := f.manifest
	info := bench.RunInfo{
		ID: m.Run, Scenario: m.Scenario, About: f.scenario.About, Target: m.Target, Architecture: m.Architecture, Seed: m.Seed,
		Started: f.started.UTC().Format(time.RFC3339Nano), Version: m.Version, Host: m.Host, Guarantee: f.scenario.Guarantee.Effects,
		DynamoDB: m.Endpoints.Outside,
	}
	if f.story.finished != nil {
		at := f.started.Add(f.story.finishedAt).UTC().Format(time.RFC3339Nano)
		info.Finished = &at
	}
	return info
}

// evidence gathers what the judge may know.
func (f *files) evidence(figures *figures) reconcile.Evidence {
	s, story := f.scenario, &f.story
	e := reconcile.Evidence{
		IDs: f.ids(), Architecture: f.manifest.Architecture, Started: f.effectsFrom(),
		Planned: f.plan.Len(), Attempts: f.attempts, LedgerProblems: f.ledger.Problems(),
		Due: f.plan.Due, Stage: f.plan.Stage, Digests: f.plan.Digests,
		ReadProblems:  f.problems,
		ItemsObserved: s.Target.HasItems(), EffectsObserved: s.Target.HasResults(), OneTable: s.Table.OneTable, CleanStart: story.clean,
		TablesShared: s.Read.Shared(), TablesWhole: s.Read.By == scenarios.ReadExport,
		Sentinels: uint64(max(0, story.sentinels) * f.ids().Agents),
		Drain:     story.proof(), Blocked: f.blocked(), Over: story.settled,
		Stopped:      story.stopped,
		LoadFinished: story.generator != nil && story.generator.Complete, HarnessFinished: story.finished != nil && story.finished.Error == "" && story.targetDeath == "",
		Interrupted:  story.interrupted(),
		WorkerCapHit: story.generator != nil && story.generator.WorkerCapHit,
		Guarantee: reconcile.Guarantee{
			Effects:            reconcile.EffectGuarantee(s.Guarantee.Effects),
			DeadLettersAllowed: s.Guarantee.DeadLetters == scenarios.DeadLettersAllow,
			Deadline:           time.Duration(s.Guarantee.Deadline),
		},
		Thresholds: reconcile.Thresholds{
			RateKept: float64(s.Gates.RateKept) / 100, AroundFaults: int64(s.Gates.Evidence), AroundShare: float64(s.Gates.EvidenceShare) / 100,
			SendDelay: s.Gates.SendDelay, SendDelayShare: float64(s.Gates.SendDelayShare) / 100, GeneratorCPUMax: float64(s.Gates.GeneratorCPU) / 100,
		},
		Timing: figures.timing(story.generator),
		Window: f.portions.window,
	}
	if e.Keys = f.plan.Keys(); e.Keys > 0 {
		e.Key, e.StreamWhole, e.PerKey = f.plan.KeyNumber, f.sawStream(), f.perKey()
		e.Answer = func(seq uint64) bench.Attempt { a, _ := f.ledger.At(seq); return a }
	}
	for _, st := range f.plan.Stages() {
		e.Stages = append(e.Stages, reconcile.Stage{Name: st.Name, From: st.From, To: st.To, Warmup: st.Warmup})
	}
	for n := range f.reads {
		e.Reads[n] = f.reads[n].evidence()
	}
	for n := range f.earlier {
		e.Earlier = append(e.Earlier, f.earlier[n].evidence())
	}
	if f.manifest.Architecture == bench.Streams && f.log != nil {
		e.Commits, e.Deliveries = f.log.Commits(), f.log.Deliveries()
		if s.Named() {
			e.Deliveries = nil // the stream shows what was stored, and nobody what was handed over
			if f.manifest.Endpoints.StreamARN == "" {
				e.Commits = nil
			}
		}
	}
	for i, fault := range f.faults {
		from, to := f.window(i)
		e.Faults = append(e.Faults, reconcile.Fault{
			Text: fault.String(), From: from, To: to, AcceptPath: f.onAcceptPath(fault),
			Planned: story.planned(i), Bitten: story.bitten(i), Undone: story.over(i),
			Uncounted: fault.On != "" && story.returned,
			Lasts:     fault.Lasts(),
		})
	}
	if k := story.skews; len(k) > 0 {
		e.Right = func(seq uint64, at time.Duration) time.Duration { return k.right(at, f.plan.Due(seq)) }
	}
	for i := range figures.reach { // none where they are not asked for
		e.Faults[i].Reach = figures.reach[i]
	}
	return e
}

// sawStream reports whether every record of the stream is in the log: it is as it
// was at the end of the run, its writer lived to see that, and no write was made
// while the stream was off.
func (f *files) sawStream() bool {
	if f.scenario.Named() && f.manifest.Endpoints.StreamARN == "" {
		return false
	}
	if f.log == nil || f.story.written == nil || len(f.damage) > 0 || f.story.targetDeath != "" || f.story.disorder > 0 {
		return false
	}
	for i, fault := range f.faults {
		if fault.Kind.Unrecorded && f.story.begun[i] {
			return false
		}
	}
	return true
}

// ids says which ids the run's requests have.
func (f *files) ids() bench.Numbering { return f.plan.IDs() }

// attempts is what the judge asks the ledger.
func (f *files) attempts(first uint64, into []bench.Attempt) {
	f.ledger.Attempts(first, into)
	f.spent(uint64(len(into)), f.portions.judge)
}

// blocked lists the shards that were held up when the drain gave up. The target
// names the first record of the batch that fails; the commits and effects tell
// more: since the built-in processor works in sequence, the record that holds the
// shard up is the first from there on that has no effect, and all others without
// one wait behind it. Of another processor only the batch is known.
func (f *files) blocked() []bench.ShardPosition {
	if !f.story.drain.TimedOut || f.log == nil {
		return nil
	}
	n := uint64(f.plan.Len())
	done := make([]uint64, n/64+1) // a bit each
	for _, read := range f.differing() {
		for e := range read.Effects() {
			if e.Seq < n && !e.At.IsZero() {
				done[e.Seq/64] |= 1 << (e.Seq % 64)
			}
		}
	}
	var blocked []bench.ShardPosition
	for _, shard := range f.story.drain.Position.Shards {
		if shard.Head == nil {
			continue
		}
		from, err := bench.ParseSequence(shard.Head.Sequence)
		if err != nil {
			blocked = append(blocked, shard)
			continue
		}
		head, waiting := *shard.Head, 0
		for c := range f.log.Commits() {
			seq, ours := f.seq(c.ID)
			at, err := bench.ParseSequence(c.Sequence)
			if !ours || seq >= n || c.Removed || err != nil || c.Shard != shard.Shard || at.Compare(from) < 0 || done[seq/64]>>(seq%64)&1 != 0 {
				continue
			}
			if waiting++; waiting == 1 && f.manifest.Processor == builtIn {
				head.ID, head.Sequence = c.ID, c.Sequence
			}
		}
		if waiting > 0 {
			shard.Head, shard.Behind = &head, waiting
		}
		blocked = append(blocked, shard)
	}
	return blocked
}

func (f *files) onAcceptPath(fault faults.Fault) bool {
	return fault.Kind.OnAcceptPath(f.manifest.Architecture)
}

// late reports whether a fault was armed later than the plan says, by more than
// what a busy machine explains.
func (f *files) late(i int) bool {
	return f.story.begun[i] && f.story.beganAt[i]-f.faults[i].At > lateFault
}

// window is when a fault was in force: by the plan, or from when it was really
// armed if that was late, and where the plan does not say how long, by what it
// struck.
func (f *files) window(i int) (from, to time.Duration) {
	fault, struck := f.faults[i], f.story.struck[i]
	switch {
	case fault.For > 0:
		from, to = fault.Window()
		if f.late(i) {
			from = min(f.story.beganAt[i], to)
		}
		return from, to
	case struck.From == stats.Never:
		from, _ = fault.Window()
		return from, from
	}
	return struck.From, struck.To
}
