package run

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/stats"
	"github.com/ackproof/ackproof/bench/synth"
)

// The figures as they were first computed, from the times of all requests, held at
// once: what going through the plan in pieces must agree with.

// times holds, for every planned request, what is known of its stations, as
// positions from the start of load; stats.Never where it was not seen there.
type times struct {
	attempts []bench.Attempt
	sent     []bool
	items    []stats.Times   // acknowledged, stored, effect
	handed   []time.Duration // first handed to the processor
	observed time.Duration   // the end of the observation: what had not happened then is censored
	effects  bool            // a final read was complete: an effect that was not found is none
	lastSent time.Duration
}

// times reads the times of all requests from the files.
func (f *files) times() *times {
	n := int(f.plan.Len())
	t := &times{
		attempts: make([]bench.Attempt, n), sent: make([]bool, n), items: make([]stats.Times, n), handed: make([]time.Duration, n),
		observed: f.story.last,
		effects:  f.reads[0].Complete() || f.reads[1].Complete(),
	}
	for i := range n {
		t.items[i] = stats.Times{Acked: stats.Never, Stored: stats.Never, Effect: stats.Never}
		t.handed[i] = stats.Never
		a, state := f.ledger.At(uint64(i))
		t.attempts[i], t.sent[i] = a, state != ledger.Unsent
		if t.sent[i] && t.attempts[i].Outcome == bench.Acknowledged {
			t.items[i].Acked = t.attempts[i].End
		}
		if t.sent[i] {
			t.lastSent = max(t.lastSent, t.attempts[i].Sent)
			t.observed = max(t.observed, t.attempts[i].End)
		}
	}
	f.watched(t, n)
	for _, read := range f.reads {
		for e := range read.Effects() {
			if e.Seq < uint64(n) && !e.At.IsZero() {
				t.items[e.Seq].Effect = min(t.items[e.Seq].Effect, e.At.Sub(f.started))
				if f.manifest.Architecture != bench.Streams {
					t.items[e.Seq].Stored = t.items[e.Seq].Effect // in one transaction
				}
			}
		}
	}
	return t
}

// watched adds what the machines were seen to do, where they were watched.
func (f *files) watched(t *times, n int) {
	if f.log == nil {
		return
	}
	for c := range f.log.Commits() {
		if i, ok := f.seq(c.ID); ok && i < uint64(n) && !c.Removed {
			t.items[i].Stored = min(t.items[i].Stored, c.At.Sub(f.started))
		}
	}
	for d := range f.log.Deliveries() {
		if i, ok := f.seq(d.ID); ok && i < uint64(n) {
			t.handed[i] = min(t.handed[i], d.At.Sub(f.started))
		}
	}
}

// oracle are the distributions of a run, warm-up left out where its definition
// says so.
type oracle struct {
	response, service, lag, completion, dispatch, sendDelay stats.Histogram
	byOutcome                                               [4]stats.Histogram
	stages                                                  []stage
}

// oracle goes through all requests once.
func (f *files) oracle(t *times) *oracle {
	g := &oracle{stages: make([]stage, len(f.plan.Stages()))}
	stages := f.plan.Stages()
	for i := range t.attempts {
		due, number := f.plan.Due(uint64(i)), f.plan.Stage(uint64(i))
		g.request(&g.stages[number], t, i, due, stages[number].Warmup)
	}
	return g
}

