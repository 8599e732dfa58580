package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// beginning is what the header of the ledger holds beside its own: a second copy
// of all that was known when the run began. One damaged block on a disk must not
// cost the meaning of a million cells.
type beginning struct {
	Manifest string `json:"manifest"` // run.json as first written, to the byte
	Scenario string `json:"scenario"` // scenario.yaml
}

// begin reads run.json and scenario.yaml. Where one is damaged, the copy in the
// ledger's header stands in, and the damage is noted: the run is told, and is
// unknown. An error means that there is no run here, or neither copy of it.
func (f *files) begin() error {
	manifest, err := readManifest(f.dir)
	if errors.Is(err, errDamagedManifest) {
		if again := f.copied(); again != nil {
			if m, cerr := parseManifest([]byte(again.Manifest)); cerr == nil {
				f.damage = append(f.damage, err.Error()+"; the copy in the ledger's header is read in its place")
				manifest, err = m, nil
			}
		}
	}
	if err != nil {
		return err
	}
	f.manifest = manifest

	path := filepath.Join(f.dir, scenarioFile)
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	damaged := manifest.ScenarioCRC != "" && manifest.ScenarioCRC != ledger.Sum(source)
	if damaged {
		if again := f.copied(); again != nil && ledger.Sum([]byte(again.Scenario)) == manifest.ScenarioCRC {
			source = []byte(again.Scenario)
		}
		f.damage = append(f.damage, path+" is not as the run wrote it: its checksum does not match that in run.json")
	}
	f.scenario, err = scenarios.Parse(path, source, nil)
	return err
}

// copied is the copy of the run's beginning; nil: there is none, as in runs of
// the first versions, or it is damaged too.
func (f *files) copied() *beginning {
	book, err := ledger.Open(filepath.Join(f.dir, ledgerDir))
	if err != nil {
		return nil
	}
	defer book.Close()
	var b beginning
	if json.Unmarshal(book.Header().Plan, &b) != nil || len(b.Manifest) == 0 {
		return nil
	}
	return &b
}

// errDamagedManifest says that run.json is there, and is not as it was written.
var errDamagedManifest = errors.New("damaged")

// parseManifest reads a run.json. Those of the first versions have no checksum.
func parseManifest(text []byte) (*manifest, error) {
	object, whole := bytes.CutSuffix(text, []byte("\n"))
	summed, err := ledger.CheckSum(object)
	if summed && !whole {
		err = errors.New("its last line has no end")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamagedManifest, err)
	}
	var m manifest
	d := json.NewDecoder(bytes.NewReader(text))
	if !summed {
		d.DisallowUnknownFields() // such as a "crc" of which one letter has changed
	}
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamagedManifest, err)
	}
	return &m, nil
}

// strangers notes files that are sound and belong to another run: somebody has
// copied them into this one.
func (f *files) strangers() {
	if h := f.ledger[0].Header(); h.Run.Valid() && (h.Run != f.manifest.Run || int(h.Agent) != f.manifest.Agent) {
		f.damage = append(f.damage, fmt.Sprintf("%s is that of run %s, agent %d, and run.json of run %s, agent %d", filepath.Join(f.dir, ledgerDir), h.Run, h.Agent, f.manifest.Run, f.manifest.Agent))
	}
	for n := range f.reads {
		if h := f.reads[n].parts[0].Header(); h.Run.Valid() && (h.Run != f.manifest.Run || h.Number != f.numbers[len(f.numbers)-2+n] || int(h.Agent) != f.manifest.Agent) {
			f.damage = append(f.damage, fmt.Sprintf("%s is read %d of run %s, agent %d", readDir(f.dir, f.numbers[len(f.numbers)-2+n]), h.Number, h.Run, h.Agent))
		}
	}
}

// written says how long the log of deliveries was when the run ended: blocks that
// are gone from its end leave no other trace.
type written struct {
	Deliveries int64 `json:"deliveries"` // bytes; -1: the target keeps none
}

// wrote measures the files that others have written.
func (r *Run) wrote() {
	w := written{Deliveries: -1}
	if info, err := os.Stat(filepath.Join(r.dir, deliveriesDir, "log")); err == nil {
		w.Deliveries = info.Size()
	}
	r.evidence(evidenceWritten, w)
}

// lengths compares the log of deliveries with what it was when the run ended.
func (f *files) lengths() {
	want := int64(-1)
	if f.story.written != nil {
		want = f.story.written.Deliveries
	}
	switch {
	case want < 0:
	case f.log == nil:
		f.damage = append(f.damage, filepath.Join(f.dir, deliveriesDir, "log")+" is missing")
	case f.log.parts[0].Size() < want:
		f.damage = append(f.damage, fmt.Sprintf("%s: sound up to byte %d; there were %d at the end of the run",
			filepath.Join(f.dir, deliveriesDir, "log"), f.log.parts[0].Size(), want))
	}
}

// distrust keeps a run of which a file is damaged from being a pass. What is left
// shows what happened; what did not happen may have stood in what is gone.
func (f *files) distrust(r *bench.Result) {
	if len(f.damage) == 0 {
		return
	}
	text := f.damage[0]
	if more := len(f.damage) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	r.Verdict = r.Verdict.Worse(bench.VerdictUnknown)
	r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeDamaged, Text: text})
}
