package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

func ptr[T any](v T) *T { return &v }

// simulate makes a run of 20 s at 500/s, some of it lost, whose figures come
// out of package stats as a real run's do. The seed is fixed: the fixtures are
// golden.
func simulate(losses int) (*bench.Result, *bench.Series) {
	rng := rand.New(rand.NewPCG(1, 2))
	const perSecond, secs = 500, 20
	var items []stats.Times
	response, lag, completion := new(stats.Histogram), new(stats.Histogram), new(stats.Histogram)
	s := &bench.Series{Schema: bench.SeriesSchema, WidthMs: 1000, LoadMs: secs * 1000, EndMs: 24_000, Traces: []bench.Trace{}}
	lostSoFar := 0
	for sec := range secs {
		one, late, gone := new(stats.Histogram), new(stats.Histogram), lostSoFar
		for k := range perSecond {
			due := time.Duration(sec)*time.Second + time.Duration(k)*2*time.Millisecond
			took := time.Duration(1.4e6 * math.Exp(rng.NormFloat64()*0.45))
			if rng.IntN(150) == 0 {
				took *= 9
			}
			it := stats.Times{Acked: due + took, Stored: due + took - 400*time.Microsecond}
			work := time.Duration(2e6 + 30e6*rng.Float64())
			if due > 6*time.Second && due < 12*time.Second { // killed each second: work waits
				work += 6*time.Second - (due-6*time.Second)/2
			} else if due >= 12*time.Second && due < 14*time.Second {
				work += (14*time.Second - due) * 2
			}
			it.Effect = it.Stored + work
			if due > 7*time.Second && lostSoFar < losses && k%40 == 0 {
				it.Effect = stats.Never
				lostSoFar++
				lag.RecordCensored(30 * time.Second)
				completion.RecordCensored(30 * time.Second)
			} else {
				lag.Record(it.Effect - it.Acked)
				late.Record(it.Effect - it.Acked)
				completion.Record(it.Effect - due)
			}
			one.Record(took)
			items = append(items, it)
		}
		response.Merge(one)
		l, behind := one.Latency(), late.Latency()
		s.Rows = append(s.Rows, bench.SeriesRow{
			TMs: float64(sec) * 1000, Offered: perSecond, Acknowledged: perSecond, Min: ptr(0.25), P50: l.P50, P90: l.P90, P99: l.P99, Max: l.Max,
			LagP50: behind.P50, LagP99: behind.P99, LagMax: behind.Max, Lost: int64(lostSoFar - gone), Invocations: 25,
		})
	}
	for k := range 6 {
		s.Deaths = append(s.Deaths, bench.Mark{TMs: 6000 + float64(k)*1000, Text: "SIGKILL"})
		s.Rows[6+k].Deaths++
		s.Rows[6+k].Failed++
		s.Died++
	}
	s.Invocations, s.Failed = ptr(int64(500)), ptr(int64(6))
	s.Scenario = "name: crash\nload:\n  - {name: steady, for: 17s, rate: 500/s}\n"
	s.Environment = []bench.Fact{{Name: "processor", Value: "built-in"}, {Name: "Go", Value: "go1.26.0"}}
	s.Response, s.Lag, s.Completion = response.CDF(), lag.CDF(), completion.CDF()
	backlog := stats.NewBacklog(25 * time.Second)
	for _, it := range items {
		backlog.Add(it)
	}
	within := func(from, to time.Duration) (joined, left []time.Duration) {
		for _, it := range items {
			in, out, ok := it.Pending()
			if ok && in > from && in <= to {
				joined = append(joined, in)
			}
			if ok && out > from && out <= to {
				left = append(left, out)
			}
		}
		slices.Sort(joined)
		slices.Sort(left)
		return joined, left
	}
	offered := func(_, _ time.Duration) float64 { return perSecond }
	recovery, after := backlog.Recovery(stats.Window{From: 6 * time.Second, To: 12 * time.Second}, secs*time.Second, offered, within)
	n := int64(perSecond * secs)
	r := &bench.Result{
		Schema: bench.ResultSchema, Verdict: bench.Pass, Reasons: []bench.Reason{},
		Run: bench.RunInfo{ID: "k3v9x2ab", Scenario: "crash", About: "The processor is killed in mid-batch, again and again, while requests keep coming.",
			Target: "local", Architecture: bench.Streams, Seed: 42, Started: "2026-11-23T18:00:00Z", Finished: ptr("2026-11-23T18:00:31Z"),
			Version: "0.1.0", Host: bench.Host{OS: "linux", Arch: "amd64", CPUs: 2}},
		Requests:   bench.Requests{Planned: n, Sent: n, Acknowledged: n},
		Items:      bench.Items{Attempted: n, Processed: n, Duplicated: ptr(int64(0)), WrongEffect: ptr(int64(0)), Unexpected: ptr(int64(0))},
		Findings:   []bench.Finding{},
		Deliveries: bench.Deliveries{Records: ptr(n), Delivered: ptr(n + 460), Redelivered: ptr(int64(460)), DeadLettered: ptr(int64(0))},
		Load: bench.LoadFigures{OfferedRPS: perSecond, AchievedRPS: 499.8, SendDelay: bench.SendDelay{P50: 0.04, P99: 0.61, Max: 3.2}, GeneratorOK: true,
			Generator: &bench.Generator{CPUShare: ptr(0.21), GCPauseMs: 11.4, GCPauseMaxMs: 0.4, SchedulingP99Ms: 0.09, InFlightMax: 31, ConnectionsOpened: 34, ConnectionsOpenMax: 34}},
		Lag: ptr(lag.Latency()), Completion: ptr(completion.Latency()),
		ResponseTime: response.Latency(), ServiceTime: response.Latency(),
		ResponseBy: bench.ResponseBy{Acknowledged: response.Latency()},
		Backlog:    backlog.Rows(),
		Drain:      bench.Drain{Proof: bench.DrainPositions, Ms: 812},
		Faults: []bench.FaultResult{{Text: "at 6s for 6s every 1s: processor.kill after-write 10", Kind: "processor.kill", AtMs: 6000, ForMs: 6000,
			Planned: ptr(int64(6)), Bitten: 6, Undone: true, RecoveryMs: recovery, RecoveredAfterLoad: after, ObservedLoss: ptr(int64(0)),
			PredictedLoss: ptr(int64(0)), PredictedRange: &bench.Range{}, PredictedBy: "kept"}},
		Expectations: []bench.Expectation{{Expect: "lost == 0", Actual: ptr(0.0), OK: ptr(true)}, {Expect: "recovery < 20s", Actual: recovery, OK: ptr(true)}},
	}
	r.Cost = costs(0.0471, ptr(0.0473))
	addGatesAndPhases(r)
	return r, s
}