func (g *oracle) request(st *stage, t *times, i int, due time.Duration, warmup bool) {
	a, item := t.attempts[i], t.items[i]
	if !t.sent[i] && due > t.observed {
		return // the run was cut off before
	}
	if !t.sent[i] {
		// It waited at least until the end and was never answered.
		st.response.RecordCensored(t.observed - due)
		if !warmup {
			g.response.RecordCensored(t.observed - due)
		}
		return
	}
	end := a.End
	if a.Class == bench.ClassNone {
		end = stats.Never // on the wire when ackproof was killed: nobody knows when it ended
	}
	between(&st.response, due, end, t.observed)
	if a.Outcome == bench.Acknowledged {
		st.acknowledged++
		between(&st.lag, item.Acked, item.Effect, t.observed)
	}
	if warmup {
		return
	}
	between(&g.response, due, end, t.observed)
	between(&g.byOutcome[a.Outcome], due, end, t.observed)
	if a.Sent >= due { // a damaged cell has no time of sending
		between(&g.service, a.Sent, end, t.observed)
		g.sendDelay.Record(a.Sent - due)
	}
	if a.Outcome == bench.Acknowledged {
		between(&g.lag, item.Acked, item.Effect, t.observed)
	}
	if item.Effect != stats.Never || item.Acked != stats.Never || item.Stored != stats.Never {
		between(&g.completion, due, item.Effect, t.observed)
	}
	if item.Stored != stats.Never {
		between(&g.dispatch, item.Stored, t.handed[i], t.observed)
	}
}

// rows gives the rows of the series, in slots of the same width.
func (f *files) rows(t *times, width time.Duration, n int) []bench.SeriesRow {
	load := int((f.plan.Duration() + width - 1) / width)
	rows := make([]bench.SeriesRow, n)
	response, lag, least := make([]stats.Histogram, n), make([]stats.Histogram, n), map[int]time.Duration{}
	for i := range rows {
		rows[i].TMs = ms(time.Duration(i) * width)
	}
	for i, a := range t.attempts {
		due := f.plan.Due(uint64(i))
		at := min(int(due/width), load-1)
		row := &rows[at]
		row.Offered++
		if !t.sent[i] {
			continue
		}
		if a.Class != bench.ClassNone {
			response[at].Record(a.End - due)
			if old, ok := least[at]; !ok || a.End-due < old {
				least[at] = a.End - due
			}
		}
		switch a.Outcome {
		case bench.Acknowledged:
			row.Acknowledged++
			if e := t.items[i].Effect; e != stats.Never {
				lag[at].Record(e - a.End)
			}
		case bench.Refused:
			row.Refused++
		case bench.Unknown:
			row.Unknown++
		}
	}
	for i := range rows {
		l := response[i].Latency()
		rows[i].P50, rows[i].P90, rows[i].P99, rows[i].Max = l.P50, l.P90, l.P99, l.Max
		if d, ok := least[i]; ok {
			rows[i].Min = new(ms(d))
		}
		if f.manifest.Architecture != bench.Sync {
			l = lag[i].Latency()
			rows[i].LagP50, rows[i].LagP99, rows[i].LagMax = l.P50, l.P99, l.Max
		}
	}
	f.happened(rows, width)
	return rows
}

// happened counts what the machines did in each row.
func (f *files) happened(rows []bench.SeriesRow, width time.Duration) {
	in := func(at time.Duration) *bench.SeriesRow {
		if i := int(at / width); at >= 0 && i < len(rows) {
			return &rows[i]
		}
		return new(bench.SeriesRow)
	}
	for _, d := range f.story.deaths {
		in(time.Duration(d.TMs*float64(time.Millisecond))).Deaths++
	}
	if f.log == nil {
		return
	}
	type key struct {
		shard   string
		batch   uint64
		attempt int
	}
	seen := map[key]bool{}
	for d := range f.log.Deliveries() {
		if k := (key{d.Shard, d.Batch, d.Attempt}); !seen[k] {
			seen[k] = true
			row := in(d.At.Sub(f.started))
			row.Invocations++
			if d.Outcome != bench.Delivered {
				row.Failed++
			}
		}
	}
}

// backlog counts what had happened by each full second.
func (t *times) backlog(rows int) []bench.BacklogRow {
	all := make([]bench.BacklogRow, rows)
	for i := range all {
		at, row := time.Duration(i)*time.Second, &all[i]
		row.TMs = ms(at)
		for _, it := range t.items {
			for _, c := range []struct {
				seen bool
				n    *int64
			}{{it.Acked <= at, &row.Acknowledged}, {it.Stored <= at, &row.Stored}, {it.Effect <= at, &row.Processed}, {min(it.Acked, it.Stored) <= at && it.Effect > at, &row.Pending}} {
				if c.seen {
					*c.n++
				}
			}
		}
	}
	return all
}

