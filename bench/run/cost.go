package run

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// pricesFile is the list of prices that a run is told at. It may be replaced: the next
// 'ackproof reconcile' takes it.
const pricesFile = "prices.yaml"

// deployedMB is the memory of a deployed function that does not say.
const deployedMB = 256

// prices reads the list of prices of the run; one that keeps none has that of this
// version.
func (f *files) prices() (*cost.Prices, error) {
	b, err := os.ReadFile(filepath.Join(f.pricedBy(), pricesFile))
	if errors.Is(err, os.ErrNotExist) {
		p, _ := cost.List()
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	return cost.ParsePrices(b)
}

// pricedBy is the directory whose list of prices holds: of several agents', that of the first.
func (f *files) pricedBy() string {
	if f.firstDir != "" {
		return f.firstDir
	}
	return f.dir
}

// targetAWS is the name of the target that is a stack on AWS.
const targetAWS = "aws"

// cost says what the run's work costs on AWS; nil: what is behind the API is somebody
// else's.
func (f *files) cost(r *bench.Result) *bench.Cost {
	s, onAWS := f.scenario, f.manifest.Target == targetAWS
	if s.Named() && !onAWS {
		return nil
	}
	prices, err := f.prices()
	if err != nil {
		r.Notes = append(r.Notes, "the cost is not told: "+pricesFile+": "+err.Error())
		return nil
	}
	w := workOf(s, f.manifest.Architecture, f.manifest.Run)
	w.Incurred, w.BuiltIn = onAWS, f.manifest.Processor == builtIn
	w.Requests, w.Attempts, w.Refused, w.Acknowledged = r.Requests.Sent, r.Requests.Sent+r.Requests.Retries, r.Requests.Refused, r.Requests.Acknowledged
	w.Stored, w.Letters, w.ReadRows, w.Disturbed = r.Deliveries.Records, r.Deliveries.DeadLettered, f.rowsRead(), f.disturbed()
	if last := &f.reads[1]; last.Complete() && !f.perKey() { // whose rows do not tell how often they were written
		n := last.count(ledger.Effects)
		w.Applied = &n
	}
	if f.handing() {
		w.Handed = cost.NewTally(w.PerRecord, w.Timeout)
		for d := range f.log.Deliveries() {
			w.Handed.Add(d)
		}
	}
	c := w.Cost(prices)
	c.Foreseen = &foreseen(s, f.plan.Len(), f.manifest.Run).Cost(prices).Run
	return c
}

// workOf is what the settings of a scenario say of the work of a run.
func workOf(s *scenarios.Scenario, architecture string, id bench.RunID) *cost.Work {
	w := &cost.Work{
		Architecture: architecture,
		OneTable:     s.Table.OneTable, Versions: s.Workload.Kind == scenarios.Versions, PerKey: s.Target.Results.PerKey,
		IDBytes: len(bench.ID{Run: id}.String()), Payload: int(s.Workload.Payload),
		BatchSize: 1, Tries: s.Async.MaximumRetryAttempts + 1,
		PerRecord: s.Processor.Work + s.Processor.Burn, Timeout: s.Processor.Timeout, MemoryMB: s.Processor.Memory,
		OnFailure: destination(s, architecture),
	}
	if w.MemoryMB == 0 {
		w.MemoryMB = deployedMB
	}
	if s.Gateway.Template != "" && architecture == bench.Streams {
		w.Payload = -1
	}
	if architecture == bench.Streams {
		w.BatchSize = s.Mapping.BatchSize
	}
	return w
}

// foreseen is the work of so many requests, if all goes well and nothing is sent twice: of
// a system that is not ours, if it is as the scenario describes it.
func foreseen(s *scenarios.Scenario, requests int64, id bench.RunID) *cost.Work {
	w := workOf(s, s.Architecture, id).Forecast(requests, s.Read.By == scenarios.ReadGet, s.Read.By == scenarios.ReadExport)
	if !s.Target.HasItems() && !s.Target.HasResults() { // nobody reads them
		w.ReadRows = cost.Rows{Complete: true}
	}
	return w
}

// Foresee says what runs of scenarios cost on AWS together, before the first of them
// begins. A price file of nil is the list that comes with ackproof.
func Foresee(all []*scenarios.Scenario, prices []byte) (*bench.Cost, error) {
	list, _ := cost.List()
	if prices != nil {
		var err error
		if list, err = cost.ParsePrices(prices); err != nil {
			return nil, err
		}
	}
	id := bench.NewRunID(0) // all ids are of one length
	var works []*cost.Work
	for _, s := range all {
		works = append(works, foreseen(s, scenarios.NewPlan(s, id, 0, 0).Len(), id))
	}
	return cost.Sum(list, works...), nil
}

// Ahead says what so many requests cost on AWS, in a system as a scenario describes it, if
// all goes well. The function has so many MB; 0: those of the scenario.
func Ahead(s *scenarios.Scenario, requests int64, builtInProcessor bool, memoryMB int, prices *cost.Prices) *bench.Cost {
	w := workOf(s, s.Architecture, bench.NewRunID(0)).Forecast(requests, false, false)
	w.BuiltIn = builtInProcessor
	if memoryMB > 0 {
		w.MemoryMB = memoryMB
	}
	return w.Cost(prices)
}

// disturbed reports whether an event may have been tried again: something struck, or a
// process of the function died.
func (f *files) disturbed() bool {
	for i := range f.faults {
		if f.story.bitten(i) > 0 {
			return true
		}
	}
	return len(f.scenario.Workload.Poison) > 0
}

// destination is where the deployed system sends what it gives up.
func destination(s *scenarios.Scenario, architecture string) string {
	stack := s.Stack(0)
	switch {
	case architecture == bench.Streams && stack.Mapping.OnFailure == "payload":
		return cost.Bucket
	case architecture == bench.Streams && stack.Mapping.OnFailure != "", architecture == bench.FireAndForget && stack.Async.OnFailure != "":
		return cost.Queue
	}
	return cost.NoDestination
}

// rowsRead counts what all final reads found.
func (f *files) rowsRead() cost.Rows {
	rows := cost.Rows{Complete: true}
	all := append(append([]read{}, f.earlier...), f.reads[:]...)
	if e := f.story.exports; e != nil && f.scenario.Read.By == scenarios.ReadExport {
		for _, read := range e.Reads {
			for _, one := range read {
				rows.Exported += one.Bytes
			}
		}
		all = f.earlier // read otherwise, later on
	}
	for i := range all {
		rows.Items += all[i].count(ledger.Items)
		if !f.scenario.Table.OneTable { // else it is the same table, read once
			rows.Effects += all[i].count(ledger.Effects) + all[i].count(ledger.Latest)
		}
		rows.Complete = rows.Complete && all[i].Complete()
		if f.scenario.Read.By == scenarios.ReadGet {
			n := f.plan.Len()
			if f.perKey() {
				n = int64(f.plan.Keys())
			}
			rows.Asked += n
		}
	}
	return rows
}

// count is how many rows a read of a table found.
func (r *read) count(t ledger.Table) (n int64) {
	for _, p := range r.parts {
		n += p.Rows(t)
	}
	return n
}
