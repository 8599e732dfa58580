package run

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/load"
	"github.com/ackproof/ackproof/faults"
)

// manifestSchema is the value of manifest.Schema.
const manifestSchema = "ackproof.run/v1"

// manifest is run.json: written before anything is started, again when the
// endpoints are known, and again when the start of load is fixed.
type manifest struct {
	Schema       string            `json:"schema"`
	Run          bench.RunID       `json:"run"`
	Scenario     string            `json:"scenario"`
	Target       string            `json:"target"`
	Architecture string            `json:"architecture"`
	Seed         uint64            `json:"seed"`
	Planned      int64             `json:"planned"`
	Agent        int               `json:"agent,omitempty"`  // of several that share the plan, from 1
	Agents       int               `json:"agents,omitempty"` // 0: one alone
	Processor    string            `json:"processor"`        // "built-in" or the path given
	Created      string            `json:"created"`
	Started      string            `json:"started"` // start of load, RFC 3339, UTC; empty: it never came so far
	Version      string            `json:"version"`
	Go           string            `json:"go"`
	Host         bench.Host        `json:"host"`
	Endpoints    bench.Endpoints   `json:"endpoints"`
	Deployed     *bench.Deployed   `json:"deployed,omitempty"` // nil: nobody has asked
	Libraries    map[string]string `json:"libraries"`
	SDKRetries   string            `json:"sdk_retries"`
	ScenarioCRC  string            `json:"scenario_crc"`  // CRC-32C of scenario.yaml; "": a version that kept none
	CRC          string            `json:"crc,omitempty"` // of run.json itself, added as it is written

	faults []faults.Fault
}

// share is the part of the plan that the run sent.
func (m *manifest) share() bench.Share { return bench.Share{Agent: m.Agent, Of: m.Agents} }

func (m *manifest) write(dir string) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, manifestFile), b)
}

// encode writes run.json, with its checksum.
func (m *manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(ledger.AppendSum(b), '\n'), err
}

// readManifest reads run.json, so far as it was written. An error that is
// errDamagedManifest says that it was written otherwise.
func readManifest(dir string) (*manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, fmt.Errorf("%s is no run directory: %w", dir, err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, manifestFile), err)
	}
	if m.Schema != manifestSchema {
		return nil, fmt.Errorf("read %s: schema %q, this version of ackproof reads %q", filepath.Join(dir, manifestFile), m.Schema, manifestSchema)
	}
	if !m.Run.Valid() || m.Planned < 0 || !m.share().Valid() || !slices.Contains(bench.Architectures(), m.Architecture) {
		return nil, fmt.Errorf("read %s: run id %q, architecture %q, agent %s or plan of %d requests cannot be", filepath.Join(dir, manifestFile), m.Run, m.Architecture, m.share(), m.Planned)
	}
	return m, nil
}

func thisHost() bench.Host {
	return bench.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
}

// writeFile writes a file whole or not at all.
func writeFile(path string, b []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// Names of the evidence in events.jsonl.
const (
	evidenceCleanStart = "clean_start"
	evidenceCanary     = "canary"
	evidenceGenerator  = "generator"
	evidenceStopped    = "stopped"
	evidenceBites      = "bites"
	evidenceDrain      = "drain"
	evidenceExports    = "exports"
	evidenceSentinels  = "sentinels"
	evidenceAtRest     = "at_rest"
	evidenceWritten    = "written"
	evidenceSamples    = "samples"
	evidenceFinished   = "finished"
)

// cleanStart says whether the tables were seen to be empty before the load.
type cleanStart struct {
	Items   int64 `json:"items"`
	Effects int64 `json:"effects"`
}

// generator is what the load generator knows of itself.
type generator struct {
	CPUShare     float64 `json:"cpu_share"` // of all cores; -1: the system does not tell
	GCPauseMs    float64 `json:"gc_pause_ms"`
	WorkerCapHit bool    `json:"worker_cap_hit"`
	CPUs         int     `json:"cpus"`
	Complete     bool    `json:"complete"` // the load came to the end of its plan

	GCPauseMaxMs    float64       `json:"gc_pause_max_ms"`
	SchedulingP99Ms float64       `json:"scheduling_p99_ms"`
	InFlightMax     int64         `json:"in_flight_max"`
	Opened          int64         `json:"connections_opened"`
	Failed          int64         `json:"connections_failed"`
	OpenMax         int64         `json:"connections_open_max"`
	Setup           []load.Bucket `json:"connection_time,omitempty"`
	TLS             []load.Bucket `json:"tls_time,omitempty"`
}

// newGenerator is what an attack leaves of its generator.
func newGenerator(f load.Figures, complete bool) generator {
	return generator{
		CPUShare: f.CPUShare, GCPauseMs: ms(f.GCPause), GCPauseMaxMs: ms(f.GCPauseMax), SchedulingP99Ms: ms(f.SchedP99),
		WorkerCapHit: f.WorkerCapHit, InFlightMax: f.InFlight, CPUs: runtime.NumCPU(), Complete: complete,
		Opened: f.Connections.Opened, Failed: f.Connections.Failed, OpenMax: f.Connections.Peak,
		Setup: f.Connections.Setup, TLS: f.Connections.TLS,
	}
}

// drained is how the drain ended, with the last position seen.
type drained struct {
	bench.Drain
	TimedOut bool           `json:"timed_out"` // drain.timeout passed
	Position bench.Position `json:"position"`

	Sentinels int    `json:"sentinels,omitempty"` // sent to prove it
	Why       string `json:"why,omitempty"`       // it could not be shown, where more is known than that it took too long
}

// sentinelsSent says how many ids beyond the plan are the harness's own, before
// they are sent.
type sentinelsSent struct {
	Sent int `json:"sent"` // so far
}

// atRest says whether the pipeline stood still while the tables were read.
type atRest struct {
	Unchanged bool           `json:"unchanged"`
	Position  bench.Position `json:"position"`
}

// finished is the last line of a run that was not cut off.
type finished struct {
	Interrupted bool   `json:"interrupted"`
	Error       string `json:"error,omitempty"`
}

// evidence keeps what the judge needs and no other file holds.
func (r *Run) evidence(name string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("run: evidence %s cannot be written as JSON: %v", name, err)) // our own types
	}
	r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventEvidence, Text: name, Data: b})
}