// costs is what ten thousand requests cost, of which the function's part has bounds.
func costs(low float64, high *float64) *bench.Cost {
	million := func(e bench.Estimate) *bench.Estimate {
		e.Low *= 100
		if e.High != nil {
			e.High = ptr(*e.High * 100)
		}
		return &e
	}
	function := bench.Estimate{Low: low - 0.0451}
	if high != nil {
		function.High = ptr(*high - 0.0451)
	}
	api, all := bench.Estimate{Low: 0.035, High: ptr(0.035)}, bench.Estimate{Low: low, High: high}
	return &bench.Cost{
		Prices: bench.PriceList{Date: "2026-01-02", Region: "us-east-1", Source: "made up"}, Run: all, PerMillion: million(all),
		Services: []bench.ServiceCost{
			{Service: "API Gateway", Run: api, PerMillion: million(api), Lines: []bench.CostLine{{What: "requests to the API", Unit: "requests", Quantity: bench.Estimate{Low: 1e4, High: ptr(1e4)}, USD: api}}},
			{Service: "Lambda", Run: function, PerMillion: million(function), Lines: []bench.CostLine{{What: "duration", Unit: "GB-seconds", Quantity: bench.Estimate{Low: 5}, USD: function}}},
		},
		Assumptions: []string{"every price is that of its first tier"}, LeftOut: []string{"taxes"},
	}
}

func addGatesAndPhases(r *bench.Result) {
	for _, g := range append(bench.AccountGates(), bench.TimingGates()...) {
		r.Gates = append(r.Gates, bench.GateResult{Name: g, OK: true, Detail: "seen"})
	}
	r.Control = &bench.Control{ToMs: 5800, Sent: 2900, Acknowledged: 2900, Items: bench.Items{Attempted: 2900, Processed: 2900}, Clean: ptr(true)}
	r.Phases = []bench.Phase{
		{Name: "warm-up", Warmup: true, ToMs: 3000, ResponseTime: r.ResponseTime, Acknowledged: 1500, Items: bench.Items{Attempted: 1500, Processed: 1500}},
		{Name: "steady", FromMs: 3000, ToMs: 20000, ResponseTime: r.ResponseTime, Lag: r.Lag, Acknowledged: 8500, Items: bench.Items{Attempted: 8500, Processed: 8500}},
	}
}

func passing() (*bench.Result, *bench.Series) { return simulate(0) }

