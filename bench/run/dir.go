package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// Files and folders of a run directory.
const (
	manifestFile  = "run.json"
	scenarioFile  = "scenario.yaml"
	ledgerDir     = "ledger"
	deliveriesDir = "deliveries"
	dataDir       = "data"
	eventsFile    = "events.jsonl"
	findingsFile  = "findings.jsonl"
	resultFile    = "result.json"
	seriesFile    = "series.json"
	partialFile   = "judging.partial"
)

// builtIn is what run.json calls the built-in StreamProcessor.
const builtIn = "built-in"

// theirOwn is what run.json calls that of a system that is not ours.
const theirOwn = "the system's own"

// readDir is the folder of the n-th final read.
func readDir(dir string, n int) string { return filepath.Join(dir, "reads", fmt.Sprint(n)) }

// DirName is the name of a directory made at a time for a scenario and an id.
func DirName(at time.Time, scenario, id string) string {
	return at.UTC().Format("20060102-150405") + "-" + scenario + "-" + id
}

// agentSuffix tells the directories of several agents of one run apart.
func agentSuffix(s bench.Share) string {
	if s == (bench.Share{}) {
		return ""
	}
	return fmt.Sprintf("-agent-%d", s.Agent)
}

// Link makes the link `latest` in a folder point to one of its directories. A
// system without links does without.
func Link(out, dir string) {
	latest := filepath.Join(out, "latest")
	if info, err := os.Lstat(latest); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return // somebody's own file
	}
	os.Remove(latest)
	os.Symlink(filepath.Base(dir), latest)
}

// makeDir makes the run directory with everything that is known beforehand. If
// anything fails, nothing is left behind.
func (r *Run) makeDir() (err error) {
	s := r.opts.Scenario
	created := r.opts.Clock.Now()
	r.dir = filepath.Join(r.opts.Out, DirName(created, s.Name, string(r.id))+agentSuffix(r.opts.Share))
	if r.dir, err = filepath.Abs(r.dir); err != nil {
		return err
	}
	r.hadOut = exists(r.opts.Out)
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("make the run directory: %w; choose another folder with --out", err)
	}
	defer func() {
		if err != nil {
			r.Discard()
		}
	}()
	for _, sub := range []string{ledgerDir, deliveriesDir, "reads/1", "reads/2", "plots"} {
		if err := os.MkdirAll(filepath.Join(r.dir, sub), 0o755); err != nil {
			return err
		}
	}
	r.manifest.faults = s.Faults
	r.manifest.Schema, r.manifest.Run, r.manifest.Scenario = manifestSchema, r.id, s.Name
	r.manifest.Target, r.manifest.Architecture, r.manifest.Seed = r.opts.Target.Name(), s.Architecture, r.opts.Seed
	r.manifest.Agent, r.manifest.Agents = r.opts.Share.Agent, r.opts.Share.Of
	r.manifest.Planned, r.manifest.Created = r.plan.Len(), created.UTC().Format(time.RFC3339Nano)
	r.manifest.Processor = builtIn
	switch {
	case s.Named():
		r.manifest.Processor = theirOwn
	case r.opts.Processor != "":
		r.manifest.Processor = r.opts.Processor
	}
	r.manifest.Version, r.manifest.Go, r.manifest.Host = r.opts.Version, runtime.Version(), thisHost()
	r.manifest.Libraries, r.manifest.Deployed = libraries(), r.opts.Deployed
	r.manifest.SDKRetries = "off in gateway, event source mapping and final reads; the processor keeps its own SDK's settings"
	kept, named := s.Kept()
	source := kept.YAML()
	r.manifest.ScenarioCRC = ledger.Sum(source)
	if err := errors.Join(r.manifest.write(r.dir), writeFile(filepath.Join(r.dir, scenarioFile), source), writeFile(filepath.Join(r.dir, pricesFile), r.opts.Prices)); err != nil {
		return err
	}
	for name, data := range named {
		if err := writeFile(filepath.Join(r.dir, name), data); err != nil {
			return err
		}
	}
	first, err := r.manifest.encode()
	if err != nil {
		return err
	}
	copied, err := json.Marshal(beginning{Manifest: string(first), Scenario: string(source)})
	if err != nil {
		return err
	}
	if r.events, err = ledger.CreateEvents(filepath.Join(r.dir, eventsFile)); err != nil {
		return err
	}
	r.book, err = ledger.Create(filepath.Join(r.dir, ledgerDir), ledger.Header{
		Run: r.id, Agent: uint8(r.opts.Share.Agent), Planned: r.plan.Len(), Seed: r.opts.Seed, Created: created, Plan: copied,
	})
	if err != nil {
		r.events.Close()
	}
	return err
}

// Discard removes the run directory of a run that never sent a request, and its
// folder if that was made for it.
func (r *Run) Discard() {
	os.RemoveAll(r.dir)
	if !r.hadOut {
		os.Remove(r.opts.Out) // only if it is empty
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// libraries are the versions of what a figure may depend on: retry settings of
// the AWS SDK changed between versions in 2026.
func libraries() map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, dep := range info.Deps {
		if strings.Contains(dep.Path, "aws-sdk-go-v2") && strings.Count(dep.Path, "/") <= 4 || strings.Contains(dep.Path, "vegeta") || strings.Contains(dep.Path, "aws-lambda-go") {
			versions[dep.Path] = dep.Version
		}
	}
	return versions
}
