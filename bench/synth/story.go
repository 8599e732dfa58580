package synth

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// manifest writes run.json and scenario.yaml.
func (m *maker) manifest() error {
	source := m.scenario.YAML()
	fields := map[string]any{
		"schema": "ackproof.run/v1", "run": m.id, "scenario": m.scenario.Name, "target": "synthetic", "architecture": m.opts.Architecture,
		"seed": m.opts.Seed, "planned": m.plan.Len(), "processor": "built-in", "created": started.Format(time.RFC3339Nano),
		"started": started.Format(time.RFC3339Nano), "version": "synthetic", "scenario_crc": ledger.Sum(source),
	}
	if m.opts.Agents > 0 {
		fields["agent"], fields["agents"] = m.share.Agent, m.share.Of
	}
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(m.dir, "run.json"), append(ledger.AppendSum(text), '\n'), 0o644),
		os.WriteFile(filepath.Join(m.dir, "scenario.yaml"), source, 0o644),
	)
}

// events writes what happened when.
func (m *maker) events() error {
	w, err := ledger.CreateEvents(filepath.Join(m.dir, "events.jsonl"))
	if err != nil {
		return err
	}
	length := int64(-1)
	if info, err := os.Stat(filepath.Join(m.dir, "deliveries", "log")); err == nil {
		length = info.Size()
	}
	bites := int64((m.to - m.from) / time.Second)
	if m.share.Agent > 1 {
		bites = 0 // the first one breaks the system that all load
	}
	position := map[string]any{"Committed": m.plan.Len(), "Effects": m.plan.Len()}
	drain := map[string]any{"proof": bench.DrainPositions, "ms": 12.0, "timed_out": false, "position": position}
	if m.opts.Undrained {
		drain["proof"], drain["timed_out"] = bench.DrainNone, true
	}
	fault, end := 0, m.plan.Duration()
	errs := []error{
		m.evidence(w, -time.Second, "clean_start", map[string]any{"items": 0, "effects": 0}),
		w.SetStart(started),
	}
	if bites > 0 {
		errs = append(errs, w.Append(bench.Event{At: started.Add(m.from), Kind: bench.EventFaultBegin, Fault: &fault}))
	}
	for i := range bites {
		at := started.Add(m.from + time.Duration(i)*time.Second)
		errs = append(errs, w.Append(bench.Event{At: at, Kind: bench.EventStrike, Fault: &fault, Text: "SIGKILL"}))
	}
	if bites > 0 {
		errs = append(errs, w.Append(bench.Event{At: started.Add(m.to), Kind: bench.EventFaultEnd, Fault: &fault}))
	}
	errs = append(errs,
		m.evidence(w, end, "generator", map[string]any{"cpu_share": 0.1, "cpus": 2, "complete": true}),
		m.evidence(w, end, "bites", []bench.Bites{{Planned: bites, Bitten: bites}}),
		m.evidence(w, end+2*time.Hour, "drain", drain), // what is late has come
		m.evidence(w, end+2*time.Hour, "at_rest", map[string]any{"unchanged": true, "position": position}),
		m.evidence(w, end+2*time.Hour, "written", map[string]any{"deliveries": length}),
		m.evidence(w, end+2*time.Hour, "finished", map[string]any{}),
		w.Close(),
	)
	return errors.Join(errs...)
}

func (m *maker) evidence(w *ledger.EventWriter, at time.Duration, name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return w.Append(bench.Event{At: started.Add(at), Kind: bench.EventEvidence, Text: name, Data: text})
}