// failing lost 137 items, and its processor was also throttled.
func failing() (*bench.Result, *bench.Series) {
	const gone = 137
	r, s := simulate(gone)
	r.Verdict = bench.Fail
	r.Reasons = []bench.Reason{
		{Code: bench.Code(bench.LostProcessing.String()), Text: "137 items are stored and have no effect"},
		{Code: bench.CodeExpectation, Text: "lost == 0: actual 137"},
	}
	r.Run.Architecture, r.Run.ID = bench.FireAndForget, "7hq2m0zd"
	r.Cost = costs(0.0521, nil)
	r.Cost.Incurred, r.Cost.Foreseen = true, &bench.Estimate{Low: 0.0519, High: ptr(0.0531)}
	r.Items.Processed -= gone
	r.Items.LostProcessing = gone
	r.Faults[0].ObservedLoss = ptr(int64(gone))
	r.Faults[0].RecoveryMs = nil
	r.Faults = append(r.Faults, bench.FaultResult{Text: "at 9s for 2s: table.throttle 30%", Kind: "table.throttle", AtMs: 9000, ForMs: 2000,
		Planned: ptr(int64(290)), Bitten: 301, Undone: true, RecoveryMs: ptr(2210.0), ObservedLoss: ptr(int64(12)), PredictedLoss: ptr(int64(30)), PredictedRange: &bench.Range{Low: 21, High: 44}, PredictedBy: "given up"})
	r.Expectations[0] = bench.Expectation{Expect: "lost == 0", Actual: ptr(137.0), OK: ptr(false)}
	r.Expectations[1] = bench.Expectation{Expect: "recovery < 20s", OK: ptr(false)}
	for i := range gone {
		r.Findings = append(r.Findings, bench.Finding{Verdict: bench.LostProcessing, ID: bench.ID{Run: r.Run.ID, Seq: uint64(3500 + 40*i)}.String(),
			Seq: uint64(3500 + 40*i), LastStation: bench.StationStored, DuringFault: r.Faults[0].Text, Position: "middle"})
	}
	for _, f := range r.Findings[:2] {
		life := redelivered()
		life.ID, life.Seq, life.Finding = f.ID, f.Seq, &f
		s.Traces = append(s.Traces, *life)
	}
	return r, s
}

// blocked is a run whose shard never got past one record.
func blocked() (*bench.Result, *bench.Series) {
	r, s := simulate(0)
	r.Verdict = bench.VerdictUnknown
	r.Reasons = []bench.Reason{
		{Code: bench.CodeBlockedShard, Text: "shard-0002 fails at k3v9x2ab-00-0000004711 (412 attempts, Runtime.ExitError); 1,288 records wait behind it"},
		{Code: bench.Code(bench.GateDrained), Text: "not drained within 60s"},
	}
	r.Items.Processed, r.Items.Pending = 8711, 1289
	r.Drain = bench.Drain{Proof: bench.DrainNone, Ms: 60000}
	r.Expectations[0].OK, r.Expectations[0].Actual = nil, nil
	for i := range r.Gates {
		if r.Gates[i].Name == bench.GateDrained || r.Gates[i].Name == bench.GateSendDelay {
			r.Gates[i].OK, r.Gates[i].Detail = false, "shard-0002 is 1,289 records behind"
		}
	}
	r.Notes = []string{"retry delays of asynchronous invocation are scaled by 1/100"}
	return r, s
}

// nulls is a plain load test: nothing behind the API could be seen.
func nulls() (*bench.Result, *bench.Series) {
	return &bench.Result{
		Schema: bench.ResultSchema, Verdict: bench.VerdictUnknown,
		Run:          bench.RunInfo{ID: "00000000", Scenario: "plain", Target: "http", Architecture: "unknown", Started: "2026-11-23T18:00:00Z"},
		Requests:     bench.Requests{Planned: 100, Sent: 90, Unsent: 10, Acknowledged: 80, Unknown: 10, Retries: 12},
		Items:        bench.Items{Attempted: 90, Unread: 90},
		ResponseTime: bench.Latency{Count: 100, Censored: 10, P50: ptr(12.5), P90: ptr(250.25)},
		Faults:       []bench.FaultResult{{Text: "at 1s: gateway.cut", AtMs: 1000}},
		Expectations: []bench.Expectation{{Expect: "lost == 0"}},
	}, nil
}

// evil is text that tries everything: markup, terminal codes, mentions, links,
// bidirectional overrides, invalid UTF-8 and length.
var evil = "</title><script>alert(1)</script>\x1b[31m\x00\r\n| `x` **b** @all http://example.com/ \u202egnp.exe\u2066 \xff ]]> " + strings.Repeat("long ", 2000)