// The figures are the same as when they were made from the times of all requests,
// however small the pieces are in which the plan is gone through.
func TestFiguresAgainstTheTimesOfAllRequests(t *testing.T) {
	Long(t)
	for i, opts := range []synth.Options{
		{Requests: 4000, Each: 20, Watched: true},
		{Requests: 4000, Each: 9},
		{Requests: 3000, Each: 50, Architecture: bench.Sync, Watched: true},
		{Requests: 2000, Each: 7, CutOff: true, Undrained: true},
		{Requests: 2001},
	} {
		opts.Seed = uint64(i)
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			made, err := synth.Make(t.TempDir(), opts)
			if err != nil {
				t.Fatal(err)
			}
			f, err := open(made.Dir, &JudgeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.close()
			times := f.times()
			want := f.oracle(times)
			whole, recoveries := f.figures(), []recovered(nil)
			for _, span := range []uint64{uint64(opts.Requests), 1, 97, 1000} {
				if span == 1 {
					span = uint64(opts.Requests)/16 + 1
				}
				f.portions.span = span
				got := f.figures()
				same(t, f, times, want, got)
				if recoveries = got.recoveries; !cmp.Equal(recoveries, whole.recoveries, cmp.AllowUnexported(recovered{})) {
					t.Errorf("recoveries %v in pieces of %d, %v in one", recoveries, span, whole.recoveries)
				}
			}
			if opts.Each == 0 && recoveries[0].ms == nil {
				t.Error("no recovery of a run that lost nothing")
			}
		})
	}
}

func same(t *testing.T, f *files, times *times, want *oracle, got *figures) {
	t.Helper()
	rows := got.backlog.Rows()
	for name, pair := range map[string][2]any{
		"response":     {want.response.Latency(), got.response.Latency()},
		"service":      {want.service.Latency(), got.service.Latency()},
		"lag":          {want.lag.Latency(), got.lag.Latency()},
		"completion":   {want.completion.Latency(), got.completion.Latency()},
		"dispatch":     {want.dispatch.Latency(), got.dispatch.Latency()},
		"send delay":   {want.sendDelay.Latency(), got.sendDelay.Latency()},
		"acknowledged": {want.byOutcome[bench.Acknowledged].Latency(), got.byOutcome[bench.Acknowledged].Latency()},
		"refused":      {want.byOutcome[bench.Refused].Latency(), got.byOutcome[bench.Refused].Latency()},
		"unknown":      {want.byOutcome[bench.Unknown].Latency(), got.byOutcome[bench.Unknown].Latency()},
		"lag CDF":      {want.lag.CDF(), got.lag.CDF()},
		"series":       {f.rows(times, got.timeline.width, len(got.timeline.rows)), got.timeline.rows},
		"end":          {times.observed, got.end},
		"last sent":    {times.lastSent, got.lastSent},
		"rows":         {int((times.observed+time.Second-1)/time.Second) + 2, len(rows)},
		"backlog":      {times.backlog(min(len(rows), 60)), rows[:min(len(rows), 60)]},
	} {
		if d := cmp.Diff(pair[0], pair[1]); d != "" {
			t.Errorf("%s (-all times +pieces):\n%.1000s", name, d)
		}
	}
	for i := range want.stages {
		if d := cmp.Diff([]any{want.stages[i].response.Latency(), want.stages[i].lag.Latency(), want.stages[i].acknowledged},
			[]any{got.stages[i].response.Latency(), got.stages[i].lag.Latency(), got.stages[i].acknowledged}); d != "" {
			t.Errorf("stage %d (-all times +pieces):\n%s", i, d)
		}
	}
}