func hostile() (*bench.Result, *bench.Series) {
	r, s := failing()
	r.Run.Scenario, r.Run.About, r.Run.Target, r.Run.Version, r.Run.Architecture = evil, evil, evil, evil, evil
	r.Run.ID, r.Run.Started, r.Run.Finished, r.Run.Host.OS = bench.RunID(evil), evil, &evil, evil
	r.Reasons = []bench.Reason{{Code: bench.Code(evil), Text: evil}}
	r.Notes = []string{evil, "שלום עולם"}
	r.Drain.Proof = bench.DrainProof(evil)
	for i := range r.Findings {
		r.Findings[i].ID, r.Findings[i].DuringFault, r.Findings[i].Position, r.Findings[i].LastStation = evil, evil, evil, bench.Station(evil)
	}
	r.Findings = r.Findings[:3]
	for i := range s.Traces {
		t := &s.Traces[i]
		t.ID, t.Phase, t.Verdict, t.Unknown, t.Finding = evil, evil, evil, []string{evil}, &r.Findings[i]
		t.Faults[0].Text = evil
		for k := range t.Steps {
			t.Steps[k].Kind, t.Steps[k].Text, t.Steps[k].Shard, t.Steps[k].Sequence = bench.TraceKind(evil), evil, evil, evil
		}
	}
	s.Scenario, s.Environment = "name: x\n"+evil+"\n", []bench.Fact{{Name: evil, Value: evil}}
	for i := range r.Faults {
		r.Faults[i].Text, r.Faults[i].Kind = evil, evil
	}
	for i := range r.Expectations {
		r.Expectations[i].Expect = evil
	}
	r.Gates = []bench.GateResult{{Name: bench.Gate(evil), Detail: evil}}
	r.Phases[0].Name = evil
	c := r.Cost
	c.Prices = bench.PriceList{Date: evil, Region: evil, Source: evil}
	c.Services[0].Service, c.Services[0].Lines[0].What, c.Services[0].Lines[0].Unit, c.Assumptions, c.LeftOut = evil, evil, evil, []string{evil}, []string{evil}
	return r, s
}

// fixtures are the runs that every format tells.
var fixtures = []struct {
	name string
	make func() (*bench.Result, *bench.Series)
}{{"pass", passing}, {"fail", failing}, {"blocked", blocked}, {"nulls", nulls}, {"hostile", hostile}}

// architectures are three runs as `run --architecture all` makes them.
func architectures() []bench.Result {
	streams, _ := passing()
	forget, _ := failing()
	sync, _ := passing()
	sync.Run.Architecture, sync.Run.ID, sync.Lag = bench.Sync, "9sync000", nil
	sync.ResponseTime.P50, sync.ResponseTime.P99, sync.ResponseTime.Max = ptr(38.2), ptr(3012.0), ptr(10004.0)
	sync.Requests.Acknowledged, sync.Requests.Unknown = 9941, 59
	sync.Items.Processed, sync.Items.Recovered, sync.Items.Partial = 9941, 40, 19
	forget.ResponseTime.P99 = ptr(4.1)
	return []bench.Result{*streams, *sync, *forget}
}

// runsOf makes runs to compare; dirs and groups may be nil.
func runsOf(results []bench.Result, dirs, groups []string) []Run {
	var runs []Run
	for i := range results {
		r := Run{Result: &results[i]}
		if i < len(dirs) {
			r.Dir = dirs[i]
		}
		if i < len(groups) {
			r.Group = groups[i]
		}
		runs = append(runs, r)
	}
	return runs
}

// settled are two runs with curves, whose settings differ.
func settled() []Run {
	a, before := passing()
	b, after := failing()
	after.Scenario = "name: crash\nload:\n  - {name: steady, for: 17s, rate: 900/s}\nmapping: {batchSize: 10}\n"
	return []Run{{Result: a, Series: before, Dir: "a"}, {Result: b, Series: after, Dir: "b"}}
}

// trials are n runs a side; the sides are shift apart.
func trials(n int, shift float64) []bench.Result {
	var out []bench.Result
	for i := range n {
		for side, arch := range []string{bench.Streams, bench.Sync} {
			r, _ := nulls()
			r.Run.ID = bench.RunID(fmt.Sprintf("run%d%d", side, i))
			r.Run.Architecture, r.Load.GeneratorOK = arch, true
			r.ResponseTime.P99 = ptr(10 + float64(i)/10 + float64(side)*shift)
			out = append(out, *r)
		}
	}
	return out
}
